"""One step back in a variance-preserving process: its mean, its variance, and a learned one.

With the signal ``a(t)`` (``alphas_cumprod``) and ``beta(t) = 1 - a(t) / a(t-1)``, the latents one
timestep earlier, given the clean ones, are normal with mean

``sqrt(a(t-1)) * beta(t) / (1 - a(t)) * clean
+ sqrt(1 - beta(t)) * (1 - a(t-1)) / (1 - a(t)) * x``

and variance ``beta(t) * (1 - a(t-1)) / (1 - a(t))``. A network that learns its variance says, with
a number from -1 to 1, where between that and ``beta(t)`` its logarithm lies.

Source: DDPM, arXiv:2006.11239, Eq. 6-7; IDDPM, arXiv:2102.09672, Eq. 15.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from filmgrid.process.gaussian import VariancePreserving

Timesteps = Int64[Tensor, "b n"]


class Posterior:
    """What a step from each timestep of a process to the one before is, in its own coordinates.

    Args:
        process: whose steps.
    """

    def __init__(self, process: VariancePreserving) -> None:
        signal = process.signal
        before = torch.cat([signal.new_ones(1), signal[:-1]])
        beta = 1 - signal / before
        variance = beta * (1 - before) / (1 - signal)
        self.clean_share: Float64[Tensor, " t"] = before.sqrt() * beta / (1 - signal)
        self.noisy_share: Float64[Tensor, " t"] = (1 - beta).sqrt() * (1 - before) / (1 - signal)
        # The last step has none: it gets that of the step before it, as in IDDPM.
        self.log_least: Float64[Tensor, " t"] = torch.cat([variance[1:2], variance[1:]]).log()
        self.log_most: Float64[Tensor, " t"] = beta.log()

    def mean(
        self,
        clean: Float[Tensor, "b n c h w"],
        x: Float[Tensor, "b n c h w"],
        timestep: Timesteps,
    ) -> Float[Tensor, "b n c h w"]:
        """Mean of the latents one timestep earlier."""
        return _of(self.clean_share, timestep, x) * clean + _of(self.noisy_share, timestep, x) * x

    def log_variance(
        self, timestep: Timesteps, like: Float[Tensor, "b n c h w"]
    ) -> Float[Tensor, "b n 1 1 1"]:
        """Logarithm of the true variance."""
        return _of(self.log_least, timestep, like)

    def learned_log_variance(
        self, share: Float[Tensor, "b n c h w"], timestep: Timesteps
    ) -> Float[Tensor, "b n c h w"]:
        """Logarithm of the variance that a network learned.

        Args:
            share: what it says, -1 for the true variance and 1 for ``beta``.
            timestep: of each cell.
        """
        most, least = (_of(table, timestep, share) for table in (self.log_most, self.log_least))
        return torch.lerp(least.expand_as(share), most.expand_as(share), (share + 1) / 2)


def _of(
    table: Float64[Tensor, " t"], timestep: Timesteps, like: Float[Tensor, "b n c h w"]
) -> Float[Tensor, "b n 1 1 1"]:
    """An entry for each cell, ready to multiply latents."""
    chosen = table.to(timestep.device)[timestep]
    return chosen.to(like.device, like.dtype)[:, :, None, None, None]
