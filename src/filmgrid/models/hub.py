"""Pipelines on the Hugging Face Hub: their configuration first, their weights when needed."""

import json
import os
import re
from collections.abc import Collection
from pathlib import Path

from filmgrid.errors import CheckpointError

INDEX = "model_index.json"
CONFIGS = [INDEX, "README.md", "*/config.json", "scheduler/scheduler_config.json"]
PARTS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
"""Files of a part of a pipeline: pickled weights are not fetched."""
_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_hub_id(name: str) -> bool:
    """Whether a name can be an id on the Hub, ``owner/name`` or ``owner/name@revision``."""
    return _ID.fullmatch(name) is not None and not name.startswith(".")


def fetch_pipeline(name: str, *, weights: bool, without: Collection[str] = ()) -> Path:
    """Folder of a pipeline in the local cache, downloaded if need be.

    ``HF_HUB_OFFLINE`` and the other variables of huggingface_hub are honoured.

    Args:
        name: ``owner/name``, with ``@revision`` if it is not the main one.
        weights: whether weights are needed too, not only configuration.
        without: parts whose weights are not.

    Raises:
        CheckpointError: if it cannot be had, with what to do about it.
    """
    hub, _, revision = name.partition("@")
    folder = _fetch(hub, revision, CONFIGS)
    index = folder / INDEX
    if not index.is_file():
        raise CheckpointError(
            f"{hub} on the Hub is not a pipeline of diffusers: it has no {INDEX}. Name one that "
            "has it, or a folder."
        )
    if weights:
        parts = [part for part, kind in json.loads(index.read_bytes()).items() if _is_part(kind)]
        parts = [part for part in parts if part not in without]
        folder = _fetch(hub, revision, [f"{part}/{file}" for part in parts for file in PARTS])
    return folder


def _is_part(kind: object) -> bool:
    return isinstance(kind, list) and kind != [None, None]


def _fetch(hub: str, revision: str, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(hub, revision=revision or None, allow_patterns=patterns))
    except GatedRepoError as error:
        raise CheckpointError(
            f"{hub} asks for its licence to be accepted first. Open https://huggingface.co/{hub}, "
            "accept it, then log in with `hf auth login` or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(
            f"{hub} on the Hub has no revision {revision!r}. Leave it out for the main one."
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"There is no model {hub} on the Hub, or it is private. Check the spelling, or log in "
            "with `hf auth login`."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        why = "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached"
        raise CheckpointError(
            f"{hub} is not whole in the local cache and {why}. Fetch it where there is a network "
            f"with `hf download {hub}`, or give the folder of a copy."
        ) from error
