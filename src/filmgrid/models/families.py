"""Which code reads which weights."""

from typing import Any

import torch
from torch import nn

from filmgrid.errors import CheckpointError
from filmgrid.models.backbone import Backbone
from filmgrid.models.checkpoints import load_module
from filmgrid.models.codec import Codec, HalfCodec, PixelCodec
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.mini import GridTransformer
from filmgrid.models.mini_backbone import MiniBackbone
from filmgrid.models.places import find_model, find_upscaler, load_facts
from filmgrid.models.text import ByteWords
from filmgrid.models.upscaler import Upscaler


def load_backbone(name: str, dtype: torch.dtype = torch.float32) -> Backbone:
    """Load a backbone by name or folder, ready to sample.

    Args:
        name: as :func:`~filmgrid.models.places.find_model` takes it.
        dtype: of the weights in memory.

    Raises:
        CheckpointError: if there is no such model or its files do not fit together.
    """
    folder = find_model(name)
    facts = load_facts(folder)
    match facts.family:
        case "mini":
            return mini_backbone(load_module(GridTransformer, folder, dtype), facts)
        case family:
            raise CheckpointError(
                f"{folder} holds a model of the family {family!r}, which this version of filmgrid "
                "does not know. It knows mini; update filmgrid for more."
            )


def load_codec(facts: BackboneFacts, device: torch.device) -> Codec:
    """The codec that a backbone was made for.

    Raises:
        CheckpointError: if its weights are missing or damaged.
    """
    if facts.upscaler is None:
        return PixelCodec()
    return HalfCodec(load_upscaler(facts.upscaler, device))


def load_upscaler(name: str, device: torch.device) -> Upscaler:
    """Load an upscaler by name or folder, ready to use.

    Args:
        name: ``upscaler``, the shipped one, or the folder of a training of one.
        device: where it will run.

    Raises:
        CheckpointError: if there is none or its files do not fit together.
    """
    network = load_module(Upscaler, find_upscaler(name), torch.float32)
    moved: Any = nn.Module.to(network, device)
    return moved.requires_grad_(False)


def mini_backbone(module: GridTransformer, facts: BackboneFacts) -> MiniBackbone:
    """A grid transformer with the spelling that it was built for."""
    words = ByteWords(int(module.config["max_words"]), int(module.config["word_bytes"]))
    return MiniBackbone(facts, module, words)
