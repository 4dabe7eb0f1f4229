from itertools import pairwise

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from filmgrid.errors import ShapeError
from filmgrid.process.flow import (
    add_noise,
    clean_from,
    euler_step,
    expand_sigma,
    noise_from,
    noise_further,
    velocity_from_clean,
    velocity_of,
)
from filmgrid.process.resolution import flux_mu
from filmgrid.process.schedules import linear_sigmas, shift_sigmas, truncate

SHAPE = (2, 6, 3, 4, 5)


def latents(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def per_cell_sigma(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE[:2], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=st.integers(0, 2**31), sigma=st.floats(0, 1))
def test_both_ends_of_the_path_are_recovered_from_any_point(seed: int, sigma: float):
    clean, noise = latents(seed), latents(seed + 1)
    noisy, velocity = add_noise(clean, noise, sigma), velocity_of(clean, noise)
    torch.testing.assert_close(clean_from(noisy, velocity, sigma), clean)
    torch.testing.assert_close(noise_from(noisy, velocity, sigma), noise)


@given(seed=st.integers(0, 2**31))
def test_every_cell_has_its_own_noise_level(seed: int):
    clean, noise, sigma = latents(seed), latents(seed + 1), per_cell_sigma(seed)
    noisy = add_noise(clean, noise, sigma)
    for row in range(SHAPE[0]):
        for cell in range(SHAPE[1]):
            alone = add_noise(
                clean[row : row + 1, cell : cell + 1],
                noise[row : row + 1, cell : cell + 1],
                float(sigma[row, cell]),
            )
            torch.testing.assert_close(noisy[row, cell], alone[0, 0])
    torch.testing.assert_close(clean_from(noisy, velocity_of(clean, noise), sigma), clean)


def test_the_ends_of_the_path_are_exact():
    clean, noise = latents(0), latents(1)
    assert torch.equal(add_noise(clean, noise, 0.0), clean)
    assert torch.equal(add_noise(clean, noise, 1.0), noise)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 20, 250])
@pytest.mark.parametrize("start_sigma", [1.0, 0.9, 0.35])
def test_a_constant_velocity_lands_exactly_on_clean(num_steps: int, start_sigma: float):
    clean, noise = latents(0), latents(1)
    velocity = velocity_of(clean, noise)
    sigmas = truncate(shift_sigmas(linear_sigmas(num_steps), 3.0), start_sigma)
    noisy = add_noise(clean, noise, start_sigma)
    for sigma, next_sigma in pairwise(sigmas):
        noisy = euler_step(noisy, velocity, sigma, next_sigma)
    torch.testing.assert_close(noisy, clean, rtol=0, atol=1e-13)


def test_an_ideal_denoiser_of_one_data_point_recovers_it():
    clean, sigmas = latents(0), linear_sigmas(5)
    noisy = latents(1)
    for sigma, next_sigma in pairwise(sigmas):
        noisy = euler_step(noisy, velocity_from_clean(noisy, clean, sigma), sigma, next_sigma)
    torch.testing.assert_close(noisy, clean)


def test_a_clean_cell_has_no_velocity_and_a_finite_gradient():
    noisy, sigma = latents(0).requires_grad_(), per_cell_sigma(0)
    sigma[:, 0] = 0
    velocity = velocity_from_clean(noisy, latents(1), sigma)
    assert not velocity[:, 0].any()
    assert velocity[:, 1:].all()
    velocity.sum().backward()
    assert noisy.grad is not None and noisy.grad.isfinite().all()


@pytest.mark.parametrize(
    ("shift", "mu"), [(1.0, None), (3.0, None), (1.0, flux_mu(6144)), (1.0, flux_mu(256))]
)
def test_steps_equal_those_of_diffusers(shift: float, mu: float | None):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift, use_dynamic_shifting=mu is not None)
    sigmas = linear_sigmas(20)
    scheduler.set_timesteps(sigmas=sigmas[:-1].tolist(), mu=mu)
    shifted = shift_sigmas(sigmas, shift if mu is None else float(torch.tensor(mu).exp()))
    ours = theirs = latents(0, torch.float32)
    for step, timestep in enumerate(scheduler.timesteps):
        theirs = scheduler.step(torch.tanh(theirs), timestep, theirs, return_dict=False)[0]
        ours = euler_step(ours, torch.tanh(ours), shifted[step], shifted[step + 1])
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_half_precision_latents_are_stepped_in_single_precision():
    clean, noise = latents(0, torch.bfloat16), latents(1, torch.bfloat16)
    stepped = euler_step(clean, noise, 0.5, 0.499)
    assert stepped.dtype == torch.bfloat16
    assert torch.equal(stepped, (clean.float() + (0.499 - 0.5) * noise.float()).bfloat16())
    assert expand_sigma(0.5, clean).dtype == torch.float32


@pytest.mark.parametrize("shape", [(), (2,), (2, 6)])
def test_sigma_is_one_number_per_everything_sequence_or_cell(shape: tuple[int, ...]):
    levels = expand_sigma(torch.full(shape, 0.25), latents(0))
    assert levels.shape == (2, 6, 1, 1, 1)
    assert (levels == 0.25).all()


@pytest.mark.parametrize("shape", [(3,), (6,), (2, 1), (1, 6), (2, 6, 1)])
def test_a_sigma_that_does_not_fit_is_refused_with_what_does(shape: tuple[int, ...]):
    with pytest.raises(ShapeError, match=r"2 sequences of 6 cells.*2x6 \(one per cell\)"):
        expand_sigma(torch.full(shape, 0.25), latents(0))


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.3), (0.2, 0.7), (0.5, 0.55), (0.6, 1.0)])
def test_noising_further_gives_the_mean_and_variance_of_the_higher_level(low: float, high: float):
    draw = torch.Generator().manual_seed(3)
    noise, other = (torch.randn(1, 1, 4, 250, 250, generator=draw) for _ in range(2))
    clean = torch.full_like(noise, 2.0)
    there = noise_further(add_noise(clean, noise, low), other, low, high)
    assert there.mean().item() == pytest.approx(2 * (1 - high), abs=0.01)
    assert there.std().item() == pytest.approx(high, rel=0.01)
    # The noise that was there remains a share of it, as large as its clean part says.
    share = (1 - high) / (1 - low)
    assert (there * noise).mean().item() == pytest.approx(share * low, abs=0.01)


def test_noising_further_leaves_cells_that_are_there_already():
    noisy, noise = torch.randn(1, 4, 3, 4, 4), torch.randn(1, 4, 3, 4, 4)
    low, high = torch.tensor([[0.0, 0.4, 1.0, 0.4]]), torch.tensor([[0.0, 0.4, 1.0, 0.8]])
    there = noise_further(noisy, noise, low, high)
    assert torch.equal(there[:, :3], noisy[:, :3])
    assert not torch.equal(there[:, 3], noisy[:, 3])
