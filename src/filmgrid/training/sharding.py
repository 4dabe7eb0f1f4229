"""Weights that the processes of a run share out (FSDP2), and how they are put together again.

Each process holds a part of every weight, of its gradient and of what the optimisers remember;
a block is put together while it computes. Single numbers cannot be parted, and each has them.
Checkpoints hold whole weights, the same files as those of one process.
"""

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from filmgrid.errors import ConfigError


def shard(module: Any, device: torch.device, num_processes: int) -> None:
    """Share the weights of a network out, block by block, in place.

    Args:
        module: of diffusers, which says which of its blocks repeat.
        device: of this process.
        num_processes: of the run.

    Raises:
        ConfigError: if there is nobody to share with.
    """
    if num_processes == 1:
        raise ConfigError(
            "shard shares weights out among processes, and there is one. Start more, as in "
            "`torchrun --nproc_per_node 2 -m filmgrid train CONFIG`, or leave shard out."
        )
    mesh = init_device_mesh(device.type, (num_processes,))
    numbers = {weight for weight in module.parameters() if weight.ndim == 0}
    for part in module.modules():
        if type(part).__name__ in (module._repeated_blocks or ()):
            fully_shard(part, mesh=mesh, ignored_params=numbers)
    fully_shard(module, mesh=mesh, ignored_params=numbers)


def average_numbers(weights: Iterable[nn.Parameter]) -> None:
    """Bring the gradients of single numbers together, which every process holds for itself."""
    for weight in weights:
        if weight.ndim == 0 and weight.grad is not None:
            dist.all_reduce(weight.grad)
            weight.grad /= dist.get_world_size()


def share_again(module: nn.Module) -> None:
    """Let go of weights that are still together from a pass without a backward one.

    Until then a network holds whole weights by their names, and does not notice that parts change.
    """
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def check_launcher() -> None:
    """Refuse the sharding of accelerate's launcher: ours is a setting of the run.

    Raises:
        ConfigError: if it was asked for.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise ConfigError(
            "accelerate was told to use FSDP, and here the settings of a run say so. Set shard: "
            "true in them, and start with torchrun, or with accelerate without FSDP."
        )


def whole(held: Any) -> Any:
    """The same weights or state with every part put together, on the CPU if it was shared out.

    All processes must ask at once, for the same.

    Args:
        held: a tensor, or dicts and lists of them.
    """
    if isinstance(held, DTensor):
        return put_together(held.detach()).cpu()
    if isinstance(held, Tensor):
        return held.detach()
    if isinstance(held, dict):
        return {key: whole(value) for key, value in held.items()}
    return [whole(value) for value in held] if isinstance(held, list) else held


def put_together(tensor: Tensor) -> Tensor:
    """All of a tensor, where it is; all processes must ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(value: Tensor, weight: Tensor) -> Tensor:
    """A whole tensor as a weight is held: on its device, and shared out if it is.

    Every process has the whole; nothing is sent.
    """
    value = value.to(weight.device)
    if not isinstance(weight, DTensor):
        return value
    return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)


def shared_state(saved: dict[str, Any], weights: list[nn.Parameter]) -> dict[str, Any]:
    """A saved state of an optimiser, with what has the shape of a weight held like it.

    Args:
        saved: from :func:`whole` of ``state_dict``.
        weights: of the optimiser, in its order.
    """
    remembered = {
        index: {
            name: like(value, weights[index])
            if isinstance(value, Tensor) and value.shape == weights[index].shape
            else value
            for name, value in each.items()
        }
        for index, each in saved["state"].items()
    }
    return {**saved, "state": remembered}
