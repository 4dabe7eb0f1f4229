"""torchvision made importable where it lies beside a torch that it was not built for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from filmgrid.types import FrameArray

SCHEMA = "{}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
MISSING = []


def define_missing_operators() -> None:
    """Declare what torchvision registers shapes for while it is imported.

    Its build for CUDA loads nothing beside a torch for CPUs, and then fails over operators that no
    network here calls. The library of the declarations is kept, as they end with it.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return
    import torch
    from torch.library import Library

    compiled = [p for p in Path(found.origin).parent.glob("_C*") if p.suffix in (".so", ".pyd")]
    try:
        torch.ops.load_library(str(compiled[0]))
    except (OSError, IndexError):
        MISSING.append(Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            MISSING[0].define(SCHEMA.format(name))


define_missing_operators()


@pytest.fixture(scope="session")
def frames() -> FrameArray:
    """Three frames of 40x56 px: blobs on a slope, by formula."""
    rows, cols = np.mgrid[:40, :56]
    made = np.empty((3, 40, 56, 3))
    for index, frame in enumerate(made):
        blob = np.exp(-((rows - 20) ** 2 + (cols - 15 - 6 * index) ** 2) / 60)
        frame[:] = (rows + cols)[..., None] * (0.9, 1.2, 0.4) + blob[..., None] * (90, 20, 160)
    return made.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def noisy(frames: FrameArray) -> FrameArray:
    """The same with more noise from frame to frame."""
    noise = (
        np.random.default_rng(0).normal(size=frames.shape)
        * np.array([4, 12, 36])[:, None, None, None]
    )
    return (frames + noise).round().clip(0, 255).astype(np.uint8)
