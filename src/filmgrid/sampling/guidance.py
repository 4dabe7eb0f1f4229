"""Classifier-free guidance, and none where there is nothing to guide."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone, Condition
from filmgrid.sampling.loop import VelocityOf


def encode_both(
    backbone: Backbone, prompts: Sequence[str], nulls: Sequence[str]
) -> tuple[Condition, Condition]:
    """Encode prompts, and as many null ones, in one call, so that both have one size."""
    both = backbone.encode([*prompts, *nulls])
    count = len(prompts)
    condition = {name: encoded[:count] for name, encoded in both.items()}
    return condition, {name: encoded[count:] for name, encoded in both.items()}


def guided(
    backbone: Backbone,
    condition: Condition,
    layout: Layout,
    guidance_scale: float = 1.0,
    null: Condition | None = None,
    dtype: torch.dtype = torch.float32,
) -> VelocityOf:
    """The backbone's velocity under a condition, pushed away from the null condition.

    ``null + guidance_scale * (conditioned - null)``. Both come from one call of twice the batch;
    with a scale of 1 or without a null condition there is only one pass. (GriDiT's release
    always makes two, though it has no condition.) Where the backbone has guidance embedded, it is
    told the scale instead, and a null condition would guide it a second time.

    Source: Ho and Salimans, arXiv:2207.12598.

    Args:
        backbone: what predicts velocity.
        condition: encoded prompts, one per sequence.
        layout: of the sequences.
        guidance_scale: 1 is none; 2 to 4 is usual.
        null: the encoding of empty prompts, one per sequence, from :func:`encode_both`.
        dtype: of the matrix products inside the backbone.
    """
    if backbone.facts.guidance == "embedded":
        first = next(iter(condition.values()))
        scale = torch.full((len(first),), float(guidance_scale), device=first.device)
        condition, null = {**condition, "guidance": scale}, None

    def predict(noisy: Tensor, sigma: Tensor, told: Condition) -> Tensor:
        enabled = backbone.autocasts and dtype != torch.float32
        with torch.autocast(noisy.device.type, dtype, enabled=enabled):
            return backbone.velocity(noisy, sigma, told, layout)

    if null is None or guidance_scale == 1:
        return lambda noisy, sigma: predict(noisy, sigma, condition)
    both = {name: torch.cat([condition[name], null[name]]) for name in condition}

    def velocity(
        noisy: Float[Tensor, "b n c h w"], sigma: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b n c h w"]:
        predicted = predict(torch.cat([noisy, noisy]), torch.cat([sigma, sigma]), both)
        conditioned, unconditioned = predicted.chunk(2)
        return unconditioned + guidance_scale * (conditioned - unconditioned)

    return velocity
