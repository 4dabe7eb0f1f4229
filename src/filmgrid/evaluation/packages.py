"""The packages of the extra ``perceptual``, and the files of weights that they publish.

torchvision is not among the core dependencies: one that does not fit its torch keeps diffusers and
peft from being imported, by lying there alone. So it and what builds on it are imported where they
are used, and every failure is one sentence.
"""

import importlib
import re
from pathlib import Path
from typing import Any

import torch

from filmgrid.errors import CheckpointError, ConfigError, first_sentence


def package(module: str) -> Any:
    """Import a module of torchvision, torchmetrics or torch-fidelity.

    Raises:
        ConfigError: if it is missing, or does not fit the installed torch.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise ConfigError(
            f"{module.split('.')[0].replace('_', '-')} cannot be imported: {first_sentence(error)} "
            "Install what is needed, in versions that fit your torch, with "
            "pip install 'filmgrid[perceptual]'."
        ) from error


def published_file(url: str) -> Path:
    """A published file of weights in the cache of torch.hub, downloaded if it is not there.

    The digits at the end of its name, as in ``alexnet-owt-7be5be79.pth``, begin the SHA-256 that a
    download must have.

    Args:
        url: where it is published.

    Raises:
        CheckpointError: if it cannot be downloaded, or is damaged.
    """
    name = url.rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    digits = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=digits and digits.group(1), progress=False
        )
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{url} cannot be downloaded: {first_sentence(error)} Download it elsewhere, and give "
            "the path of the file."
        ) from error
    return path
