"""Clips of moving things, made by formula."""

import numpy as np
import pytest

from filmgrid.types import FrameArray


def moving_clip(seed: int, num_frames: int = 16, side: int = 64, to_right: bool = True):
    """Textured ground with a bright disc that crosses it."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 160, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    rows, cols = np.mgrid[:side, :side]
    top, radius, speed = rng.uniform(20, side - 20), rng.uniform(6, 10), rng.uniform(1.0, 2.0)
    colour = rng.uniform(150, 255, 3)
    frames = np.empty((num_frames, side, side, 3))
    for index, frame in enumerate(frames):
        left = 12 + speed * index
        left = left if to_right else side - left
        inside = np.clip(radius - np.hypot(rows - top, cols - left), 0, 1)[..., None]
        frame[:] = coarse * (1 - inside) + colour * inside
    return frames.round().astype(np.uint8)


@pytest.fixture(scope="session")
def clips() -> list[FrameArray]:
    return [moving_clip(seed) for seed in range(12)]


@pytest.fixture(scope="session")
def noise_clip() -> FrameArray:
    return np.random.default_rng(0).integers(0, 256, (16, 40, 50, 3), dtype=np.uint8)
