"""Where models are: shipped, on the Hub, in a folder, or a checkpoint of a run. Torch-free."""

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import ValidationError

from filmgrid.errors import CheckpointError
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.hub import INDEX, fetch_pipeline, is_hub_id
from filmgrid.models.known import KNOWN
from filmgrid.models.pipelines import pipeline_facts

FACTS = "filmgrid.json"
SHIPPED = Path(__file__).parent / "weights"
"""Each folder in it is a model that comes with the package."""

LORA_LAYOUTS = "filmgrid.layouts"
"""Entry of a LoRA's header that names the layouts it was trained on, with commas between."""

MOST_HEADER = 100 * 2**20
"""Bytes of the longest header that safetensors allows."""

SHIPPED_UPSCALER = "upscaler"
"""Folder in it of the network that doubles frames."""


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{FACTS}"))


def find_model(name: str, *, weights: bool = False, without: Collection[str] = ()) -> Path:
    """Folder of a model.

    Args:
        name: a shipped model such as ``mini``, one that is known by a short name such as
            ``flux1-dev``, an id on the Hub, the folder of a model or a pipeline, the folder of
            one checkpoint of a training run, or of the run, whose newest checkpoint is taken.
        weights: whether weights must be there too. Without, only the configuration of a model on
            the Hub is fetched.
        without: parts of a pipeline whose weights are not needed.

    Raises:
        CheckpointError: if there is no such model, or the Hub does not give it.
    """
    shipped = shipped_models()
    if name in shipped:
        return SHIPPED / name
    folder = Path(os.path.expanduser(name))
    if not folder.is_dir():
        hub = hub_id_of(name)
        if hub is not None:
            return fetch_pipeline(hub, weights=weights, without=without)
        if folder.is_file():
            raise CheckpointError(
                f"{folder} is a single file, and a model has text encoders and an autoencoder "
                "besides. Name the model that it is a network of, such as --model "
                f"{next(iter(KNOWN))}, and the file as --transformer {folder}."
            )
        raise CheckpointError(
            f"There is no model {name!r}: neither a shipped one ({', '.join(shipped) or 'none'}), "
            f"nor a known one ({', '.join(KNOWN)}), nor a folder. Give one of these, a Hub id "
            "such as owner/name, or the folder of a training run or of saved weights."
        )
    newest = newest_checkpoint(folder)
    for place in (folder, folder / "model", newest and newest / "model"):
        if place and ((place / FACTS).is_file() or (place / INDEX).is_file()):
            return place
    raise CheckpointError(
        f"{folder} holds no model: there is no {FACTS} in it, no {INDEX} of a diffusers pipeline, "
        "nor a checkpoint of a training run. Name a folder that `filmgrid train` made, or mini."
    )


def hub_id_of(name: str) -> str | None:
    """The id on the Hub that a name means, if it can mean one."""
    if name.lower() in KNOWN:
        return KNOWN[name.lower()].hub
    return name if is_hub_id(name) else None


def find_upscaler(name: str = SHIPPED_UPSCALER) -> Path:
    """Folder of an upscaler's weights.

    Args:
        name: ``upscaler``, or the folder of a training of one or of its network.

    Raises:
        CheckpointError: if there is none.
    """
    if name == SHIPPED_UPSCALER:
        return SHIPPED / name
    folder = Path(os.path.expanduser(name))
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file() and not (place / FACTS).is_file():
            return place
    raise CheckpointError(
        f"There is no upscaler {name!r}: neither the shipped one ({SHIPPED_UPSCALER}) nor the "
        "folder of a training of one. Name a folder that `filmgrid train upscaler` made."
    )


def is_network_file(place: Path) -> bool:
    """Whether a place is the file of a network, and not the folder of a model."""
    return place.suffix in (".pth", ".safetensors") and not place.is_dir()


def newest_checkpoint(run: Path) -> Path | None:
    """Newest whole checkpoint of a training run, if there is one."""
    steps = sorted((run / "checkpoints").glob("step-[0-9]*"))
    return steps[-1] if steps else None


def load_facts(folder: Path, name: str | None = None, loras: Sequence[str] = ()) -> BackboneFacts:
    """Read what a saved backbone states about itself, or what a pipeline's files say.

    Args:
        folder: from :func:`find_model`.
        name: what the model was asked for as: the licence of a known one is known.
        loras: files, folders or ids of LoRAs that are added; they bring their layouts along.

    Raises:
        CheckpointError: if the facts are missing or damaged.
    """
    facts = _facts_of(folder, name)
    layouts = [each for lora in loras for each in layouts_of_lora(lora)]
    if not layouts:
        return facts
    known = tuple(dict.fromkeys([*layouts, *facts.trained_layouts]))
    return facts.model_copy(update={"trained_layouts": known, "layout": layouts[0]})


def _facts_of(folder: Path, name: str | None) -> BackboneFacts:
    path = folder / FACTS
    if not path.is_file() and (folder / INDEX).is_file():
        return pipeline_facts(folder, (name and hub_id_of(name)) or folder.name)
    try:
        return BackboneFacts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{folder} holds no filmgrid model: it has no {FACTS} that can be read. "
            "Name a folder that `filmgrid train` made, or mini."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(
            f"{path} is damaged or from another version of filmgrid: {place} {first['msg']}. "
            "Copy it again from where the model was trained."
        ) from error


def find_lora(place: str) -> Path | None:
    """File or folder of a LoRA on this machine; of a training run, its newest checkpoint."""
    path = Path(os.path.expanduser(place))
    newest = newest_checkpoint(path)
    if newest is not None:
        return newest / "model"
    return path if path.exists() else None


def layouts_of_lora(place: str) -> tuple[str, ...]:
    """Layouts that a LoRA on this machine was trained on, if its file says so."""
    path = find_lora(place)
    if path is None:
        return ()
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    for file in files:
        try:
            with file.open("rb") as opened:
                size = int.from_bytes(opened.read(8), "little")
                header = json.loads(opened.read(min(size, MOST_HEADER)))
        except (OSError, ValueError):
            continue
        named = (header.get("__metadata__") or {}).get(LORA_LAYOUTS, "")
        if named:
            return tuple(named.split(","))
    return ()
