"""Classifier-free guidance, and none where there is nothing to guide."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone, Condition
from filmgrid.sampling.loop import VelocityOf


@dataclass(frozen=True, slots=True, eq=False)
class Prompted:
    """What a backbone is told of some sequences of one layout; made by :func:`prompted`.

    Args:
        layout: of the sequences.
        condition: encoded prompts, one per sequence, with the guidance where it is embedded.
        null: encoded null prompts, one per sequence, where guidance takes a second pass.
        guidance_scale: of the second pass.
    """

    layout: Layout
    condition: Condition
    null: Condition | None
    guidance_scale: float

    @property
    def passes(self) -> int:
        """Passes of the backbone per sequence and step."""
        return 1 if self.null is None else 2


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A velocity that a sampler waits for.

    Args:
        noisy: cells.
        sigma: noise level of each.
        prompted: what the backbone is told of them.
    """

    noisy: Float[Tensor, "b n c h w"]
    sigma: Float[Tensor, "b n"]
    prompted: Prompted


def encode_both(
    backbone: Backbone, prompts: Sequence[str], nulls: Sequence[str]
) -> tuple[Condition, Condition]:
    """Encode prompts, and as many null ones, in one call, so that both have one size."""
    both = backbone.encode([*prompts, *nulls])
    count = len(prompts)
    condition = {name: encoded[:count] for name, encoded in both.items()}
    return condition, {name: encoded[count:] for name, encoded in both.items()}


def prompted(
    backbone: Backbone,
    condition: Condition,
    layout: Layout,
    guidance_scale: float = 1.0,
    null: Condition | None = None,
) -> Prompted:
    """Decide how guidance comes about.

    With a scale of 1 or without a null condition there is only one pass. (GriDiT's release always
    makes two, though it has no condition.) Where the backbone has guidance embedded, it is told
    the scale instead, and a null condition would guide it a second time.

    Args:
        backbone: what predicts velocity.
        condition: encoded prompts, one per sequence.
        layout: of the sequences.
        guidance_scale: 1 is none; 2 to 4 is usual.
        null: the encoding of empty prompts, one per sequence, from :func:`encode_both`.
    """
    if backbone.facts.guidance == "embedded":
        first = next(iter(condition.values()))
        scale = torch.full((len(first),), float(guidance_scale), device=first.device)
        condition, null = {**condition, "guidance": scale}, None
    if guidance_scale == 1:
        null = None
    return Prompted(layout, condition, null, guidance_scale)


def velocities(
    backbone: Backbone, wanted: Sequence[Wanted], dtype: torch.dtype = torch.float32
) -> list[Float[Tensor, "b n c h w"]]:
    """What several samplers wait for, from one call of the backbone.

    ``null + guidance_scale * (conditioned - null)``, where there is a null condition; both are
    rows of one batch. Each row has its own noise levels, prompt and guidance.

    Source: Ho and Salimans, arXiv:2207.12598.

    Args:
        backbone: what predicts velocity.
        wanted: cells of one size and layout.
        dtype: of the matrix products inside the backbone.
    """
    rows = [(each, each.prompted.condition) for each in wanted]
    rows += [(each, each.prompted.null) for each in wanted if each.prompted.null is not None]
    noisy, sigma, condition = rows[0][0].noisy, rows[0][0].sigma, rows[0][1]
    if len(rows) > 1:
        noisy = torch.cat([each.noisy for each, _ in rows])
        sigma = torch.cat([each.sigma for each, _ in rows])
        condition = backbone.collate([told for _, told in rows])
    enabled = backbone.autocasts and dtype != torch.float32
    with torch.autocast(noisy.device.type, dtype, enabled=enabled):
        predicted = backbone.velocity(noisy, sigma, condition, wanted[0].prompted.layout)
    split = iter(torch.split(predicted, [len(each.noisy) for each, _ in rows]))
    conditioned = [next(split) for _ in wanted]
    return [
        made if each.prompted.null is None else _led(next(split), made, each.prompted)
        for each, made in zip(wanted, conditioned, strict=True)
    ]


def guided(
    backbone: Backbone,
    condition: Condition,
    layout: Layout,
    guidance_scale: float = 1.0,
    null: Condition | None = None,
    dtype: torch.dtype = torch.float32,
) -> VelocityOf:
    """The backbone's velocity under a condition, pushed away from the null condition.

    Args:
        backbone: what predicts velocity.
        condition: as :func:`prompted` takes it, and all else.
        layout: of the sequences.
        guidance_scale: 1 is none.
        null: the encoding of empty prompts.
        dtype: of the matrix products inside the backbone.
    """
    told = prompted(backbone, condition, layout, guidance_scale, null)
    return lambda noisy, sigma: velocities(backbone, [Wanted(noisy, sigma, told)], dtype)[0]


def answered(asking: Generator[Any, Any, Any], answer: Callable[[Wanted], Tensor]) -> Iterator[Any]:
    """Drive what asks for velocities: answer each at once, and pass on all else that it yields.

    Args:
        asking: yields :class:`Wanted`, and is sent the velocity; of other events nothing.
        answer: gives the velocity.
    """
    sent: Tensor | None = None
    while True:
        try:
            event = asking.send(sent)
        except StopIteration:
            return
        sent = None
        if isinstance(event, Wanted):
            sent = answer(event)
        else:
            yield event


def _led(unconditioned: Tensor, conditioned: Tensor, told: Prompted) -> Tensor:
    return unconditioned + told.guidance_scale * (conditioned - unconditioned)
