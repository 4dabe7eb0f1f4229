"""Frames made worse: what a network learns to mend is drawn here, and what it is measured on."""

import numpy as np
from einops import repeat
from jaxtyping import UInt8
from PIL import ImageFilter

from filmgrid.data.degrade_config import DegradeConfig
from filmgrid.data.pictures import to_picture
from filmgrid.types import FrameArray

KINDS = ("blur", "hidden", "coarse", "grain")
MOST_BLOCKS = 16
"""Most blocks along the side of a frame of which some are hidden."""


def degraded(frames: FrameArray, config: DegradeConfig, rng: np.random.Generator) -> FrameArray:
    """Make all frames of a sequence worse in one of four ways, as much as is drawn.

    Args:
        frames: the sequence.
        config: how far it may go.
        rng: draws the way and the amount.
    """
    height, width = frames.shape[1:3]
    kind, amount = KINDS[int(rng.integers(len(KINDS)))], rng.random()
    match kind:
        case "blur":
            sigma = amount * config.blur * min(height, width)
            soft = ImageFilter.GaussianBlur(sigma)
            return np.stack([np.asarray(to_picture(frame).filter(soft)) for frame in frames])
        case "hidden":
            blocks = int(rng.integers(2, MOST_BLOCKS + 1))
            return hide_blocks(
                frames, amount * config.hidden, blocks, rng.integers(256, size=3), rng
            )
        case "coarse":
            side = max(1, round(amount * config.coarse))
            return _coarse(frames, side)
        case _:
            grain = amount * config.grain * rng.standard_normal(frames.shape, np.float32)
            return (frames + grain).round().clip(0, 255).astype(np.uint8)


def hide_blocks(
    frames: FrameArray,
    share: float,
    blocks: int,
    colour: int | UInt8[np.ndarray, "3"],
    rng: np.random.Generator,
) -> FrameArray:
    """Blocks of one colour, in other places in every frame.

    Args:
        frames: the sequence.
        share: of the blocks of a frame that are hidden.
        blocks: along a side.
        colour: in levels.
        rng: draws the places.
    """
    height, width = frames.shape[1:3]
    fine = -(-max(height, width) // blocks)
    hidden = frames.copy()
    for frame in hidden:
        chosen = np.zeros(blocks**2, bool)
        chosen[rng.permutation(blocks**2)[: round(share * blocks**2)]] = True
        mask = repeat(chosen.reshape(blocks, blocks), "h w -> (h i) (w j)", i=fine, j=fine)
        frame[mask[:height, :width]] = colour
    return hidden


def _coarse(frames: FrameArray, side: int) -> FrameArray:
    """Means over squares of ``side`` pixels; what is left at the far borders stays sharp."""
    height, width = (size - size % side for size in frames.shape[1:3])
    if not height or not width:
        return frames
    whole = frames[:, :height, :width].astype(np.float32)
    cells = whole.reshape(len(frames), height // side, side, width // side, side, 3)
    means = cells.mean((2, 4)).round().astype(np.uint8)
    worse = frames.copy()
    worse[:, :height, :width] = means.repeat(side, 1).repeat(side, 2)
    return worse
