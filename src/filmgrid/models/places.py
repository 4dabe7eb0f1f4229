"""Where models are: the shipped one, a folder, or the newest checkpoint of a run. Torch-free."""

import os
from pathlib import Path

from pydantic import ValidationError

from filmgrid.errors import CheckpointError
from filmgrid.models.facts import BackboneFacts

FACTS = "filmgrid.json"
SHIPPED = Path(__file__).parent / "weights"
"""Each folder in it is a model that comes with the package."""

SHIPPED_UPSCALER = "upscaler"
"""Folder in it of the network that doubles frames."""


def shipped_models() -> list[str]:
    """Names of the models inside the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{FACTS}"))


def find_model(name: str) -> Path:
    """Folder of a model's weights.

    Args:
        name: a shipped model such as ``mini``, the folder of a model, the folder of one
            checkpoint of a training run, or of the run, whose newest checkpoint is taken.

    Raises:
        CheckpointError: if there is no such model.
    """
    shipped = shipped_models()
    if name in shipped:
        return SHIPPED / name
    folder = Path(os.path.expanduser(name))
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no model {name!r}: neither a shipped one ({', '.join(shipped) or 'none'}) "
            "nor a folder. Give the folder of a training run or of saved weights."
        )
    newest = newest_checkpoint(folder)
    for place in (folder, folder / "model", newest and newest / "model"):
        if place and (place / FACTS).is_file():
            return place
    raise CheckpointError(
        f"{folder} holds no filmgrid model: there is no {FACTS} in it, nor a checkpoint of a "
        "training run. Name a folder that `filmgrid train` made, or mini."
    )


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


def newest_checkpoint(run: Path) -> Path | None:
    """Newest whole checkpoint of a training run, if there is one."""
    steps = sorted((run / "checkpoints").glob("step-[0-9]*"))
    return steps[-1] if steps else None


def load_facts(folder: Path) -> BackboneFacts:
    """Read what a saved backbone states about itself.

    Raises:
        CheckpointError: if the facts are missing or damaged.
    """
    path = folder / FACTS
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
