"""Networks of transformers, by Hub id or from a folder, and how they want their frames.

Frames are prepared by :mod:`filmgrid.evaluation.preprocess`, since the image processors of
transformers change with what else is installed. The SHA-256 in a statement is that of the weights
in memory (:func:`~filmgrid.evaluation.weights.state_sha256`): the same for the Hub and for a copy.
"""

import json
import os
import pickle
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError

from filmgrid.errors import CheckpointError, ConfigError, first_sentence
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Weights
from filmgrid.evaluation.weights import state_sha256

FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of filters."""


def find_place(model: str | Path, revision: str | None) -> tuple[str, Weights]:
    """Where transformers finds a model, and what is known of it before it is loaded.

    Raises:
        CheckpointError: if it is a path without a folder.
    """
    place = os.path.expanduser(str(model))
    if Path(place).is_dir():
        return place, Weights(source="folder", name=Path(place).resolve().name, path=place)
    if place.count("/") > 1 or place.startswith((".", "/")):
        raise CheckpointError(
            f"There is no folder {place}. Give the folder of a saved model, or a Hub id."
        )
    return place, Weights(source="hub", name=place, revision=revision)


def stated(facts: Weights, network: Any, config: Any) -> Weights:
    """The same, with the commit on the Hub and the SHA-256 of the weights in memory."""
    revision = getattr(config, "_commit_hash", None) or facts.revision
    return facts.model_copy(
        update={"sha256": state_sha256(network.state_dict()), "revision": revision}
    )


def load_config(kind: Any, place: str, revision: str | None) -> Any:
    """Configuration of a model.

    Raises:
        CheckpointError: if it cannot be found or read.
    """
    try:
        return kind.from_pretrained(place, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(_unreadable(place, error)) from error


def load_network(kind: Any, place: str, revision: str | None) -> tuple[Any, Any]:
    """Network without gradients in 32 bits, all of its weights found; and its configuration.

    Raises:
        CheckpointError: if it cannot be found or read, or lacks weights.
    """
    try:
        network, info = kind.from_pretrained(
            place, revision=revision, dtype=torch.float32, output_loading_info=True
        )
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        raise CheckpointError(_unreadable(place, error)) from error
    lacking = [*info["missing_keys"], *(key for key, *_ in info.get("mismatched_keys", ()))]
    if lacking:
        raise CheckpointError(
            f"The weights of {place} are not those of {kind.__name__}: {len(lacking)} are "
            f"missing or of another shape, the first is {sorted(lacking)[0]}. "
            "Name a model of this kind."
        )
    return network.eval().requires_grad_(False), network.config


def _unreadable(place: str, error: Exception) -> str:
    return (
        f"The model {place} cannot be loaded: {first_sentence(error)} Check its name and "
        "the network, or download it and give its folder."
    )


def load_processor(place: str, revision: str | None, usual: dict[str, Any]) -> dict[str, Any]:
    """The model's own preprocessor_config.json over what is usual for its kind.

    Raises:
        CheckpointError: if it cannot be read.
    """
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(
            place,
            "preprocessor_config.json",
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
        )
        own = {} if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(_unreadable(place, error)) from error
    return usual | own


def published(processor: dict[str, Any], side: int, frames: FrameChoice) -> Preprocessing:
    """What a preprocessor_config.json means, for a network that takes squares of one side.

    Raises:
        ConfigError: if it cannot be followed.
    """
    size, crop = processor.get("size", side), processor.get("crop_size", side)
    short = size if isinstance(size, int) else size.get("shortest_edge")
    cropped = crop if isinstance(crop, int) else crop.get("height")
    filter_name = FILTERS.get(processor.get("resample", 2))
    if not short or filter_name is None or cropped != side or short < side:
        raise ConfigError(
            f"The preprocessor_config.json asks for size {size}, crop {crop} and filter "
            f"{processor.get('resample')}, which is not a bilinear or bicubic resize and a crop "
            f"to {side}x{side} px. Use another model."
        )
    resize = Resize(
        mode="crop",
        size=side,
        short_side=None if short == side else short,
        filter=filter_name,
        antialias=True,
        rounding="pillow",
    )
    normalised = processor.get("do_normalize", True)
    return Preprocessing(
        frames=frames,
        resize=(resize,),
        mean=tuple(processor["image_mean"]) if normalised else (0.0, 0.0, 0.0),
        std=tuple(processor["image_std"]) if normalised else (1.0, 1.0, 1.0),
    )
