"""Frames of another size, as the same picture: bicubic, for training and sampling alike."""

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
