"""Frames brought to what a network was trained on, exactly as its statement says."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.evaluation.features import ClipBatch
from filmgrid.evaluation.spec import Preprocessing, Resize


def prepare(
    clips: ClipBatch, spec: Preprocessing, device: str | torch.device = "cpu"
) -> Float[Tensor, "b c n height width"] | UInt8[Tensor, "b c n height width"]:
    """Resize, scale and normalise clips whose frames are already chosen.

    Args:
        clips: 8-bit sRGB.
        spec: what is done; its choice of frames is not applied again.
        device: where it is done.

    Returns:
        Clips as the network takes them: colours before frames.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(clips)).to(device)
    frames = rearrange(pixels, "b n h w c -> (b n) c h w")
    if spec.colours == "bgr":
        frames = frames.flip(1)
    if spec.values == "float32":
        frames = frames.float()
        for step in spec.resize:
            frames = resize(frames, step)
        frames = frames * ((spec.white - spec.black) / 255) + spec.black
        if spec.mean != (0.0,) * 3 or spec.std != (1.0,) * 3:
            mean, std = (torch.tensor(triple, device=device) for triple in (spec.mean, spec.std))
            frames = (frames - mean[:, None, None]) / std[:, None, None]
    return rearrange(frames, "(b n) c h w -> b c n h w", b=len(clips)).contiguous()


def resize(
    frames: Float[Tensor, "frames c h w"], spec: Resize
) -> Float[Tensor, "frames c height width"]:
    """Do one step. Levels stay in 0 to 255, but for what a cubic filter overshoots.

    Levels that are made whole are also clipped, as 8 bits are. Frames that have the size already
    are given back unchanged.
    """
    if spec.mode == "inside":
        return frames
    assert spec.size is not None
    height, width = frames.shape[-2:]
    scaled = (spec.size, spec.size)
    if spec.mode == "crop":
        scaled = crop_sides(height, width, spec)
    if spec.rounding == "pillow":
        for sides in ((height, scaled[1]), scaled):
            frames = _interpolate(frames, sides, spec).round().clamp(0, 255)
    else:
        frames = _interpolate(frames, scaled, spec)
        if spec.rounding == "down":
            frames = frames.floor().clamp(0, 255)
    top, left = ((side - spec.size) // 2 for side in scaled)
    return frames[..., top : top + spec.size, left : left + spec.size]


def crop_sides(height: int, width: int, spec: Resize) -> tuple[int, int]:
    """Height and width that frames are scaled to before the middle is cut out, in pixels."""
    short = spec.short_side or spec.size
    assert short is not None
    whole = math.floor if spec.long_side == "floor" else math.ceil
    long = max(short, whole(short * max(height, width) / min(height, width)))
    return (short, long) if height <= width else (long, short)


def _interpolate(
    frames: Float[Tensor, "frames c h w"], sides: tuple[int, int], spec: Resize
) -> Float[Tensor, "frames c height width"]:
    if sides == tuple(frames.shape[-2:]):
        return frames
    return F.interpolate(
        frames,
        size=sides,
        mode=spec.filter,
        align_corners=spec.align_corners,
        antialias=spec.antialias,
    )
