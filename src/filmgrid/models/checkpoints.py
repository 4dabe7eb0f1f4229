"""Weights on disk: a diffusers folder with a backbone's facts beside it.

::

    FOLDER/config.json                         architecture
    FOLDER/diffusion_pytorch_model.safetensors weights
    FOLDER/filmgrid.json                       facts

A training run (``RUN/checkpoints/step-00001000/model``) is found by its own folder.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.logging import disable_progress_bar
from safetensors import SafetensorError

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import FACTS

SHARD = "15MB"
"""Largest file of weights, small enough for any host of source code."""

Module = TypeVar("Module", bound=ModelMixin)


def save_module(module: Any, facts: BackboneFacts, folder: Path, dtype: Any = None) -> None:
    """Write weights, configuration and facts.

    Args:
        module: a diffusers model.
        facts: what the backbone states about itself.
        folder: is made if missing; files in it are replaced.
        dtype: of the weights in the file, for example ``torch.bfloat16`` to halve it.

    Raises:
        CheckpointError: if the folder cannot be written.
    """
    try:
        if dtype is not None:
            clone = type(module).from_config(module.config)
            clone.load_state_dict(module.state_dict())
            module = clone.to(dtype)
        module.save_pretrained(folder, max_shard_size=SHARD)
        (folder / FACTS).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"The weights could not be written to {folder}: {error}. "
            "Free some space or name another place."
        ) from error


def load_module(
    architecture: type[Module],
    folder: Path,
    dtype: torch.dtype,
    *,
    lean: bool = False,
    quantisation: Any = None,
) -> Module:
    """Build a network from its configuration and load its weights, every one of them.

    Args:
        architecture: a class of diffusers, or one like it.
        folder: of config.json and the weights.
        dtype: of the weights in memory.
        lean: build it without weights first, so that they are in memory once and not twice.
        quantisation: configuration of diffusers for weights in fewer bits.

    Raises:
        CheckpointError: if a file is missing, truncated, or does not fit the configuration.
    """
    disable_progress_bar()  # it would flash by on every command, terminal or not
    try:
        loaded: Any = architecture.from_pretrained(
            folder,
            torch_dtype=dtype,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=lean,
            **({} if quantisation is None else {"quantization_config": quantisation}),
        )
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError(_why(folder, error)) from error
    module, info = loaded
    for kind, keys in info.items():
        if keys:
            raise CheckpointError(
                f"The weights in {folder} do not fit their config.json: {len(keys)} "
                f"{kind.replace('_', ' ')}, the first is {keys[0]}. "
                "Copy both files again from the same checkpoint."
            )
    return module.eval()


def load_single_file(
    architecture: type[Module],
    file: Path,
    folder: Path,
    dtype: torch.dtype,
    *,
    quantisation: Any = None,
) -> Module:
    """Build a network from a configuration and load its weights from one file.

    Args:
        architecture: a class of diffusers that knows the names of the released weights.
        file: .safetensors with those names or those of diffusers, or .gguf.
        folder: of the pipeline's config.json, which must be that of the network in the file.
        dtype: of the weights in memory; of the products, if they are GGUF's.
        quantisation: configuration of diffusers for weights in fewer bits.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind, or of another network.
        ConfigError: if GGUF's package is not installed.
    """
    if not file.is_file():
        raise CheckpointError(f"There is no file {file}. Name a .safetensors or .gguf file.")
    if file.suffix == ".gguf":
        quantisation = _gguf(file, dtype)
    elif file.suffix != ".safetensors":
        raise CheckpointError(
            f"{file} is not read: only .safetensors and .gguf are, for pickled weights can hold "
            "any program. Save it as .safetensors first."
        )
    disable_progress_bar()
    loader: Any = architecture
    try:
        module = loader.from_single_file(
            str(file),
            config=str(folder),
            torch_dtype=dtype,
            local_files_only=True,
            **({} if quantisation is None else {"quantization_config": quantisation}),
        )
    except Exception as error:  # converting names fails in any way if they are others
        text = " ".join(str(error).split())
        raise CheckpointError(
            f"{file} ({file.stat().st_size:,} bytes) cannot be loaded as a {architecture.__name__} "
            f"of {folder.parent}: {text[:160]}. It may be truncated, or of another model."
        ) from error
    return module.eval()


def _gguf(file: Path, dtype: torch.dtype) -> Any:
    if importlib.util.find_spec("gguf") is None:
        raise ConfigError(
            f"{file} takes the package gguf: pip install 'filmgrid[gguf]'. Or name a .safetensors "
            "file."
        )
    from diffusers.quantizers.quantization_config import GGUFQuantizationConfig

    return GGUFQuantizationConfig(compute_dtype=dtype)


def open_pipeline(folder: Path, dtype: torch.dtype, parts: dict[str, Any]) -> Any:
    """Load a pipeline of diffusers around parts that are loaded already.

    Raises:
        CheckpointError: if a part is missing or damaged.
    """
    # Slow to import, and mini has no need of them.
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline
    from transformers.utils.logging import disable_progress_bar as disable_bar_of_transformers

    disable_progress_bar()
    disable_bar_of_transformers()
    try:
        return DiffusionPipeline.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, **parts
        )
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError, KeyError) as error:
        text = " ".join(str(error).split())
        raise CheckpointError(
            f"The pipeline in {folder} cannot be loaded: {text[:160]}. Copy the whole folder again."
        ) from error


def _why(folder: Path, error: Exception) -> str:
    try:
        json.loads((folder / "config.json").read_bytes())
    except OSError:
        return f"{folder} has no config.json. Copy the whole folder of the checkpoint."
    except ValueError:
        return f"{folder / 'config.json'} is not JSON. Copy the whole checkpoint again."
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        return (
            f"{folder} has no .safetensors file (pickled weights are not read). "
            "Copy the whole folder of the checkpoint."
        )
    text = " ".join(str(error).split())
    return (
        f"The weights in {folder} cannot be loaded: {text[:160]}. They may be truncated "
        f"({weights[0].name} has {weights[0].stat().st_size:,} bytes) or of another model; copy "
        "the checkpoint again."
    )
