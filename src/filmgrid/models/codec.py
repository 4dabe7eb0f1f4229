"""Codecs: between pixels in [-1, 1] and the latents that backbones see."""

from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def pixels_of(frames: UInt8[np.ndarray, "*n h w c"]) -> Float[Tensor, "*n c h w"]:
    """8-bit frames as pixels in [-1, 1], channels first."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 127.5 - 1


def frames_of(pixels: Float[Tensor, "*n c h w"]) -> UInt8[np.ndarray, "*n h w c"]:
    """Pixels as 8-bit frames, rounded to the nearest; what is outside [-1, 1] is clipped."""
    levels = (pixels.float().clamp(-1, 1) + 1) * 127.5
    return levels.round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


class Codec(Protocol):
    """Codes cells one by one, so that neighbours cannot bleed into each other."""

    stride: int
    """Pixels per latent side."""

    channels: int
    """Channels of a latent."""

    def encode(self, frames: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n d y x"]:
        """Pixels in [-1, 1] to scaled latents."""
        ...

    def decode(self, latents: Float[Tensor, "b n d y x"]) -> Float[Tensor, "b n c h w"]:
        """Scaled latents to pixels, about [-1, 1]."""
        ...


class PixelCodec:
    """No coding: the latents are the pixels."""

    stride = 1
    channels = 3

    def encode(self, frames: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n c h w"]:
        """Give the pixels back."""
        return frames

    def decode(self, latents: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n c h w"]:
        """Give the latents back."""
        return latents
