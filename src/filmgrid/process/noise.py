"""Noise that belongs to a sequence: the same bits at any batch size."""

from collections.abc import Sequence

import numpy as np
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


def branch_seed(seed: int, stream: int, number: int) -> int:
    """A seed of its own for each number of a stream that belongs to a sequence's seed.

    Args:
        seed: of the sequence.
        stream: what it is for; keeps the seeds apart from those for something else.
        number: in the stream.
    """
    entropy = np.random.SeedSequence([seed, stream, number])
    return int(entropy.generate_state(1, np.uint64)[0] >> 1)
