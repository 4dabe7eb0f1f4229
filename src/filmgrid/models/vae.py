"""Autoencoders of diffusers as codecs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

MOST_PIXELS = 1024 * 1024
"""Pixels that are coded at once, an image of one megapixel: small cells go many at a time."""


class VaeCodec:
    """Codes frames one by one with an autoencoder, to latents of about unit variance.

    Args:
        vae: an ``AutoencoderKL`` (FLUX.1, Z-Image) or an ``AutoencoderKLFlux2``, whose latents
            are patched and normed by running statistics.
    """

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self.patch = 2 if hasattr(vae, "bn") else 1
        self.stride = 2 ** (len(vae.config.block_out_channels) - 1) * self.patch
        self.channels = vae.config.latent_channels * self.patch**2
        self._home: torch.device | None = None

    def rest(self) -> None:
        """Wait in the machine's memory from now on, and come to the GPU for each use alone."""
        self._home = next(self.vae.parameters()).device
        self.vae.to("cpu")

    def encode(self, frames: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n d y x"]:
        """The middle of each frame's distribution of latents."""
        return self._each(self._encode, frames)

    def decode(self, latents: Float[Tensor, "b n d y x"]) -> Float[Tensor, "b n c h w"]:
        """Latents to pixels, about [-1, 1]."""
        return self._each(self._decode, latents, self.stride**2)

    def _encode(self, pixels: Tensor) -> Tensor:
        latents = self.vae.encode(pixels).latent_dist.mode()
        if self.patch == 1:
            config = self.vae.config
            return (latents - (config.shift_factor or 0)) * config.scaling_factor
        patched = rearrange(
            latents, "b c (y ph) (x pw) -> b (c ph pw) y x", ph=self.patch, pw=self.patch
        )
        mean, std = self._statistics(patched)
        return (patched - mean) / std

    def _decode(self, latents: Tensor) -> Tensor:
        if self.patch == 1:
            config = self.vae.config
            latents = latents / config.scaling_factor + (config.shift_factor or 0)
        else:
            mean, std = self._statistics(latents)
            latents = rearrange(
                latents * std + mean,
                "b (c ph pw) y x -> b c (y ph) (x pw)",
                ph=self.patch,
                pw=self.patch,
            )
        return self.vae.decode(latents).sample

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel of patched latents."""
        norm, small = self.vae.bn, self.vae.config.batch_norm_eps
        mean = norm.running_mean.view(1, -1, 1, 1)
        std = (norm.running_var.view(1, -1, 1, 1) + small).sqrt()
        return mean.to(like), std.to(like)

    def _each(self, code: Any, frames: Tensor, pixels_each: int = 1) -> Tensor:
        """Code frames, as many at once as fit, in the dtype of the weights."""
        flat = frames.flatten(0, 1)
        pixels = flat.shape[-2] * flat.shape[-1] * pixels_each
        chunks = flat.split(max(1, MOST_PIXELS // pixels))
        with self._at_work():
            coded = [code(chunk.to(self.vae.dtype)).to(frames.dtype) for chunk in chunks]
        return torch.cat(coded).unflatten(0, frames.shape[:2])

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """On the device where it is used, if it rests elsewhere."""
        if self._home is None:
            yield
            return
        self.vae.to(self._home)
        try:
            yield
        finally:
            self.vae.to("cpu")
