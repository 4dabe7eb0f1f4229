from pathlib import Path
from typing import Any

import pytest

from filmgrid.bench.peers.tiny import NAMES, save_tiny


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """The tiny pipeline of each family, and the folder that it is saved in."""
    root = tmp_path_factory.mktemp("pipelines")
    return {name: (save_tiny(name, root / name), root / name) for name in NAMES}
