"""From one noise level to the next, and to which levels, as the schedulers of diffusers do.

The scale of a model's latents changes neither rule: DDIM is Euler's step on the straight path, and
DPM-Solver++ needs the ratio of clean to noise alone, which is the same at every point of both
processes. So one sampler serves flows and models of noise, and a solver is a step of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from filmgrid.process.flow import clean_from, euler_step
from filmgrid.process.gaussian import ddpm
from filmgrid.request.fields import Solver

Move = Callable[
    [
        Float[Tensor, "b n c h w"],
        Float[Tensor, "b n c h w"],
        Float[Tensor, "b n"],
        Float[Tensor, "b n"],
    ],
    Float[Tensor, "b n c h w"],
]
"""Noisy cells at the next level, from those at this one, their velocity, and both levels."""


def mover(solver: Solver, sigmas: Float[Tensor, " num_sigmas"]) -> Move:
    """What carries one sampling from level to level; a multistep solver remembers, so one each."""
    return MultistepMove(sigmas) if solver == "dpm-solver++" else euler_step


class MultistepMove:
    """DPM-Solver++ of second order, the first and the last step of first.

    What it remembers is what the cells would have become a step before, which does not change
    when kept cells are set to their next level: the way of the others goes on smoothly.

    Source: arXiv:2211.01095, algorithm 2, as ``DPMSolverMultistepScheduler`` of diffusers has it
    for flows.

    Args:
        sigmas: falling to 0, both ends included.
    """

    def __init__(self, sigmas: Float[Tensor, " num_sigmas"]) -> None:
        # Slow to import, and other solvers have no need of it.
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        self.steps: Any = DPMSolverMultistepScheduler(
            prediction_type="sample", use_flow_sigmas=True
        )
        self.steps.set_timesteps(max(1, len(sigmas) - 1))
        self.steps.sigmas = sigmas.float().cpu()  # ours in place of its own
        self.steps.set_begin_index(0)

    def __call__(
        self,
        noisy: Float[Tensor, "b n c h w"],
        velocity: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        next_sigma: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n c h w"]:
        """The next cells; what comes out for whole cells that are kept means nothing."""
        clean = clean_from(noisy, velocity, sigma)
        return self.steps.step(clean, None, noisy, return_dict=False)[0]


def timestep_sigmas(
    solver: Solver, scheduler: Mapping[str, Any], num_steps: int
) -> Float64[Tensor, " num_sigmas"]:
    """Levels of the timesteps that a scheduler of diffusers visits in so many steps, then 0.

    Where 1000 is no multiple of ``num_steps`` and the spacing is not ``leading``,
    ``DDIMScheduler`` steps beside the timestep that it visits next; here each step ends there.

    Args:
        solver: whose scheduler.
        scheduler: its settings, those that are not the defaults.
        num_steps: at most 999.
    """
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    kind: Any = DPMSolverMultistepScheduler if solver == "dpm-solver++" else DDIMScheduler
    made = kind.from_config(dict(scheduler))
    made.set_timesteps(num_steps)
    levels = ddpm().sigma_of(made.timesteps)
    return torch.cat([levels, levels.new_zeros(1)])
