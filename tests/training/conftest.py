import numpy as np
import pytest

from filmgrid.bench.peers.tiny import NAMES, save_tiny
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.pictures import to_picture

CELL = 32


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of tiny pipelines."""
    made = {}
    for name in NAMES:
        made[name] = tmp_path_factory.mktemp("tiny") / name
        save_tiny(name, made[name])
    return made


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Six sequences of four frames with captions."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for number in range(6):
        folder = root / f"clip{number}"
        folder.mkdir()
        (root / f"clip{number}.txt").write_text(f"a clip of the number {number}")
        base = rng.integers(0, 255, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        for index in range(4):
            to_picture(np.roll(base, 4 * index, 1)).save(folder / f"{index}.png")
    out = tmp_path_factory.mktemp("data") / "data"
    asked = DatasetConfig(sources=(root,), out=out, layout="2x2", cell=CELL, held_out_fraction=0)
    build_dataset(asked)
    return out
