"""Noise that belongs to a sequence: the same bits at any batch size."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def seeded_noise(
    seeds: Sequence[int], shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> Float[Tensor, "b ..."]:
    """Standard normal noise of ``shape`` for each seed, in float32.

    Drawn on the CPU and then moved, so that a seed means the same on every device.

    Args:
        seeds: one per sequence, each in [0, 2**63).
        shape: of one sequence.
        device: where the noise is wanted.
    """
    drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(drawn).to(device)
