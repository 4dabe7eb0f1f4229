"""Schedules: the noise levels a sampler visits, from high to low, with 0 at the end.

A schedule of ``num_steps`` steps holds ``num_steps + 1`` sigmas. All functions return
float64 tensors on the CPU, so that rounding happens once, where latents are multiplied.
"""

import math

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from filmgrid.errors import ConfigError


def linear_sigmas(num_steps: int) -> Float64[Tensor, " num_sigmas"]:
    """Evenly spaced levels ``1, 1 - 1/num_steps, …, 1/num_steps``, then 0.

    What ``FluxPipeline`` of diffusers hands to its scheduler before any shift.

    Raises:
        ConfigError: if there is no step.
    """
    if num_steps < 1:
        raise ConfigError(f"{num_steps} sampling steps make no picture. Use at least 1, often 20.")
    levels = torch.linspace(1, 1 / num_steps, num_steps, dtype=torch.float64)
    return torch.cat([levels, levels.new_zeros(1)])


def shift_sigmas(
    sigmas: Float64[Tensor, " num_sigmas"], shift: float
) -> Float64[Tensor, " num_sigmas"]:
    """Spend more steps at high noise: ``shift * s / (1 + (shift - 1) * s)``.

    Source: Stable Diffusion 3, arXiv:2403.03206, Eq. 23; ``shift`` is its ratio of resolutions.

    Args:
        sigmas: a schedule.
        shift: above 0; 1 changes nothing, 3 is usual for about one megapixel. FLUX's dynamic
            shift is ``exp(mu)`` of :func:`~filmgrid.process.resolution.flux_mu`.

    Raises:
        ConfigError: if ``shift`` is not above 0.
    """
    if not (math.isfinite(shift) and shift > 0):
        raise ConfigError(f"A schedule shift of {shift} is not above 0. Use 1 for none, often 3.")
    # The same as above with the 1 spread out, so that pure noise stays exactly 1.
    return shift * sigmas / (shift * sigmas + (1 - sigmas))


def truncate(
    sigmas: Float64[Tensor, " num_sigmas"], start_sigma: float
) -> Float64[Tensor, " num_left"]:
    """Start at ``start_sigma`` exactly, then visit the schedule's levels strictly below it.

    A start of 0 leaves only ``[0]``: there is nothing to do.

    Args:
        sigmas: a schedule.
        start_sigma: true noise level in [0, 1].

    Raises:
        ConfigError: if ``start_sigma`` is outside [0, 1].
    """
    _check_sigma(start_sigma)
    return torch.cat([sigmas.new_tensor([start_sigma]), sigmas[sigmas < start_sigma]])


def respace(
    sigmas: Float64[Tensor, " num_sigmas"], start_sigma: float
) -> Float64[Tensor, " num_sigmas"]:
    """Walk the schedule's curve below ``start_sigma`` in as many steps as the whole had.

    The schedule is read as a curve over its step index, straight between its levels, and
    sampled evenly from the place of ``start_sigma`` to the end. Finer than :func:`truncate`,
    at the price of the steps that it would have saved. A start of 0 leaves only zeros.

    Args:
        sigmas: a schedule.
        start_sigma: true noise level in [0, 1], at most the schedule's first.

    Raises:
        ConfigError: if ``start_sigma`` is outside [0, 1] or above the schedule's first level.
    """
    _check_sigma(start_sigma)
    levels = sigmas.numpy()
    if start_sigma > levels[0]:
        raise ConfigError(
            f"Sigma {start_sigma} lies above this schedule, which starts at {levels[0]:.4f}. "
            "Start there or lower."
        )
    last = len(levels) - 1
    place = np.interp(start_sigma, levels[::-1], np.arange(last, -1, -1))
    spaced = np.interp(np.linspace(place, last, last + 1), np.arange(last + 1), levels)
    spaced[0] = start_sigma
    return torch.tensor(spaced)


def sigma_of_strength(sigmas: Float64[Tensor, " num_sigmas"], strength: float) -> float:
    """Convert the ``strength`` of diffusers' image-to-image pipelines to a true noise level.

    Strength skips the first ``num_steps - num_steps * strength`` steps, rounded down, of a
    schedule that is already shifted, so it is no noise level: with FLUX.1's shift, 20 steps and
    a 1536x1024 px grid, 0.9 means sigma 0.976. GRID's release uses it in the place of the
    paper's T.

    Source: ``get_timesteps`` of ``FluxImg2ImgPipeline``, diffusers 0.42.

    Args:
        sigmas: the shifted schedule that will be sampled.
        strength: in [0, 1]; 1 starts at the schedule's first level, 0 leaves nothing to do.

    Raises:
        ConfigError: if ``strength`` is outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise ConfigError(
            f"A strength of {strength} is outside 0 to 1. "
            "Use 1 to start from pure noise, 0 to change nothing."
        )
    num_steps = len(sigmas) - 1
    first_step = int(max(num_steps - min(num_steps * strength, num_steps), 0))
    return float(sigmas[first_step])


def _check_sigma(sigma: float) -> None:
    if not 0 <= sigma <= 1:
        raise ConfigError(
            f"A start sigma of {sigma} is outside 0 to 1. Use 1 for pure noise, "
            "0.8 to 0.98 to keep more and more of the reference's character, 0 to change nothing."
        )
