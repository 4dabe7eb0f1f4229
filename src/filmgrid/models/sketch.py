"""Models without weights: the architecture alone, to count what it costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from accelerate import init_empty_weights
from torch import nn

from filmgrid.errors import CheckpointError
from filmgrid.models.backbone import Backbone
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.families import BACKBONES, mini_backbone
from filmgrid.models.hub import INDEX
from filmgrid.models.known import KNOWN
from filmgrid.models.mini import GridTransformer
from filmgrid.models.pipelines import facts_of_parts
from filmgrid.models.places import find_model, load_facts
from filmgrid.models.published.build import sketch
from filmgrid.models.published.images import PUBLISHED


@dataclass(frozen=True, slots=True)
class Sketch:
    """A model whose weights have a shape and no memory.

    Args:
        facts: what it states about itself.
        backbone: can be called with tensors of the meta device.
        parts: its networks by name; of a pipeline also autoencoder and text encoders.
    """

    facts: BackboneFacts
    backbone: Backbone
    parts: Mapping[str, nn.Module]

    @property
    def num_parameters(self) -> dict[str, int]:
        """Of each part, shared ones counted once."""
        return {
            name: sum(each.numel() for each in part.parameters())
            for name, part in self.parts.items()
        }


def sketch_model(name: str, dtype: torch.dtype = torch.bfloat16) -> Sketch:
    """Sketch a model: of a known one from its published architecture, without a download.

    Args:
        name: as :func:`~filmgrid.models.places.find_model` takes it.
        dtype: of the weights that a pipeline would have.

    Raises:
        CheckpointError: if there is no such model or its configuration is damaged.
    """
    known = name.lower()
    if known in PUBLISHED:
        kind, parts_of = PUBLISHED[known]
        made = sketch(parts_of())
        distilled = KNOWN[known].guidance_scale == 1
        facts = facts_of_parts(
            {"_class_name": kind, "is_distilled": distilled},
            made["transformer"].config,
            made["vae"].config,
            made["scheduler"].config,
            KNOWN[known].hub,
        )
        return _sketched(facts, made, dtype)
    folder = find_model(name)
    facts = load_facts(folder, name)
    if facts.is_pretrained:
        return _sketched(facts, _parts_of(folder), dtype)
    with init_empty_weights(include_buffers=False):
        module: Any = GridTransformer.from_config(_config(folder / "config.json"))
    module = module.to("meta").eval()
    return Sketch(facts, mini_backbone(module, facts), {"transformer": module})


def _sketched(facts: BackboneFacts, made: Mapping[str, Any], dtype: torch.dtype) -> Sketch:
    parts = {
        name: nn.Module.to(part, "meta", dtype).eval()
        for name, part in made.items()
        if isinstance(part, nn.Module)
    }
    backbone = BACKBONES[facts.family](facts, parts["transformer"], dtype)
    return Sketch(facts, backbone, parts)


def _parts_of(folder: Path) -> dict[str, Any]:
    """Networks of a pipeline in a folder, from their configuration."""
    made: dict[str, Any] = {}
    for name, (library, kind) in _classes(folder).items():
        config = folder / name / "config.json"
        if not config.is_file():  # tokenizers, schedulers
            continue
        with init_empty_weights(include_buffers=False):
            if library == "transformers":
                architecture = getattr(transformers, kind)
                made[name] = architecture(architecture.config_class(**_config(config)))
            else:
                made[name] = getattr(diffusers, kind).from_config(_config(config))
    return made


def _classes(folder: Path) -> dict[str, tuple[str, str]]:
    index = _config(folder / INDEX)
    return {name: tuple(kind) for name, kind in index.items() if isinstance(kind, list) and kind[0]}


def _config(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged. Copy the whole folder of the model again."
        ) from error
