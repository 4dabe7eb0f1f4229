"""Muon for matrices, and which parameters it gets.

``torch.optim.Muon`` does the same update, always in bfloat16 and one matrix at a time; on a CPU
without bfloat16 instructions that is about a hundred times slower than float32, so that a
training on a laptop would spend nearly all its time in the optimiser. This one works in the
dtype it is told, on all matrices of one shape at once. A test holds it to torch's.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from filmgrid.errors import ConfigError
from filmgrid.training.learning_config import OptimConfig
from filmgrid.training.sharding import like, put_together

LAYERS = ("qkv", "proj", "up", "down")
"""Layers of the blocks whose matrices Muon trains, or LoRA changes; modulation and all layers
outside the blocks are AdamW's."""

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, for matrices inside a network.

    Source: Jordan et al., https://kellerjordan.github.io/posts/muon, Newton-Schulz in 5 steps.

    Args:
        params: matrices only.
        lr: learning rate, above 0.
        momentum: in [0, 1), Nesterov's form.
        weight_decay: decoupled, per unit of ``lr``.
        dtype: in which steps are made orthogonal; bfloat16 is precise enough where it is fast.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[tuple(parameter.shape)].append(parameter)
            for same in by_shape.values():
                self._move(same, group)
        return loss

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            buffer = state["momentum_buffer"]
            assert parameter.grad is not None
            buffer.lerp_(parameter.grad, 1 - momentum)
            updates.append(parameter.grad.lerp(buffer, momentum))
        rows, cols = parameters[0].shape
        step = -group["lr"] * max(1, rows / cols) ** 0.5
        moves = orthogonalise(torch.stack([put_together(each) for each in updates]).to(self.dtype))
        for parameter, update in zip(parameters, moves, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(like(update.to(parameter.dtype), parameter), alpha=step)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Bring the singular values of each matrix near 1 (0.7 to 1.2), its directions unchanged."""
    first, second, third = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = first * x + (second * gram + third * gram @ gram) @ x
    return x.mT if tall else x


def make_optimizers(
    module: nn.Module, config: OptimConfig, dtype: torch.dtype, *, is_pretrained: bool
) -> list[torch.optim.Optimizer]:
    """The optimisers of a network: Muon, if it has any matrices, and AdamW.

    Args:
        module: whose weights train where they require a gradient.
        config: which optimiser moves what.
        dtype: in which Muon makes its steps orthogonal.
        is_pretrained: whether it is another one's network, under a LoRA.
    """
    matrices, rest = split_parameters(module)
    chosen = config.matrices
    if chosen == "auto":
        chosen = (
            "adamw" if any("lora_" in name for name, _ in module.named_parameters()) else "muon"
        )
    if chosen == "adamw":
        matrices, rest = [], matrices + rest
    made: list[torch.optim.Optimizer] = []
    if matrices:
        made.append(
            Muon(matrices, config.muon_lr, config.muon_momentum, config.weight_decay, dtype)
        )
    if rest:
        lr = config.adamw_lr or (1e-4 if is_pretrained else 1.2e-3)
        kind = torch.optim.AdamW if config.adamw_bits == 32 else _adamw_8bit()
        made.append(kind(rest, lr=lr, betas=config.adamw_betas, weight_decay=0.0))
    return made


def _adamw_8bit() -> Any:
    """AdamW that remembers numbers of 8 bits.

    Raises:
        ConfigError: if torchao is not installed.
    """
    try:
        from torchao.optim import AdamW8bit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            "optim.adamw_bits 8 takes torchao, which is not installed. Run `pip install "
            "'filmgrid[quantize]'`, or leave it at 32."
        ) from error
    return AdamW8bit


def split_parameters(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Matrices inside the blocks or of LoRAs, for Muon; and all else that trains, for AdamW."""
    matrices, rest = [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        inside = name.startswith(
            ("blocks.", "details.blocks.", "compensation.blocks.")
        ) and name.endswith(tuple(f"{layer}.weight" for layer in LAYERS))
        of_lora = "lora_" in name and parameter.ndim == 2
        (matrices if inside or of_lora else rest).append(parameter)
    return matrices, rest


def learning_rate_factor(step: int, steps: int, warmup_steps: int, decay: float) -> float:
    """Linear warm-up, constant, linear decay to 0 over the last share of the training.

    Args:
        step: optimiser steps done.
        steps: optimiser steps of the whole training.
        warmup_steps: steps of the warm-up.
        decay: share of the training, at its end, that decays.
    """
    rising = min(1.0, (step + 1) / max(1, warmup_steps))
    falling = min(1.0, (steps - step) / max(1.0, decay * steps))
    return rising * falling
