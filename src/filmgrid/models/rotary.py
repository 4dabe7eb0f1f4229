"""Norms, rotary positions and waves that the parts of the grid transformer share."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Axis = Literal["all", "space", "time"]
"""Which tokens see each other: all, those of a frame, or those at one place in every frame."""


def norm(x: Tensor) -> Tensor:
    """RMS norm without weights: the modulation that follows has them."""
    return F.rms_norm(x, x.shape[-1:])


def turned_by(angles: Float[Tensor, "n p pairs"], axis: Axis) -> Float[Tensor, "s pairs"]:
    """Angles of the tokens that see each other; what they have in common turns nothing."""
    return {"all": angles.flatten(0, 1), "space": angles[0], "time": angles[:, 0]}[axis]


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair of features by its token's angles."""
    even, odd = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)


def waves(at: Tensor, count: int, highest: float, span: float) -> Tensor:
    """Angles of positions at ``count`` frequencies."""
    return at[..., None] * _frequencies(count, highest, span, at.device)


def _frequencies(count: int, highest: float, span: float, device: torch.device) -> Tensor:
    """Geometric frequencies from ``highest`` down to ``highest / span``, radians per step."""
    return highest * span ** -(torch.arange(count, device=device) / max(1, count - 1))


def fourier(values: Tensor, count: int) -> Tensor:
    """Sines and cosines of values in [0, 1] at ``count / 2`` frequencies."""
    angles = waves(values, count // 2, highest=100.0, span=200.0)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
