import importlib.util

from tests.training.conftest import data, models

__all__ = ["data", "models"]

collect_ignore_glob = [] if importlib.util.find_spec("torchao") else ["test_*.py"]
