"""The one sampler: every task of both papers runs through :func:`descend`."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ShapeError
from filmgrid.grid.reference import Reference
from filmgrid.process.flow import add_noise, clean_from, noise_further
from filmgrid.request.fields import Solver
from filmgrid.sampling.jumps import Jumps, count_steps, places
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
        levels: noise level of each cell, which is 0 where kept cells enter clean.
        clean: what the cells would become if the velocity stayed as it is; good for previews.
    """

    step: int
    num_steps: int
    sigma: float
    noisy: Float[Tensor, "b n c h w"]
    levels: Float[Tensor, "b n"]
    clean: Float[Tensor, "b n c h w"]


@dataclass(frozen=True, slots=True, eq=False)
class Resampling:
    """Walking stretches again, beside cells that are kept.

    Args:
        jumps: how often, and how far back.
        noise: gives the noise of a jump by its number: standard normal, independent of all other.
    """

    jumps: Jumps
    noise: Callable[[int], Float[Tensor, "b n c h w"]]


Descent = Generator[SampleState, Float[Tensor, "b n c h w"], None]
"""Yields states and is sent the velocity of each, but of the last."""


def sample(
    velocity_of: VelocityOf,
    noise: Float[Tensor, "b n c h w"],
    sigmas: Float[Tensor, " num_sigmas"],
    reference: Reference | None = None,
    per_cell_sigma: bool = False,
    solver: Solver = "euler",
    resampling: Resampling | None = None,
) -> Iterator[SampleState]:
    """Walk down by a backbone of one's own: :func:`descend`, its velocities answered at once.

    Yields the start and then every step, so that cancelling is not asking for the next.

    Args:
        velocity_of: the backbone under its condition, with guidance if there is any.
        noise: as :func:`descend` takes it, and all else.
        sigmas: falling from the start to 0.
        reference: what is known.
        per_cell_sigma: whether kept cells enter clean.
        solver: how a step is made.
        resampling: walks stretches again.

    Raises:
        ShapeError: if reference and noise differ in shape.
    """
    descent = descend(noise, sigmas, reference, per_cell_sigma, solver, resampling)
    state = next(descent)
    yield state
    while state.step < state.num_steps:
        state = descent.send(velocity_of(state.noisy, state.levels))
        yield state


def descend(
    noise: Float[Tensor, "b n c h w"],
    sigmas: Float[Tensor, " num_sigmas"],
    reference: Reference | None = None,
    per_cell_sigma: bool = False,
    solver: Solver = "euler",
    resampling: Resampling | None = None,
) -> Descent:
    """Walk from noise to clean cells, holding what the reference keeps.

    Start: ``(1 - sigma) * reference + sigma * noise`` at the first sigma. After every step the
    kept part is set to the reference at the level it belongs to, always with the same noise:
    the *next* sigma, so that the step which follows sees what its sigma promises. (GRID's Eq. 11
    pastes the clean reference; GriDiT's release noises it to the level before.)

    It yields the start and then every step, and waits to be sent the velocity of each: whoever
    drives it may stop at any step, and answer many that wait in one pass of the backbone.

    Source: GRID, arXiv:2412.10718, Eq. 8-11; RePaint, arXiv:2201.09865, for the replacement and for
    the jumps back.

    Args:
        noise: standard normal, one per sequence and cell.
        sigmas: falling from the start to 0, both included.
        reference: what is known; without one everything is made from noise.
        per_cell_sigma: whole kept cells enter clean, with a sigma of 0 of their own. For
            backbones trained so; others have kept cells noised like the rest.
        solver: how a step is made.
        resampling: walks stretches again; then there are more steps than the schedule has.

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
    now = levels(sigmas[0])
    noisy = hold(add_noise(known, noise, now), sigmas[0])
    jumps, move = None if resampling is None else resampling.jumps, mover(solver, sigmas)
    num_steps, step, jumped = count_steps(len(sigmas) - 1, jumps), 0, 0
    state = SampleState(0, num_steps, float(sigmas[0]), noisy, now, known)
    for here, there in pairwise(places(len(sigmas) - 1, jumps)):
        reached = sigmas[there]
        if resampling is not None and there < here:
            higher = levels(reached)
            noisy = noise_further(noisy, resampling.noise(jumped), now, higher)
            noisy, now, jumped = hold(noisy, reached), higher, jumped + 1
            move = mover(solver, sigmas[there:])  # one that remembers must not go on from below
            state = replace(state, sigma=float(reached), noisy=noisy, levels=now)
            continue
        velocity = yield state
        clean = hold(clean_from(noisy, velocity, now), reached * 0)
        noisy = hold(move(noisy, velocity, now, levels(reached)), reached)
        now, step = levels(reached), step + 1
        state = SampleState(step, num_steps, float(reached), noisy, now, clean)
    yield state
