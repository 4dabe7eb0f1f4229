"""Networks with random weights from their architecture alone, built where they run."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from filmgrid.errors import ConfigError
from filmgrid.models.published.parts import Part

WORKING = 1.25
"""Memory of a pipeline at work, as a multiple of its weights: a guess on the low side for video."""


def build(
    parts: Mapping[str, Part], device: torch.device, dtype: torch.dtype, name: str
) -> dict[str, Any]:
    """Make all components, networks with random weights.

    Matrices are normal with a variance of 1 over their inputs, so that activations stay of
    ordinary size: processors and GPUs are slower on denormals and clock higher on zeros.

    Args:
        parts: by the names that the pipeline gives them.
        device: where the networks run.
        dtype: of their weights.
        name: of the pipeline, for messages.

    Raises:
        ConfigError: if the weights and their work do not fit into the memory that is free.
    """
    made = sketch(parts)
    networks = [each for each in made.values() if isinstance(each, nn.Module)]
    count = sum(map(num_parameters, networks))
    needed, free = int(WORKING * count * dtype.itemsize), free_memory(device)
    if free is not None and needed > free:
        raise ConfigError(
            f"{name} at its published size has {count / 1e9:.1f} billion parameters, about "
            f"{needed / 2**30:.1f} GiB in {str(dtype).removeprefix('torch.')} with its work, and "
            f"{free / 2**30:.1f} GiB are free on this {device.type} device. Use {name}=tiny to "
            "try the harness, name fewer subjects, or use a larger machine."
        )
    random = torch.Generator(device).manual_seed(0)
    for each in networks:
        _fill(each, device, dtype, random)
    return made


def sketch(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Make all components, networks with weights that have a shape and take no memory."""
    with init_empty_weights(include_buffers=False):
        made = {name: part() for name, part in parts.items()}
    for each in made.values():
        if hasattr(each, "tie_weights"):
            each.tie_weights()
    return made


def num_parameters(network: nn.Module) -> int:
    """Number of weights, shared ones counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device, where the system tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    told = dict(line.split(":") for line in lines)
    return int(told["MemAvailable"].split()[0]) * 1024


def _fill(network: Any, device: torch.device, dtype: torch.dtype, random: torch.Generator) -> None:
    """Give every parameter memory and a value, and every buffer its place."""
    exact = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    filled: dict[int, nn.Parameter] = {}
    for path, module in network.named_modules():
        for name, empty in list(module._parameters.items()):
            if empty is None:
                continue
            if id(empty) in filled:  # shared with another layer
                module._parameters[name] = filled[id(empty)]
                continue
            kept = exact & {*path.split("."), name}  # as from_pretrained keeps them
            value = torch.empty(empty.shape, device=device, dtype=torch.float32 if kept else dtype)
            if empty.ndim > 1:
                value.normal_(0, 1 / math.sqrt(empty[0].numel()), generator=random)
            else:
                value.fill_(float(name == "weight" or "gain" in name))
            filled[id(empty)] = nn.Parameter(value, requires_grad=False)
            module._parameters[name] = filled[id(empty)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                saved = name not in module._non_persistent_buffers_set
                floats = saved and buffer.is_floating_point()
                module._buffers[name] = buffer.to(device, dtype if floats else None)
    network.eval()
