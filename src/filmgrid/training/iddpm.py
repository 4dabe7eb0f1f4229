"""IDDPM's hybrid loss: noise by its mean square, and its variance by the variational bound.

``mean((predicted noise - noise)**2) + 0.001 * T * bound(t)``, where the bound of timestep ``t``,
in bits per number, is the divergence of the learned step back from the true one, or at timestep 0
the likelihood of the clean latents in bins of 1/255. The mean of the learned step is held fixed in
it, so that the bound teaches the variance alone. What DiT and GriDiT were trained with.

Source: IDDPM, arXiv:2102.09672, section 3.1 and Eq. 15-16.
"""

import math
from functools import cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from filmgrid.process.gaussian import ddpm
from filmgrid.process.posterior import Posterior

BOUND_WEIGHT = 1e-3
"""Of the whole bound, which is the mean of that of a timestep, times their number."""
BIN = 1 / 255
"""Half the width of a level of 8 bits in [-1, 1], in which clean latents are counted."""


def bound(
    noisy: Float[Tensor, "b n c h w"],
    clean: Float[Tensor, "b n c h w"],
    predicted: Float[Tensor, "b n c h w"],
    share: Float[Tensor, "b n c h w"],
    sigma: Float[Tensor, "b n"],
) -> Float[Tensor, "b n"]:
    """The variational bound at the timestep of each cell, in bits per number.

    Args:
        noisy: cells on the straight path.
        clean: what they come from.
        predicted: noise that the network sees in them; not taught by the bound.
        share: where it says its variance lies, -1 to 1.
        sigma: noise level of each cell, that of a timestep.
    """
    process, posterior = ddpm(), _posterior()
    timestep = process.timestep_of(sigma)
    x = process.to_vp(noisy, sigma)
    velocity = process.velocity_from_noise_prediction(noisy, predicted.detach(), sigma)
    seen = noisy - sigma[:, :, None, None, None] * velocity
    mean = posterior.mean(seen, x, timestep)
    log_variance = posterior.learned_log_variance(share, timestep)
    true_mean = posterior.mean(clean, x, timestep)
    true_log_variance = posterior.log_variance(timestep, x)
    divergence = normal_divergence(true_mean, true_log_variance, mean, log_variance)
    unlikely = -binned_log_likelihood(clean, mean, log_variance)
    last = (timestep == 0)[:, :, None, None, None]
    return torch.where(last, unlikely, divergence).mean(dim=(2, 3, 4)) / math.log(2)


def hybrid_loss(
    base: Float[Tensor, ""], bounds: Float[Tensor, "b n"], keep: Bool[Tensor, "b n"]
) -> Float[Tensor, ""]:
    """The loss of the noise, with the bound of the cells that are not kept."""
    counts = (~keep).to(bounds.dtype)
    mean = (bounds * counts).sum() / counts.sum().clamp(min=1)
    return base + BOUND_WEIGHT * ddpm().num_timesteps * mean


def normal_divergence(
    mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor
) -> Tensor:
    """Kullback-Leibler divergence of one normal distribution from another, in nats."""
    ratio = log_variance - other_log_variance
    apart = (mean - other_mean).square() * torch.exp(-other_log_variance)
    return 0.5 * (ratio.exp() - ratio - 1 + apart)


def binned_log_likelihood(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Logarithm of the probability of each value's bin; the outermost two are open."""
    deviation = torch.exp(0.5 * log_variance)
    above = torch.special.ndtr((value + BIN - mean) / deviation)
    below = torch.special.ndtr((value - BIN - mean) / deviation)
    inside = torch.where(value < -0.999, above, above - below)
    return torch.where(value > 0.999, 1 - below, inside).clamp(min=1e-12).log()


@cache
def _posterior() -> Posterior:
    return Posterior(ddpm())
