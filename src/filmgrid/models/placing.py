"""Brings a pipeline to a device as asked: LoRAs, quantised weights, offloading, compiled blocks."""

import importlib.util
from typing import Any

import torch
from safetensors import SafetensorError

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.loading import Loading, LoraChoice, parse_lora
from filmgrid.models.hub import is_hub_id
from filmgrid.models.places import find_lora

NEEDS = {"nf4": "bitsandbytes", "int8": "torchao", "fp8": "torchao"}
"""Library that each kind of quantisation takes."""
ON_GPU = ("nf4",)
"""Kinds that diffusers makes on a GPU alone; bitsandbytes itself has them on CPUs too."""


def quantisation(loading: Loading, dtype: torch.dtype, device: torch.device) -> Any:
    """Configuration of diffusers for weights in fewer bits, or None.

    Args:
        loading: names the kind.
        dtype: of the products.
        device: where it will run.

    Raises:
        ConfigError: if the library is not installed, or cannot make it on this device.
    """
    if loading.quantize == "none":
        return None
    if loading.quantize in ON_GPU and device.type == "cpu":
        raise ConfigError(
            f"quantize {loading.quantize} is made on a GPU, and this runs on the cpu. Use int8, "
            "or leave quantize out."
        )
    library = NEEDS[loading.quantize]
    if importlib.util.find_spec(library) is None:
        raise ConfigError(
            f"quantize {loading.quantize} takes {library}, which is not installed. "
            f"Run `pip install {library}`, or leave quantize out."
        )
    from diffusers.quantizers.quantization_config import BitsAndBytesConfig, TorchAoConfig

    if loading.quantize == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    from torchao.quantization import (  # pyright: ignore[reportMissingImports]
        Float8WeightOnlyConfig,
        Int8WeightOnlyConfig,
    )

    kinds = {"int8": Int8WeightOnlyConfig, "fp8": Float8WeightOnlyConfig}
    return TorchAoConfig(kinds[loading.quantize]())


def place_pipeline(pipeline: Any, loading: Loading, device: torch.device) -> None:
    """Add LoRAs to a loaded pipeline, choose its attention, and bring it to a device.

    Args:
        pipeline: of diffusers, on the CPU.
        loading: what is asked for.
        device: where it will run.

    Raises:
        CheckpointError: if a LoRA cannot be loaded.
        ConfigError: if a switch cannot work here.
    """
    network = pipeline.transformer
    network.requires_grad_(False)
    if loading.attention != "auto":
        from diffusers.models.attention_dispatch import attention_backend

        try:
            with attention_backend():  # else every model loaded later would have it too
                network.set_attention_backend(loading.attention)
        except (ValueError, RuntimeError, ImportError) as error:
            text = " ".join(str(error).split())
            raise ConfigError(
                f"The attention backend {loading.attention!r} cannot be used here: {text[:200]}. "
                "Use native, or auto."
            ) from error
    add_loras(pipeline, [parse_lora(text) for text in loading.lora])
    if loading.offload != "none" and device.type == "cpu":
        raise ConfigError(
            f"offload {loading.offload} moves weights between a GPU and the machine's memory, and "
            "this runs on the cpu. Leave it out."
        )
    match loading.offload:
        case "none":
            pipeline.to(device)
        case "model":
            pipeline.enable_model_cpu_offload(device=device)
        case "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        case "group":
            pipeline.enable_group_offload(
                device, offload_type="leaf_level", use_stream=device.type == "cuda"
            )
    if loading.step_cache is not None:
        from diffusers.hooks.first_block_cache import FirstBlockCacheConfig

        network.enable_cache(FirstBlockCacheConfig(threshold=loading.step_cache))
    if loading.compile:
        network.compile_repeated_blocks()


def add_loras(model: Any, loras: list[LoraChoice]) -> None:
    """Load LoRAs side by side, each at its weight; those of other trainers are converted.

    Args:
        model: a pipeline of diffusers, or a network of ours.
        loras: in the order that their names count.

    Raises:
        CheckpointError: if one cannot be found, read, or fits no layer of the model.
    """
    names = [f"lora{number}" for number in range(len(loras))]
    network = getattr(model, "transformer", model)
    kind = type(model).__name__
    for name, lora in zip(names, loras, strict=True):
        place, options = lora_place(lora.place)
        try:
            if network is model:
                _add_lora(network, place, name, options)
            else:
                model.load_lora_weights(place, adapter_name=name, **options)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            text = " ".join(str(error).split())
            raise CheckpointError(
                f"The LoRA {lora.place} cannot be loaded into {kind}: {text[:200]}. Use one that "
                "was trained for this model."
            ) from error
        if name not in (getattr(network, "peft_config", None) or {}):
            raise CheckpointError(
                f"The LoRA {lora.place} changes no layer of the transformer of {kind}. Use one "
                "that was trained for this model."
            )
    if loras:
        model.set_adapters(names, [lora.weight for lora in loras])


def _add_lora(network: Any, place: str, name: str, options: dict[str, str]) -> None:
    """Load a LoRA of our own into a network of our own, every tensor of it."""
    from filmgrid.models.adapters import LORA_FILE, PREFIX  # slow to import

    told = {"weight_name": LORA_FILE, **options}
    network.load_lora_adapter(place, prefix=PREFIX, adapter_name=name, **told)


def lora_place(place: str) -> tuple[str, dict[str, str]]:
    """What diffusers is given for a file, a folder, a run, or ``owner/name[/file]`` on the Hub."""
    path = find_lora(place)
    if path is not None:
        return (str(path), {}) if path.is_dir() else (str(path.parent), {"weight_name": path.name})
    owner, _, rest = place.partition("/")
    name, _, file = rest.partition("/")
    if is_hub_id(f"{owner}/{name}"):
        return f"{owner}/{name}", {"weight_name": file} if file else {}
    raise CheckpointError(
        f"There is no LoRA {place}: neither a file, nor a folder, nor an id on the Hub. Give one."
    )
