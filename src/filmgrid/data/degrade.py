"""Frames made worse: what a network learns to mend is drawn here, and what it is measured on."""

import numpy as np
import torch
from einops import repeat
from jaxtyping import UInt8
from PIL import ImageFilter

from filmgrid.data.degrade_config import DegradeConfig, SuperResolutionConfig
from filmgrid.data.pictures import to_picture
from filmgrid.process.resampling import resampled
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
            return _blurred(frames, sigma)
        case "hidden":
            blocks = int(rng.integers(2, MOST_BLOCKS + 1))
            return hide_blocks(
                frames, amount * config.hidden, blocks, rng.integers(256, size=3), rng
            )
        case "coarse":
            side = max(1, round(amount * config.coarse))
            return _coarse(frames, side)
        case _:
            return _levels(
                frames + amount * config.grain * rng.standard_normal(frames.shape, np.float32)
            )


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


def made_small(frames: FrameArray, factor: int) -> FrameArray:
    """Frames of a fraction of the size, bicubic."""
    return _resized(frames, frames.shape[1] // factor, frames.shape[2] // factor)


def enlarged_again(
    small: FrameArray, config: SuperResolutionConfig, rng: np.random.Generator
) -> FrameArray:
    """What a network of super-resolution is given of small frames: enlarged, perhaps degraded.

    Args:
        small: the frames.
        config: the factor, and how far the degradation may go.
        rng: draws whether and how much; always the same number of draws.
    """
    large = _resized(small, small.shape[1] * config.factor, small.shape[2] * config.factor)
    chance, amount = rng.random(2), rng.random(2)
    grain = rng.standard_normal(large.shape, np.float32)
    if chance[0] >= config.degraded:
        return large
    noise = config.least_noise + amount[0] * (config.most_noise - config.least_noise)
    noisy = _levels(large + noise * grain)
    if chance[1] >= config.blurred:
        return noisy
    return _blurred(noisy, config.least_blur + amount[1] * (config.most_blur - config.least_blur))


def _resized(frames: FrameArray, height: int, width: int) -> FrameArray:
    planes = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float()
    return _levels(resampled(planes, height, width).movedim(-3, -1).numpy())


def _blurred(frames: FrameArray, sigma: float) -> FrameArray:
    soft = ImageFilter.GaussianBlur(float(sigma))
    return np.stack([np.asarray(to_picture(frame).filter(soft)) for frame in frames])


def _levels(values: np.ndarray) -> FrameArray:
    return values.round().clip(0, 255).astype(np.uint8)


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
