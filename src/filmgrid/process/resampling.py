"""Frames of another size, as the same picture: bicubic, for training and sampling alike."""

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def resampled(
    frames: Float[Tensor, "*n c h w"], height: int, width: int
) -> Float[Tensor, "*n c y x"]:
    """Bicubic interpolation, antialiased where frames get smaller, as Pillow has it.

    Args:
        frames: of any range; results may go a little beyond it at edges.
        height: of the result, in pixels.
        width: of the result, in pixels.
    """
    flat = F.interpolate(
        frames.flatten(0, -4),
        (height, width),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    return flat.reshape(*frames.shape[:-2], height, width)


def coarse_part(frames: Float[Tensor, "*n c h w"], factor: int) -> Float[Tensor, "*n c h w"]:
    """The nearest frames, by least squares, that bicubic interpolation makes of small ones.

    Frames that were enlarged so come out as they are; of noise that was added to them since, one
    part in the square of the factor is left.

    Args:
        frames: sides are multiples of the factor.
        factor: how many times smaller the small ones are.
    """
    height, width = frames.shape[-2:]
    down = (_shrinking(side // factor, side).to(frames) for side in (height, width))
    rows, cols = down
    return resampled(rows @ frames @ cols.mT, height, width)


@lru_cache(maxsize=16)
def _shrinking(small: int, large: int) -> Float[Tensor, "small large"]:
    """What undoes bicubic interpolation along a side, as far as it can be undone."""
    enlarging = resampled(torch.eye(small, dtype=torch.float64)[None, None], large, small)
    return torch.tensor(np.linalg.pinv(enlarging[0, 0].numpy()), dtype=torch.float32)
