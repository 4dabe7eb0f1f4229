"""Files of weights: found, hashed, and read without running what is in them.

State dictionaries are read with safetensors or ``weights_only``. TorchScript files are programs,
restricted to tensors but programs nevertheless: take them from a place you trust, and give their
SHA-256 where it is known.
"""

import hashlib
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from filmgrid.errors import CheckpointError, first_sentence
from filmgrid.evaluation.spec import Weights
from filmgrid.models.weight_files import read_weights

StateDict = dict[str, Tensor]
"""Weights by the name of their parameter."""

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def weights_file(path: Path, sha256: str | None = None) -> Weights:
    """State a file of weights, by its content.

    Args:
        path: of the file.
        sha256: what its SHA-256 must be, in hexadecimal digits; None accepts any.

    Raises:
        CheckpointError: if the file cannot be read, or is another one than expected.
    """
    found = file_sha256(path)
    if sha256 is not None and found != sha256.strip().lower():
        raise CheckpointError(
            f"{path} is not the file that was asked for: its SHA-256 is {found}, not {sha256}. "
            "Download it again."
        )
    return Weights(source="file", name=path.name, path=str(path), sha256=found)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Raises:
        CheckpointError: if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            f"The weights {path} cannot be read: {error.strerror or error}. "
            "Give the path of the downloaded file."
        ) from error


def state_sha256(state: StateDict) -> str:
    """SHA-256 over names, types, shapes and bytes of weights in memory, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript program, and not a dictionary of weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def load_torchscript(path: Path, device: str | torch.device = "cpu") -> Any:
    """Read a TorchScript program, ready to be called.

    Raises:
        CheckpointError: if the file is damaged or no such program.
    """
    try:
        with warnings.catch_warnings():  # torch announces the end of TorchScript at every call
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a TorchScript program that can be read: {first_sentence(error)} "
            "Download it again."
        ) from error


def load_state(path: Path) -> StateDict:
    """Read a dictionary of weights: safetensors, or a PyTorch file without its own code.

    A dictionary under the key ``state_dict``, ``model`` or ``module`` is unwrapped.

    Raises:
        CheckpointError: if the file is damaged, holds code, or something else than weights.
    """
    loaded = read_weights(path)
    for wrapper in ("state_dict", "model", "module"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise CheckpointError(
            f"{path} holds {type(loaded).__name__} and not weights by name. "
            "Give a file that was saved from a state_dict."
        )
    return dict(loaded)


def fill(network: nn.Module, state: StateDict, name: str) -> None:
    """Set every weight of a network, and refuse weights of another one.

    Counters of batches (``num_batches_tracked``), which old files lack, are not needed.

    Args:
        network: its weights are replaced.
        state: the weights.
        name: what to call them in messages.

    Raises:
        CheckpointError: if a weight is missing, left over, or of another shape.
    """
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    kind = type(network).__name__
    for keys, problem in ((missing, "lack"), (unexpected, "have, unknown to it,")):
        if keys:
            raise CheckpointError(
                f"The weights {name} are not those of {kind}: they {problem} {len(keys)} of its "
                f"names, the first is {keys[0]}. Give weights of this architecture."
            )
    for key, values in state.items():
        if values.shape != own[key].shape:
            raise CheckpointError(
                f"The weights {name} do not fit {kind}: {key} has shape {tuple(values.shape)} "
                f"and not {tuple(own[key].shape)}. Give weights of this architecture."
            )
    network.load_state_dict(state, strict=False)


def fill_random(network: nn.Module, seed: int) -> None:
    """Set every weight of a network at random, so that activations keep their size.

    He-normal convolutions and linear layers from one CPU generator in the order of the modules, no
    bias, norms that change nothing.

    Args:
        network: its weights are replaced.
        seed: same seed, same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_parameters()


def unset(make: Callable[[], NetworkT]) -> NetworkT:
    """A network made without drawing a random number, its weights unset until it is filled.

    Args:
        make: makes it; numbers that are no weights must not be computed from tensors.
    """
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu").eval().requires_grad_(False)
