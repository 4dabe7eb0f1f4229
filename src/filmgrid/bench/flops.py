"""Operations, counted while a subject runs: matrix products, convolutions and attention."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from filmgrid.bench.subjects import Made, Subject
from filmgrid.costs import counting


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in one run.

    Args:
        made: what it made.
        flops: operations of the whole run; encoding and decoding are in it.
        pass_flops: operations of one denoiser pass over one sequence.
        passes: such passes per step: 2 with guidance, whether in one call or in two.
        tokens: of one sequence in one pass.
    """

    made: Made
    flops: int
    pass_flops: int
    passes: float
    tokens: int


def count_run(subject: Subject) -> Count:
    """Run a subject once and count.

    Two multiplications and additions count as two operations; elementwise work counts nothing.

    Args:
        subject: is run once, slower than usual.
    """
    spent = sequences = tokens = begun = 0
    counter = counting()

    def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        nonlocal begun, sequences, tokens
        begun = counter.get_total_flops()
        noisy = _first_latents([*args, *named.values()])
        sequences += noisy.shape[0]
        tokens = subject.tokens(noisy)

    def after(*_: Any) -> None:
        nonlocal spent
        spent += counter.get_total_flops() - begun

    with ExitStack() as hooks:
        for denoiser in subject.denoisers:
            hooks.callback(
                denoiser.register_forward_pre_hook(before, with_kwargs=True, prepend=True).remove
            )
            hooks.callback(denoiser.register_forward_hook(after).remove)
        with counter:
            made = subject.run()
    passes = sequences / max(1, made.steps)
    return Count(made, counter.get_total_flops(), spent // max(1, sequences), passes, tokens)


def _first_latents(given: list[Any]) -> Tensor:
    """The first tensor among arguments; a list of tensors, one per sequence, counts as one."""
    for each in given:
        if isinstance(each, Tensor):
            return each
        if isinstance(each, list) and each and isinstance(each[0], Tensor):
            return torch.stack(each)
    raise AssertionError("A denoiser was called without latents.")
