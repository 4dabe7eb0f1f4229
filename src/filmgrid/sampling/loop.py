"""The one sampler: every task of both papers runs through :func:`sample`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ShapeError
from filmgrid.grid.reference import Reference
from filmgrid.process.flow import add_noise, clean_from
from filmgrid.request import Solver
from filmgrid.sampling.solvers import mover

VelocityOf = Callable[
    [Float[Tensor, "b n c h w"], Float[Tensor, "b n"]], Float[Tensor, "b n c h w"]
]
"""Predicts ``noise - clean`` from noisy cells and the noise level of each."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleState:
    """Where a sampler stands, before its first step or after one.

    Args:
        step: steps done.
        num_steps: steps in all.
        sigma: noise level reached.
        noisy: the cells at it; at ``sigma`` 0 these are the result.
        clean: what the cells would become if the velocity stayed as it is; good for previews.
    """

    step: int
    num_steps: int
    sigma: float
    noisy: Float[Tensor, "b n c h w"]
    clean: Float[Tensor, "b n c h w"]


def sample(
    velocity_of: VelocityOf,
    noise: Float[Tensor, "b n c h w"],
    sigmas: Float[Tensor, " num_sigmas"],
    reference: Reference | None = None,
    per_cell_sigma: bool = False,
    solver: Solver = "euler",
) -> Iterator[SampleState]:
    """Walk from noise to clean cells, holding what the reference keeps.

    Start: ``(1 - sigma) * reference + sigma * noise`` at the first sigma. After every step the
    kept part is set to the reference at the level it belongs to, always with the same noise:
    the *next* sigma, so that the step which follows sees what its sigma promises. (GRID's Eq. 11
    pastes the clean reference; GriDiT's release noises it to the level before.)

    Yields the start and then every step, so that cancelling is not asking for the next.

    Source: GRID, arXiv:2412.10718, Eq. 8-11; RePaint, arXiv:2201.09865, for the replacement.

    Args:
        velocity_of: the backbone under its condition, with guidance if there is any.
        noise: standard normal, one per sequence and cell.
        sigmas: falling from the start to 0, both included.
        reference: what is known; without one everything is made from noise.
        per_cell_sigma: whole kept cells enter clean, with a sigma of 0 of their own. For
            backbones trained so; others have kept cells noised like the rest.
        solver: how a step is made.

    Raises:
        ShapeError: if reference and noise differ in shape.
    """
    if reference is not None and reference.cells.shape != noise.shape:
        raise ShapeError(
            f"A reference of shape {tuple(reference.cells.shape)} does not fit noise of shape "
            f"{tuple(noise.shape)}. Make both for the same layout, cell and batch."
        )
    batch, num_cells = noise.shape[:2]
    clean_cells = torch.zeros(batch, num_cells, dtype=torch.bool, device=noise.device)
    if reference is not None and per_cell_sigma:
        clean_cells = reference.whole_cells

    def levels(sigma: Tensor) -> Float[Tensor, "b n"]:
        return torch.where(clean_cells, 0.0, sigma.to(noise.device, torch.float32))

    def hold(noisy: Tensor, sigma: Tensor) -> Tensor:
        if reference is None:
            return noisy
        kept = add_noise(reference.cells, noise, levels(sigma))
        return torch.where(reference.mask, kept, noisy)

    known = torch.zeros_like(noise) if reference is None else reference.cells
    noisy = hold(add_noise(known, noise, levels(sigmas[0])), sigmas[0])
    num_steps, move = len(sigmas) - 1, mover(solver, sigmas)
    yield SampleState(0, num_steps, float(sigmas[0]), noisy, known)
    for step, (sigma, next_sigma) in enumerate(pairwise(sigmas), start=1):
        velocity = velocity_of(noisy, levels(sigma))
        clean = hold(clean_from(noisy, velocity, levels(sigma)), next_sigma * 0)
        moved = move(noisy, velocity, levels(sigma), levels(next_sigma))
        noisy = hold(moved, next_sigma)
        yield SampleState(step, num_steps, float(next_sigma), noisy, clean)
