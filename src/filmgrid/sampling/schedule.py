"""Which noise levels a request visits."""

from jaxtyping import Float64
from torch import Tensor

from filmgrid.process.schedules import linear_sigmas, respace, shift_sigmas, truncate


def plan_sigmas(
    num_steps: int, shift: float = 1.0, start_sigma: float = 1.0, *, respaced: bool = False
) -> Float64[Tensor, " num_sigmas"]:
    """A shifted linear schedule from ``start_sigma`` to 0.

    Args:
        num_steps: steps of the whole schedule, from pure noise.
        shift: above 1 spends more steps at high noise.
        start_sigma: true noise level in [0, 1]. Levels above it are left out, as in diffusers, so
            that fewer steps remain.
        respaced: walk the rest of the curve in ``num_steps`` steps instead.

    Raises:
        ConfigError: if a number is out of range.
    """
    return begin_at(shift_sigmas(linear_sigmas(num_steps), shift), start_sigma, respaced=respaced)


def begin_at(
    sigmas: Float64[Tensor, " num_sigmas"], start_sigma: float, *, respaced: bool = False
) -> Float64[Tensor, " num_left"]:
    """A schedule from ``start_sigma`` to 0; the whole of it if it does not begin higher.

    Args:
        sigmas: a schedule.
        start_sigma: true noise level in [0, 1].
        respaced: as in :func:`plan_sigmas`.

    Raises:
        ConfigError: if a number is out of range.
    """
    if start_sigma == float(sigmas[0]):
        return sigmas
    return respace(sigmas, start_sigma) if respaced else truncate(sigmas, start_sigma)
