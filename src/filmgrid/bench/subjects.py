"""What is timed: one whole generation, from words and pictures in memory to pixels in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from filmgrid.bench.config import ClipSize, Weights


@dataclass(frozen=True, slots=True)
class Made:
    """What one run made.

    Args:
        clip: frames, height and width that came out.
        steps: sampling steps that were made.
    """

    clip: ClipSize
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Something that generates, ready to run.

    Args:
        name: as it was named on the command line.
        weights: what its weights are, so that nobody mistakes a tiny one for the real one.
        run: makes one sequence, always with the same seed.
        denoisers: the networks that are called in every step.
        tokens: of the first argument of a denoiser: tokens of one sequence in it.
        modules: all its networks.
        source: whose architecture random weights were put into.
    """

    name: str
    weights: Weights
    run: Callable[[], Made]
    denoisers: Sequence[nn.Module]
    tokens: Callable[[Tensor], int]
    modules: Sequence[nn.Module]
    source: str = ""

    @property
    def weight_bytes(self) -> int:
        """Memory of its weights and buffers."""
        tensors = {
            id(tensor): tensor
            for module in self.modules
            for tensor in (*module.parameters(), *module.buffers())
        }
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
