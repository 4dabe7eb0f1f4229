"""Whether a sequence shows again what it showed before: loops, there and back, stutter.

Free of torch.
"""

from hashlib import blake2b

import numpy as np
from einops import reduce
from jaxtyping import Float32, Int64

from filmgrid.metrics.health import CHANGED_SHARE, nearly_equal
from filmgrid.types import FrameArray

BLOCKS = 8
"""Blocks along each side of the reduced picture on which near copies are looked for."""

EXCESS = 2 * 255 * CHANGED_SHARE
"""Levels by which the block means of near copies may exceed the tolerance on average: twice what
the changed pixels can add, for the rows and columns that are in no block."""

CANDIDATES = 4
"""Earlier frames that are compared pixel by pixel: those whose reduced picture is nearest."""


def duplicate_share(frames: FrameArray, tolerance: int = 8) -> float:
    """Share of frames that repeat an earlier one which something else came after.

    A frame counts if it equals an earlier frame bit for bit, or nearly, by the rule of
    :func:`filmgrid.metrics.health.frozen_share`. Frames that are frozen to each other in one
    chain are one moment and do not repeat each other; a whole frozen chain that came before
    repeats as a whole.

    Near copies are looked for among the 4 earlier frames whose block means are nearest, so that
    thousands of frames take seconds. Real motion that comes back to where it was (a pendulum, a
    turntable that goes round twice) is a repeat as well. Copies that are mirrored, moved by a
    pixel, or brighter than the tolerance are not seen.

    Args:
        frames: a sequence; a single frame repeats nothing.
        tolerance: levels of 255.

    Returns:
        0 if every moment is new; ``(n - p) / n`` for a loop of p different frames; about 1/2 for
        one way and back.
    """
    if len(frames) < 2:
        return 0.0
    chain = _frozen_chains(frames, tolerance)
    reduced = _block_means(frames)
    first_chain: dict[bytes, int] = {}
    repeats = 0
    for index, frame in enumerate(frames):
        exact = (
            first_chain.setdefault(blake2b(frame.tobytes()).digest(), chain[index]) < chain[index]
        )
        earlier = int(np.searchsorted(chain, chain[index]))
        if exact or _is_near_copy(frames, reduced, index, earlier, tolerance):
            repeats += 1
    return repeats / len(frames)


def _is_near_copy(
    frames: FrameArray,
    reduced: Float32[np.ndarray, "n blocks"],
    index: int,
    earlier: int,
    tolerance: int,
) -> bool:
    """Whether one of the first ``earlier`` frames is nearly this one.

    Where few pixels change by more than the tolerance, the means of blocks exceed it by little on
    average (``EXCESS``): frames further apart need no closer look.
    """
    apart = np.abs(reduced[:earlier] - reduced[index])
    possible = np.flatnonzero(np.maximum(apart - tolerance, 0).mean(axis=1) <= EXCESS)
    nearest = possible[np.argsort(apart[possible].sum(axis=1), kind="stable")[:CANDIDATES]]
    return any(nearly_equal(frames[other], frames[index], tolerance) for other in nearest)


def _frozen_chains(frames: FrameArray, tolerance: int) -> Int64[np.ndarray, " n"]:
    """Number of the frozen chain that each frame is in, counting up."""
    moved = [not nearly_equal(frames[i], frames[i + 1], tolerance) for i in range(len(frames) - 1)]
    return np.cumsum([0, *moved], dtype=np.int64)


def _block_means(frames: FrameArray) -> Float32[np.ndarray, "n blocks"]:
    """Mean of each colour in each block, in levels; rows and columns left over are dropped."""
    height, width = frames.shape[1:3]
    side_y, side_x = max(1, height // BLOCKS), max(1, width // BLOCKS)
    whole = frames[:, : height // side_y * side_y, : width // side_x * side_x]
    means = [
        reduce(frame.astype(np.float32), "(r y) (s x) c -> (r s c)", "mean", y=side_y, x=side_x)
        for frame in whole
    ]
    return np.stack(means)
