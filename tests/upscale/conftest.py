import importlib.util

import tests.perceptual.conftest  # noqa: F401 - makes torchvision importable

collect_ignore_glob = [] if importlib.util.find_spec("spandrel") else ["test_*.py"]
