"""A step back in a variance-preserving process, against the scheduler of diffusers."""

import pytest
import torch
from diffusers import DDPMScheduler

from filmgrid.process.gaussian import ddpm
from filmgrid.process.posterior import Posterior

SHAPE = (3, 2, 4, 5, 6)
POSTERIOR = Posterior(ddpm())


def drawn(*seeds):
    return (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in seeds)


def times(timestep):
    return torch.full(SHAPE[:2], timestep)


@pytest.mark.parametrize("timestep", [1, 7, 500, 999])
def test_a_step_is_that_of_diffusers(timestep):
    scheduler = DDPMScheduler(variance_type="fixed_small", clip_sample=False)
    scheduler.set_timesteps(1000)
    x, noise = drawn(0, 1)
    signal = float(ddpm().signal[timestep])
    clean = (x - (1 - signal) ** 0.5 * noise) / signal**0.5
    random = torch.Generator().manual_seed(2)
    theirs = scheduler.step(noise, timestep, x, generator=random).prev_sample
    fresh = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    deviation = (0.5 * POSTERIOR.log_variance(times(timestep), x)).exp()
    ours = POSTERIOR.mean(clean, x, times(timestep)) + deviation * fresh
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("timestep", [1, 7, 500, 999])
def test_the_learned_variance_is_that_of_diffusers(timestep):
    scheduler = DDPMScheduler(variance_type="learned_range")
    scheduler.set_timesteps(1000)
    (share,) = (each.tanh() for each in drawn(3))
    theirs = scheduler._get_variance(timestep, predicted_variance=share)
    ours = POSTERIOR.learned_log_variance(share, times(timestep))
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_the_learned_variance_lies_between_its_bounds():
    timestep = torch.randint(0, 1000, SHAPE[:2], generator=torch.Generator().manual_seed(4))
    ones = torch.ones(SHAPE, dtype=torch.float64)
    least = POSTERIOR.learned_log_variance(-ones, timestep)
    most = POSTERIOR.learned_log_variance(ones, timestep)
    assert torch.allclose(least[..., :1, :1, :1], POSTERIOR.log_variance(timestep, ones))
    beta = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)[timestep]
    assert torch.allclose(most[:, :, 0, 0, 0].exp(), beta)


def test_the_signal_is_the_product_of_diffusers():
    assert torch.allclose(ddpm().signal.float(), DDPMScheduler().alphas_cumprod, rtol=1e-4)
