"""Base loss and temporal loss of GRID, both over the residual of the velocity.

With the residual ``predicted velocity - true velocity`` of each cell, the base loss is its mean
square, and the temporal loss the mean square of its first difference over the cells: what the
frame-to-frame change was wrong by. An error shared by all frames costs nothing there.

Source: GRID, arXiv:2412.10718, Eq. 3-7.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from filmgrid.grid.spec import Layout


def residual_of(
    velocity: Float[Tensor, "b n c h w"],
    target: Float[Tensor, "b n c h w"],
    sigma: Float[Tensor, "b n"],
    keep: Bool[Tensor, "b n"],
    sigma_floor: float = 0.0,
) -> Float[Tensor, "b n c h w"]:
    """Error of the velocity where there is something to predict, 0 in kept cells.

    Args:
        velocity: predicted ``noise - clean``.
        target: true ``noise - clean``.
        sigma: noise level of each cell, in [0, 1].
        keep: cells that were given clean.
        sigma_floor: errors below this sigma are scaled by ``sigma / sigma_floor``, since a
            clean prediction's error reaches velocity divided by sigma.
    """
    weight = (~keep).to(velocity.dtype)
    if sigma_floor > 0:
        weight = weight * (sigma / sigma_floor).clamp(max=1)
    return (velocity - target) * weight[:, :, None, None, None]


def base_loss(residual: Float[Tensor, "b n c h w"], keep: Bool[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Mean square of the residual over the cells that are not kept (Eq. 2)."""
    share = (~keep).to(residual.dtype).mean()
    return residual.square().mean() / share.clamp(min=1 / keep.numel())


def temporal_loss(
    residual: Float[Tensor, "b n c h w"],
    keep: Bool[Tensor, "b n"],
    layout: Layout,
    row_wrap: bool = True,
) -> Float[Tensor, ""]:
    """Mean square of the residual's change from each cell to the next (Eq. 3-7).

    Reading order, including the step from the end of a row to the start of the next. Pairs of
    two kept cells have nothing to predict and do not count.

    Args:
        residual: from :func:`residual_of`, cells in reading order.
        keep: cells that were given clean.
        layout: where rows end.
        row_wrap: False leaves out the steps between rows, as GRID's release does.

    Returns:
        Scalar loss, unweighted; 0 where a layout has no pair of neighbours.
    """
    change = residual.diff(dim=1)
    counts = ~(keep[:, 1:] & keep[:, :-1])
    if not row_wrap:
        inside = torch.arange(1, layout.num_cells, device=keep.device) % layout.cols != 0
        counts = counts & inside
    pairs = counts.sum().to(residual.dtype)
    per_pair = change.square().mean(dim=(2, 3, 4))
    return (per_pair * counts).sum() / pairs.clamp(min=1)


def photometric_loss(
    carried: Float[Tensor, "b n s c h w"],
    there: Bool[Tensor, "b n s"],
    clean: Float[Tensor, "b n c h w"],
    keep: Bool[Tensor, "b n"],
) -> Float[Tensor, ""]:
    """Mean square of what the better of two sources misses, pixel by pixel.

    What one known frame hides, another may show. Source: the photometric loss by which optical
    flow is learned without labels (arXiv:1608.05842).

    Args:
        carried: what each source would show, moved as the network says.
        there: whether there is such a source.
        clean: the true frames.
        keep: cells that were given clean, which do not count.

    Returns:
        Scalar loss; 0 where no cell has a source.
    """
    missed = (carried - clean[:, :, None]).square().mean(dim=3)  #          b n s h w
    best = missed.masked_fill(~there[..., None, None], torch.inf).amin(dim=2)
    counts = there.any(dim=2) & ~keep
    best = best.masked_fill(~counts[..., None, None], 0).mean(dim=(2, 3))
    return best.sum() / counts.sum().clamp(min=1)


def ramp_weight(step: int, steps: int, weight: float, ramp: float) -> float:
    """Weight of the temporal loss: from 0 linearly to ``weight``, then constant.

    The paper raises it "gradually" from 0 to 0.5 and gives no shape; linear is our reading.

    Args:
        step: optimiser steps done.
        steps: optimiser steps of the whole training.
        weight: final weight.
        ramp: share of the training over which it rises, above 0.
    """
    return weight * min(1.0, step / (ramp * steps))
