"""Which code reads which weights."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import nn

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.loading import Loading, parse_lora
from filmgrid.models.backbone import Backbone
from filmgrid.models.checkpoints import load_module, load_single_file, open_pipeline
from filmgrid.models.codec import Codec, HalfCodec, PixelCodec
from filmgrid.models.dit import DitBackbone
from filmgrid.models.dit_positions import place_positions
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.flux import FluxBackbone
from filmgrid.models.flux2 import Flux2Backbone
from filmgrid.models.hub import INDEX
from filmgrid.models.mini import GridTransformer
from filmgrid.models.mini_backbone import MiniBackbone
from filmgrid.models.places import find_model, find_upscaler, load_facts
from filmgrid.models.placing import add_loras, place_pipeline, quantisation
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.models.sharing import Peers, SharedNetwork, check_shareable
from filmgrid.models.text import ByteWords
from filmgrid.models.upscaler import Upscaler
from filmgrid.models.vae import VaeCodec
from filmgrid.models.z_image import ZImageBackbone

BACKBONES: dict[str, type[PretrainedBackbone]] = {
    "flux": FluxBackbone,
    "flux2": Flux2Backbone,
    "z-image": ZImageBackbone,
    "dit": DitBackbone,
}
"""Which class calls the network of which family."""


def load_model(
    name: str, dtype: torch.dtype, device: torch.device, loading: Loading | None = None
) -> tuple[Backbone, Codec]:
    """Load a backbone and its codec, ready to sample.

    Args:
        name: as :func:`~filmgrid.models.places.find_model` takes it.
        dtype: of the matrix products, and of the weights of pretrained pipelines.
        device: where it will run.
        loading: how a pretrained pipeline is brought there.

    Raises:
        CheckpointError: if there is no such model or its files do not fit together.
        ConfigError: if the loading asked for cannot work here.
    """
    loading = loading or Loading()
    replaced = ("transformer",) if loading.transformer else ()
    folder = find_model(name, weights=True, without=replaced)
    facts = load_facts(folder, name, loading.lora_places)
    if facts.is_pretrained:
        return load_pipeline(folder, facts, dtype, device, loading)
    asked = loading.model_dump(exclude_defaults=True, exclude={"lora"})
    if asked:
        raise ConfigError(
            f"{next(iter(asked))} is for pretrained pipelines, and {facts.name} is a grid "
            "transformer of ours. Leave it out."
        )
    backbone = load_mini(name)
    add_loras(backbone.module, [parse_lora(text) for text in loading.lora])
    backbone.module.to(device).requires_grad_(False)
    return replace(backbone, facts=facts), load_codec(facts, device)


def load_mini(name: str) -> MiniBackbone:
    """Load a grid transformer, its weights in 32 bits.

    Args:
        name: of a shipped model, or a folder.

    Raises:
        CheckpointError: if it is none, or its files do not fit together.
    """
    folder = find_model(name)
    facts = load_facts(folder, name)
    if facts.family != "mini":
        raise CheckpointError(
            f"{folder} holds a model of the family {facts.family!r} and not a grid transformer. "
            "Name mini, or a folder that `filmgrid train` made."
        )
    return mini_backbone(load_module(GridTransformer, folder, torch.float32), facts)


def load_pipeline(
    folder: Path,
    facts: BackboneFacts,
    dtype: torch.dtype,
    device: torch.device,
    loading: Loading,
) -> tuple[PretrainedBackbone, Codec]:
    """Load a pipeline of diffusers as a backbone and a codec.

    Args:
        folder: of the pipeline.
        facts: what is known of it.
        dtype: of the weights.
        device: where it will run.
        loading: LoRAs, quantisation, offloading and the like.

    Raises:
        CheckpointError: if a file is missing or damaged, or the family is not known.
        ConfigError: if the loading asked for cannot work here.
    """
    if facts.family not in BACKBONES:
        raise CheckpointError(
            f"{folder} holds a model of the family {facts.family!r}, which this version of "
            f"filmgrid does not know. It knows mini, {', '.join(BACKBONES)}."
        )
    index = json.loads((folder / INDEX).read_bytes())
    if loading.devices > 1:
        network = getattr(diffusers, index["transformer"][1])
        check_shareable(network, facts.name, device, loading)
    classes = {part: getattr(diffusers, index[part][1]) for part in ("transformer", "vae")}
    fewer_bits = quantisation(loading, dtype, device)
    parts = {"vae": load_module(classes["vae"], folder / "vae", dtype, lean=True)}
    if loading.transformer is None:
        parts["transformer"] = load_module(
            classes["transformer"],
            folder / "transformer",
            dtype,
            lean=True,
            quantisation=fewer_bits,
        )
    else:
        parts["transformer"] = load_single_file(
            classes["transformer"],
            loading.transformer.expanduser(),
            folder / "transformer",
            dtype,
            quantisation=fewer_bits,
        )
    if facts.family == "dit":
        place_positions(parts["transformer"], folder / "transformer")
    pipeline = open_pipeline(folder, dtype, parts)
    place_pipeline(pipeline, loading, device)
    network = pipeline.transformer
    if loading.devices > 1:
        network = SharedNetwork(network, Peers(folder, dtype, device, loading))
    backbone = BACKBONES[facts.family](facts, network, dtype, pipeline)
    return backbone, VaeCodec(pipeline.vae)


def load_codec(facts: BackboneFacts, device: torch.device) -> Codec:
    """The codec that a grid transformer was made for.

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
