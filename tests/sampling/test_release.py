"""GriDiT's released sampler: its defects are there, and can be switched off."""

import pytest
import torch

from filmgrid.grid.windows import release_length, release_runs
from filmgrid.process.gaussian import VariancePreserving
from filmgrid.sampling.release import Defects, ancestral, respaced_timesteps

SHAPE = (1, 16, 1, 24, 24)


def towards(clean):
    """The velocity of a model that always knows the clean cells, and how often it was asked."""
    calls = []

    def velocity_of(noisy, sigma):
        calls.append(float(sigma.max()))
        return (noisy - clean) / sigma[:, :, None, None, None]

    return velocity_of, calls


def noise(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def run(clean, known=None, keep=None, num_steps=250, **defects):
    velocity_of, calls = towards(clean)
    random = torch.Generator().manual_seed(1)
    states = list(
        ancestral(velocity_of, noise(0), random, known, keep, num_steps, Defects(**defects))
    )
    return states, calls


@pytest.mark.parametrize(
    ("asked", "given"), [(32, 40), (64, 56), (128, 104), (256, 184), (512, 360), (1024, 696)]
)
def test_the_release_gives_other_lengths_than_asked(asked, given):
    assert release_length(asked) == given
    assert release_runs(1024) == 85


def test_steps_are_spread_over_the_whole_process():
    times = respaced_timesteps(250)
    assert (times[0], times[-1], len(times)) == (0, 999, 250)
    assert set(times.diff().tolist()) <= {4, 5}


def test_it_arrives_where_the_model_points():
    clean = noise(5)
    states, calls = run(clean, num_steps=50)
    assert torch.allclose(states[-1].noisy, clean, atol=1e-5)
    assert len(calls) == 100  # the guidance that does nothing
    assert calls[::2] == calls[1::2]
    assert calls[0] == pytest.approx(VariancePreserving.linear().sigma_max)
    assert [state.step for state in states] == list(range(1, 51))


def test_guidance_without_a_condition_changes_nothing():
    with_it, _ = run(noise(5), num_steps=20)
    without, calls = run(noise(5), num_steps=20, dead_guidance=False)
    assert torch.allclose(with_it[-1].noisy, without[-1].noisy, atol=1e-5)
    assert len(calls) == 20


@pytest.mark.parametrize(
    ("level_before", "last", "tenth"), [(True, 0.0264, 0.142), (False, 0.0100, 0.130)]
)
def test_what_stays_is_noised_to_the_level_before_or_to_its_own(level_before, last, tenth):
    """Figures of systems.md, section 2.4, from the release itself."""
    process = VariancePreserving.linear()
    known, keep = torch.zeros(SHAPE), torch.ones(16, dtype=torch.bool)
    states, _ = run(known, known, keep, level_before=level_before)

    def std(state):
        sigma = torch.full(SHAPE[:2], state.sigma)
        return float(process.to_vp(state.noisy, sigma).std())

    assert std(states[-2]) == pytest.approx(last, rel=0.02)
    # The tenth noise level from the clean end, and the one before it.
    assert std(states[-2 - 9]) == pytest.approx(tenth, rel=0.06)


def test_nothing_is_put_back_after_the_last_step():
    known, keep = noise(7), torch.arange(16) < 12
    states, _ = run(noise(8), known, keep)
    left = states[-1].noisy[:, keep] - known[:, keep]
    assert float(left.abs().mean()) > 0.001
