import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from hypothesis import given
from hypothesis import strategies as st

from filmgrid.errors import ConfigError
from filmgrid.process.resolution import flux2_mu, flux_mu, layout_shift
from filmgrid.process.schedules import (
    linear_sigmas,
    respace,
    shift_sigmas,
    sigma_of_strength,
    truncate,
)

num_steps = st.integers(1, 60)
unit = st.floats(0, 1)


@pytest.mark.parametrize("steps", [1, 2, 20, 50])
@pytest.mark.parametrize("shift", [1.0, 1.7, 3.0])
def test_static_shift_equals_diffusers(steps: int, shift: float):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    sigmas = linear_sigmas(steps)
    scheduler.set_timesteps(sigmas=sigmas[:-1].tolist())
    ours = shift_sigmas(sigmas, shift).float()
    torch.testing.assert_close(ours, scheduler.sigmas, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, 20, 50])
@pytest.mark.parametrize("num_tokens", [256, 1024, 4096, 6144, 16384])
def test_dynamic_shift_equals_diffusers(steps: int, num_tokens: int):
    assert flux_mu(num_tokens) == pytest.approx(calculate_shift(num_tokens), abs=1e-12)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    sigmas = linear_sigmas(steps)
    scheduler.set_timesteps(sigmas=sigmas[:-1].tolist(), mu=calculate_shift(num_tokens))
    ours = shift_sigmas(sigmas, math.exp(flux_mu(num_tokens))).float()
    torch.testing.assert_close(ours, scheduler.sigmas, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, 50, 200])
@pytest.mark.parametrize("num_tokens", [64, 4096, 4300, 4301, 16384])
def test_shift_of_flux2_equals_diffusers(steps: int, num_tokens: int):
    theirs = compute_empirical_mu(num_tokens, steps)
    assert flux2_mu(num_tokens, steps) == pytest.approx(theirs, abs=1e-12)


@given(steps=num_steps, shift=st.floats(0.05, 20))
def test_every_schedule_falls_from_one_to_zero(steps: int, shift: float):
    sigmas = shift_sigmas(linear_sigmas(steps), shift)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == 1
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


@given(steps=num_steps, start=unit)
def test_truncation_starts_where_asked_and_keeps_the_rest(steps: int, start: float):
    sigmas = linear_sigmas(steps)
    left = truncate(sigmas, start)
    assert left[0] == start
    assert (left.diff() < 0).all()
    assert left[-1] == 0
    assert set(left[1:].tolist()) <= set(sigmas.tolist())
    assert all(sigma in left.tolist() for sigma in sigmas.tolist() if sigma < start)


def test_truncation_at_the_ends_changes_nothing_and_leaves_nothing():
    sigmas = shift_sigmas(linear_sigmas(20), 3.0)
    assert torch.equal(truncate(sigmas, 1.0), sigmas)
    assert torch.equal(truncate(sigmas, float(sigmas[5])), sigmas[5:])
    assert truncate(sigmas, 0.0).tolist() == [0]


@given(steps=num_steps, start=st.floats(1e-3, 1), shift=st.floats(0.3, 5))
def test_respacing_spends_all_steps_below_the_start(steps: int, start: float, shift: float):
    spaced = respace(shift_sigmas(linear_sigmas(steps), shift), start)
    assert len(spaced) == steps + 1
    assert spaced[0] == start
    assert spaced[-1] == 0
    assert (spaced.diff() < 0).all()


def test_respacing_an_even_schedule_is_even_and_the_whole_is_unchanged():
    torch.testing.assert_close(respace(linear_sigmas(4), 0.5), 0.5 * linear_sigmas(4))
    sigmas = shift_sigmas(linear_sigmas(20), 3.0)
    torch.testing.assert_close(respace(sigmas, 1.0), sigmas)


@pytest.mark.parametrize(
    ("height", "width", "true_sigmas"),
    [
        (1536, 1024, (0.947, 0.976, 0.988)),
        (1024, 1024, (0.927, 0.966, 0.984)),
        (2048, 2048, (0.990, 0.996, 0.998)),
    ],
)
def test_strength_is_not_a_noise_level(
    height: int, width: int, true_sigmas: tuple[float, float, float]
):
    mu = flux_mu((height // 16) * (width // 16))
    sigmas = shift_sigmas(linear_sigmas(20), math.exp(mu))
    for strength, true_sigma in zip((0.8, 0.9, 0.95), true_sigmas, strict=True):
        assert sigma_of_strength(sigmas, strength) == pytest.approx(true_sigma, abs=6e-4)


@given(steps=num_steps)
def test_full_strength_is_pure_noise_and_none_is_nothing(steps: int):
    assert sigma_of_strength(linear_sigmas(steps), 1.0) == 1
    assert sigma_of_strength(linear_sigmas(steps), 0.0) == 0


@given(steps=num_steps, strength=unit)
def test_strength_starts_at_a_level_of_the_schedule(steps: int, strength: float):
    sigmas = linear_sigmas(steps)
    start = sigma_of_strength(sigmas, strength)
    assert torch.equal(truncate(sigmas, start), sigmas[sigmas <= start])


@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(steps: int):
    with pytest.raises(ConfigError, match="Use at least 1"):
        linear_sigmas(steps)


@pytest.mark.parametrize("value", [-0.1, 1.01, math.nan, math.inf])
def test_levels_outside_zero_to_one_are_refused(value: float):
    sigmas = linear_sigmas(4)
    for refuse in (truncate, respace, sigma_of_strength):
        with pytest.raises(ConfigError, match="outside 0 to 1"):
            refuse(sigmas, value)


@pytest.mark.parametrize("shift", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_shift_is_refused(shift: float):
    with pytest.raises(ConfigError, match="not above 0"):
        shift_sigmas(linear_sigmas(4), shift)


def test_respacing_from_above_the_schedule_is_refused():
    with pytest.raises(ConfigError, match=r"starts at 0\.5000"):
        respace(linear_sigmas(4)[2:], 0.9)


def test_more_cells_shift_the_schedule_towards_noise():
    assert layout_shift(16, 16) == 1
    assert layout_shift(1, 16) == 0.25
    assert layout_shift(64, 16) == 2
