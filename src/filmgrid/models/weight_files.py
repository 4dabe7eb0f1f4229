"""Files of weights that others made: tensors are read, and nothing in them is run."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from filmgrid.errors import CheckpointError, first_sentence


def read_weights(path: Path, also: Iterable[type] = ()) -> Any:
    """What a safetensors file, or one of ``torch.save``, holds.

    Args:
        path: of the file; ``.safetensors`` or any other name.
        also: classes that a pickle may hold beside tensors and containers.

    Raises:
        CheckpointError: if the file is missing or damaged, or holds what could be code.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}. Name one that is there.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(also)):
            warnings.simplefilter("ignore", UserWarning)  # of pickles that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is damaged, or holds more than weights, and what that is could "
            "be any program. Download it again, or save its state_dict alone."
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as weights: {first_sentence(error)} Download or copy it again."
        ) from error
