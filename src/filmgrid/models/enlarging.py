"""What enlarges finished frames: the shipped network, or any that spandrel knows, from a file.

Of a file only tensors are read, by safetensors or ``torch.load(weights_only=True)``; spandrel finds
out from their names and shapes which network they are of. It imports torchvision, so neither is
among the core dependencies.
"""

import importlib
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.codec import enlarged, frames_of, pixels_of
from filmgrid.models.families import load_upscaler
from filmgrid.models.places import SHIPPED_UPSCALER
from filmgrid.models.tiles import fading, tile_starts
from filmgrid.models.weight_files import read_weights

Frames8 = UInt8[np.ndarray, "n h w 3"]

TILE, CONTEXT, BLEND = 256, 12, 24
"""Pixels of a tile's side before it is enlarged; of them those along its edges that are seen and
not shown, and those over which it fades into its neighbour."""
MOST_PIXELS = 1024 * 1024
"""Of frames before they are enlarged, in one pass."""


class Enlarger(Protocol):
    """Enlarges frames one by one."""

    factor: int
    """How many times."""

    def __call__(self, frames: Frames8) -> Frames8:
        """Enlarge 8-bit frames."""
        ...


class ShippedEnlarger:
    """The network that comes with the package, as often as it takes.

    Args:
        factor: a power of 2.
        device: where it runs.
    """

    def __init__(self, factor: int, device: torch.device) -> None:
        self.factor = factor
        self.network = load_upscaler(SHIPPED_UPSCALER, device)

    def __call__(self, frames: Frames8) -> Frames8:
        """Double until they are as large as wanted."""
        return enlarged(self.network, frames, self.factor)


class FileEnlarger:
    """A network from a file, in tiles where frames are large.

    Args:
        path: of its weights.
        device: where it runs.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self.model = _model_of(path, device)
        self.factor = int(self.model.scale)
        self.device = device
        self.tiles = self.model.tiling.name == "SUPPORTED"

    @torch.inference_mode()
    def __call__(self, frames: Frames8) -> Frames8:
        """Enlarge as many frames at once as fit."""
        height, width = frames.shape[1:3]
        side = TILE if self.tiles else max(height, width)
        count = max(1, MOST_PIXELS // (min(side, height) * min(side, width)))
        made = []
        for first in range(0, len(frames), count):
            chunk = frames[first : first + count]
            levels = (pixels_of(chunk, self.device) + 1) / 2
            made.append(frames_of(2 * in_tiles(self.model, levels, self.factor, side) - 1))
        return np.concatenate(made)


def in_tiles(
    network: Any, frames: Float[Tensor, "n c h w"], factor: int, side: int = TILE
) -> Float[Tensor, "n c y x"]:
    """Enlarge frames in tiles that overlap, each fading into the next, so that no seam shows.

    The outermost pixels of a tile, which lack their surroundings, are seen and not shown.

    Args:
        network: enlarges frames that are small enough.
        frames: of any size.
        factor: how many times it enlarges.
        side: of a tile, before it is enlarged.
    """
    height, width = frames.shape[-2:]
    if height <= side and width <= side:
        return network(frames)
    made = frames.new_zeros(*frames.shape[:2], height * factor, width * factor)
    total = frames.new_zeros(height * factor, width * factor)
    tops, lefts = (tile_starts(each, side, 2 * CONTEXT + BLEND) for each in (height, width))
    fade = partial(fading, hidden=CONTEXT, blend=BLEND, factor=factor)
    for top in tops:
        for left in lefts:
            bottom, right = min(top + side, height), min(left + side, width)
            weight = fade(top, bottom, height)[:, None] * fade(left, right, width)
            weight = weight.to(frames)
            place = slice(top * factor, bottom * factor), slice(left * factor, right * factor)
            made[..., place[0], place[1]] += weight * network(frames[..., top:bottom, left:right])
            total[place] += weight
    return made / total


def factor_of(path: Path) -> int:
    """How many times the network of a file enlarges frames; the file is read to find out.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or is of no known network.
        ConfigError: if spandrel is not installed.
    """
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _factor_of_file(path, stamp)


@lru_cache(maxsize=8)
def _factor_of_file(path: Path, stamp: int) -> int:
    """Of a file as it was at a time."""
    return int(_model_of(path, torch.device("cpu")).scale)


def _model_of(path: Path, device: torch.device) -> Any:
    """The network of a file, as spandrel describes it."""
    weights = _weights_of(path)
    try:
        spandrel: Any = importlib.import_module("spandrel")
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        text = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"{path} takes spandrel, which cannot be imported: {text}. "
            "Install it, with a torchvision that fits your torch, by pip install "
            "'filmgrid[upscale]'."
        ) from error
    try:
        loader = spandrel.ModelLoader(device)
        model = loader.load_from_state_dict(spandrel.canonicalize_state_dict(weights))
    except spandrel.UnsupportedModelError as error:
        raise CheckpointError(
            f"{path} is of no network that spandrel knows. Name the weights of an upscaler such as "
            "Real-ESRGAN's."
        ) from error
    except (RuntimeError, KeyError, ValueError, AttributeError) as error:
        text = " ".join(str(error).split())[:160]
        raise CheckpointError(f"{path} cannot be loaded: {text}. Copy it again.") from error
    kind = isinstance(model, spandrel.ImageModelDescriptor)
    if not kind or (model.input_channels, model.output_channels) != (3, 3):
        raise CheckpointError(
            f"{path} is a {model.architecture.name} for {model.purpose} of "
            f"{model.input_channels} channels, and frames take one from 3 channels to 3. Name "
            "another."
        )
    return model.eval()


def _weights_of(path: Path) -> dict[str, Any]:
    """Tensors of a file, and nothing else."""
    held = read_weights(path)
    if not isinstance(held, dict):
        raise CheckpointError(f"{path} holds no weights by name. Name the file of an upscaler.")
    return held
