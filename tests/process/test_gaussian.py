from typing import Literal

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st

from filmgrid.errors import ConfigError
from filmgrid.process.flow import add_noise, euler_step, velocity_of
from filmgrid.process.gaussian import VariancePreserving

SHAPE = (2, 3, 4, 4, 4)
DIT = VariancePreserving.linear()


def latents(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def toy_network(x: torch.Tensor, timestep: int) -> torch.Tensor:
    """A smooth function of its inputs; any will do, since both sides sample the same one."""
    return 0.9 * torch.sin(x + timestep / 400) + 0.1 * x


def ideal_noise(x: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
    """Best noise prediction for data drawn from N(0.3, 0.5**2)."""
    variance = 0.25 * signal + 1 - signal
    return (1 - signal).sqrt() * (x - signal.sqrt() * 0.3) / variance


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("end_clean", [True, False])
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_euler_on_the_flow_equals_ddim_with_eta_zero(
    spacing: str,
    end_clean: bool,
    prediction: Literal["epsilon", "sample", "v_prediction"],
    dtype: torch.dtype,
):
    scheduler = DDIMScheduler(
        clip_sample=False,
        set_alpha_to_one=end_clean,
        prediction_type=prediction,
        timestep_spacing=spacing,
    )
    scheduler.set_timesteps(25)
    # linspace spacing of diffusers steps to t - 40 whatever its next timestep is; keep the
    # two sides on the same timesteps.
    timesteps = scheduler.timesteps if spacing != "linspace" else torch.arange(999, -1, -40)
    process = VariancePreserving(scheduler.alphas_cumprod)
    velocity_from = {
        "epsilon": process.velocity_from_noise_prediction,
        "sample": process.velocity_from_clean_prediction,
        "v_prediction": process.velocity_from_v_prediction,
    }[prediction]

    def network(x: torch.Tensor, timestep: int) -> torch.Tensor:
        if prediction == "epsilon":
            return ideal_noise(x, scheduler.alphas_cumprod[timestep].to(x.dtype))
        return toy_network(x, timestep)

    theirs = latents(0, dtype)
    levels = process.sigma_of(timesteps)
    end = 0.0 if end_clean else process.sigma_min
    ours = process.from_vp(theirs, levels[0])
    for step, timestep in enumerate(timesteps.tolist()):
        sigma = levels[step]
        prediction_here = network(process.to_vp(ours, sigma), timestep)
        velocity = velocity_from(ours, prediction_here, sigma)
        next_sigma = levels[step + 1] if step + 1 < len(levels) else torch.tensor(end)
        ours = euler_step(ours, velocity, sigma, next_sigma)
        theirs = scheduler.step(
            network(theirs, timestep), timestep, theirs, eta=0.0, return_dict=False
        )[0]
        at_step = process.to_vp(ours, next_sigma)
        torch.testing.assert_close(at_step, theirs, rtol=0, atol=1e-5)


def test_the_linear_schedule_of_dit_spans_the_published_range():
    assert pytest.approx(0.0099, abs=5e-5) == DIT.sigma_min
    assert pytest.approx(0.9937, abs=5e-5) == DIT.sigma_max
    theirs = DDIMScheduler().alphas_cumprod
    # diffusers multiplies the thousand alphas in float32.
    torch.testing.assert_close(DIT.sigmas, VariancePreserving(theirs).sigmas, rtol=0, atol=2e-6)


@given(seed=st.integers(0, 2**31), sigma=st.floats(0, 1))
def test_coordinates_round_trip(seed: int, sigma: float):
    noisy = latents(seed)
    torch.testing.assert_close(DIT.from_vp(DIT.to_vp(noisy, sigma), sigma), noisy)


@given(seed=st.integers(0, 2**31), timestep=st.integers(0, 999))
def test_the_straight_path_is_the_scaled_diffusion_path(seed: int, timestep: int):
    clean, noise, sigma = latents(seed), latents(seed + 1), DIT.sigma_of(timestep)
    signal = (1 - torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)).cumprod(0)[timestep]
    diffused = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    torch.testing.assert_close(DIT.to_vp(add_noise(clean, noise, sigma), sigma), diffused)


@given(seed=st.integers(0, 2**31), timestep=st.integers(0, 999))
def test_all_three_predictions_mean_the_same_velocity(seed: int, timestep: int):
    clean, noise, sigma = latents(seed), latents(seed + 1), DIT.sigma_of(timestep)
    noisy, velocity = add_noise(clean, noise, sigma), velocity_of(clean, noise)
    alpha, s = 1 - sigma, sigma
    v = (alpha * noise - s * clean) / torch.hypot(alpha, s)
    for found in (
        DIT.velocity_from_noise_prediction(noisy, noise, sigma),
        DIT.velocity_from_clean_prediction(noisy, clean, sigma),
        DIT.velocity_from_v_prediction(noisy, v, sigma),
    ):
        torch.testing.assert_close(found, velocity)


def test_v_and_clean_predictions_are_finite_at_both_ends():
    clean, noise = latents(0), latents(1)
    for sigma in (0.0, 1.0):
        noisy = add_noise(clean, noise, sigma)
        v = noise if sigma == 0 else -clean
        torch.testing.assert_close(
            DIT.velocity_from_v_prediction(noisy, v, sigma), velocity_of(clean, noise)
        )
        assert DIT.velocity_from_clean_prediction(noisy, clean, sigma).isfinite().all()


@pytest.mark.parametrize("sigma", [0.995, 1.0])
def test_noise_predictions_above_the_trained_range_are_refused(sigma: float):
    with pytest.raises(ConfigError, match=r"of use up to sigma 0\.9937.*Start there"):
        DIT.velocity_from_noise_prediction(latents(0), latents(1), sigma)


def test_a_process_that_ends_in_pure_noise_stays_finite_below_it():
    zero_snr = DDIMScheduler(rescale_betas_zero_snr=True, timestep_spacing="trailing")
    process = VariancePreserving(zero_snr.alphas_cumprod)
    assert process.sigma_max == 1
    below = process.sigma_of(998)
    noisy = latents(0)
    assert process.velocity_from_noise_prediction(noisy, latents(1), below).isfinite().all()
    with pytest.raises(ConfigError, match=r"not 1\.0000"):
        process.velocity_from_noise_prediction(noisy, latents(1), 1.0)


@given(timestep=st.integers(0, 999))
def test_every_timestep_comes_back_from_its_sigma(timestep: int):
    sigma = DIT.sigma_of(timestep)
    assert DIT.timestep_of(sigma) == timestep
    assert float(DIT.fractional_timestep_of(sigma)) == pytest.approx(timestep, abs=1e-9)


@given(sigma=st.floats(0, 1))
def test_the_nearest_timestep_is_nearest(sigma: float):
    found = int(DIT.timestep_of(sigma))
    distances = (DIT.sigmas - sigma).abs()
    assert distances[found] == distances.min()
    assert abs(float(DIT.fractional_timestep_of(sigma)) - found) <= 0.5 + 1e-9


def test_timesteps_of_cells_keep_their_shape_and_ends():
    sigma = torch.tensor([[0.0, 0.5, 1.0], [DIT.sigma_min, 0.9, DIT.sigma_max]])
    timesteps = DIT.timestep_of(sigma)
    assert timesteps.shape == sigma.shape
    assert timesteps[:, 0].tolist() == [0, 0]
    assert timesteps[:, 2].tolist() == [999, 999]


@pytest.mark.parametrize("timestep", [-1, 1000])
def test_a_timestep_outside_the_process_is_refused(timestep: int):
    with pytest.raises(ConfigError, match="Use 0 to 999"):
        DIT.sigma_of(timestep)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.9], [1.2, 0.5], [0.5, 0.5], [1.0, 0.5]])
def test_values_that_are_no_noise_schedule_are_refused(values: list[float]):
    with pytest.raises(ConfigError, match="each smaller than the one before"):
        VariancePreserving(torch.tensor(values))
