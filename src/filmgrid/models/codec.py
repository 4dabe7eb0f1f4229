"""Codecs: between pixels in [-1, 1] and the latents that backbones see."""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor


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
