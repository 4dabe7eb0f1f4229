"""Codecs: between pixels in [-1, 1] and the latents that backbones see."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.grid.pack import pack_grid, split_grid
from filmgrid.grid.spec import Layout
from filmgrid.models.upscaler import FACTOR, Upscaler


def pixels_of(
    frames: UInt8[np.ndarray, "*n h w c"], device: torch.device | str = "cpu"
) -> Float[Tensor, "*n c h w"]:
    """8-bit frames as pixels in [-1, 1], channels first, on a device."""
    levels = torch.from_numpy(np.ascontiguousarray(frames)).to(device)
    return levels.movedim(-1, -3).float() / 127.5 - 1


def frames_of(pixels: Float[Tensor, "*n c h w"]) -> UInt8[np.ndarray, "*n h w c"]:
    """Pixels as 8-bit frames, rounded to the nearest; what is outside [-1, 1] is clipped."""
    levels = (pixels.float().clamp(-1, 1) + 1) * 127.5
    return levels.round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def halved(frames: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n c y x"]:
    """Frames of half the height and width, each pixel the mean of four."""
    flat = F.avg_pool2d(frames.flatten(0, -4), FACTOR)
    return flat.unflatten(0, frames.shape[:-3])


def doubled(network: Upscaler, frames: Float[Tensor, "*n c h w"]) -> Float[Tensor, "*n c y x"]:
    """Frames of twice the height and width; a frame at a time, which takes the least memory.

    Args:
        network: what enlarges them.
        frames: of range [-1, 1].
    """
    flat = frames.flatten(0, -4)
    made = [network(frame[None]).to(frames.dtype) for frame in flat]
    return torch.cat(made).unflatten(0, frames.shape[:-3])


@torch.inference_mode()
def enlarged(
    network: Upscaler, frames: UInt8[np.ndarray, "n h w c"], factor: int
) -> UInt8[np.ndarray, "n y x c"]:
    """8-bit frames, doubled until they are ``factor`` times as large, a power of 2."""
    while factor > 1:
        frames = frames_of(doubled(network, pixels_of(frames).to(network.device)))
        factor //= FACTOR
    return frames


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


class HalfCodec:
    """Latents are the pixels of frames half as high and wide, enlarged again by an upscaler.

    Args:
        network: in evaluation mode, on the device of the latents.
    """

    stride = FACTOR
    channels = 3

    def __init__(self, network: Upscaler) -> None:
        self.network = network

    def encode(self, frames: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n c y x"]:
        """Mean over every two by two pixels."""
        return halved(frames)

    def decode(self, latents: Float[Tensor, "b n c y x"]) -> Float[Tensor, "b n c h w"]:
        """Enlarge, after clipping to what frames can be."""
        return doubled(self.network, latents.clamp(-1, 1))


class WholeGrid:
    """A codec that sees each grid as one image, as pretrained networks were made for.

    Neighbouring cells bleed into each other; one by one they cannot.

    Args:
        codec: of single images.
        layout: of the sequences.
    """

    def __init__(self, codec: Codec, layout: Layout) -> None:
        self.codec = codec
        self.layout = Layout(layout.rows, layout.cols)
        self.stride = codec.stride
        self.channels = codec.channels

    def encode(self, frames: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n d y x"]:
        """Latents of the grid, cut into cells."""
        return self._whole(self.codec.encode, frames)

    def decode(self, latents: Float[Tensor, "b n d y x"]) -> Float[Tensor, "b n c h w"]:
        """Pixels of the grid, cut into cells."""
        return self._whole(self.codec.decode, latents)

    def _whole(self, code: Callable[[Tensor], Tensor], cells: Tensor) -> Tensor:
        return split_grid(code(pack_grid(cells, self.layout)[:, None])[:, 0], self.layout)
