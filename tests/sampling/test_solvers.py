"""Solvers: equal to the schedulers of diffusers, of the order they promise, kept cells held."""

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from filmgrid.grid.reference import from_keyframes
from filmgrid.grid.spec import Layout
from filmgrid.process.flow import add_noise
from filmgrid.process.gaussian import VariancePreserving
from filmgrid.process.noise import seeded_noise
from filmgrid.sampling.loop import sample
from filmgrid.sampling.schedule import plan_sigmas
from filmgrid.sampling.solvers import timestep_sigmas

SHAPE, LAYOUT = (2, 4, 3, 8, 8), Layout(2, 2)
PROCESS = VariancePreserving.linear()
SOLVERS = ("euler", "ddim", "dpm-solver++")


def last(states):
    *_, state = states
    return state


def noise_of(shape=SHAPE):
    return seeded_noise(range(shape[0]), shape[1:])


def predicted_noise(x, timestep):
    """Some network that predicts noise, in the coordinates that it was trained in."""
    return torch.sin(2 * x + timestep / 1000) * 0.7 + 0.2


def velocity_of_noise(noisy, sigma):
    """The same network as the sampler sees it."""
    timestep = PROCESS.timestep_of(sigma)[:, :, None, None, None]
    noise = predicted_noise(PROCESS.to_vp(noisy, sigma), timestep)
    return PROCESS.velocity_from_noise_prediction(noisy, noise, sigma)


@pytest.mark.parametrize("num_steps", [4, 10, 20])
@pytest.mark.parametrize(
    ("solver", "kind"), [("ddim", DDIMScheduler), ("dpm-solver++", DPMSolverMultistepScheduler)]
)
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_steps_equal_those_of_diffusers_on_a_model_of_noise(solver, kind, num_steps, spacing):
    more = {"clip_sample": False} if solver == "ddim" else {}
    scheduler = kind(timestep_spacing=spacing, **more)
    scheduler.set_timesteps(num_steps)
    x = noise_of()
    sigmas = timestep_sigmas(solver, {"timestep_spacing": spacing}, num_steps)
    assert torch.equal(PROCESS.timestep_of(sigmas[:-1]), scheduler.timesteps)
    # Theirs begins at pure noise, ours with the share of it that its first level has.
    noise = PROCESS.from_vp(x, float(sigmas[0])) / float(sigmas[0])
    ours = last(sample(velocity_of_noise, noise, sigmas, solver=solver)).noisy
    for timestep in scheduler.timesteps:
        x = scheduler.step(predicted_noise(x, timestep), timestep, x).prev_sample
    assert float((ours - x).abs().max()) < 1e-4 * float(x.abs().max())


@pytest.mark.parametrize("num_steps", [3, 10, 20])
def test_steps_equal_those_of_diffusers_on_a_flow(num_steps):
    scheduler = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    )
    scheduler.set_timesteps(num_steps)
    theirs = noise_of()
    noise = noise_of() / scheduler.sigmas[0]  # theirs begins at pure noise, ours at its level
    ours = last(sample(_flow, noise, scheduler.sigmas, solver="dpm-solver++")).noisy
    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        level = torch.full(SHAPE[:2], float(sigma))
        theirs = scheduler.step(_flow(theirs, level), timestep, theirs).prev_sample
    assert torch.allclose(ours, theirs, atol=1e-5)


def _flow(noisy, sigma):
    return torch.sin(noisy * 2 + sigma[:, :, None, None, None])


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("dpm-solver++", 2)])
def test_the_error_falls_with_the_order(solver, order):
    """Clean cells are normal with deviation 0.5, so the exact way is known."""

    def spread(level):
        return 0.25 * (1 - level) ** 2 + level**2

    def velocity(noisy, sigma):
        level = sigma[:, :, None, None, None].double()
        return (level - 0.25 * (1 - level)) / spread(level) * noisy

    noise, errors = noise_of().double(), []
    for num_steps in (10, 20):
        sigmas = torch.linspace(0.8, 0.2, num_steps + 1, dtype=torch.float64)
        ours = last(sample(velocity, noise, sigmas, solver=solver)).noisy
        exact = 0.8 * noise * (spread(sigmas[-1]) / spread(sigmas[0])) ** 0.5
        errors.append(float((ours - exact).abs().mean()))
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("per_cell_sigma", [False, True])
def test_kept_cells_are_at_each_next_level_with_the_same_noise(solver, per_cell_sigma):
    reference = from_keyframes({0: torch.rand(2, 3, 8, 8), 3: torch.rand(2, 3, 8, 8)}, LAYOUT, 0.8)
    noise, kept = noise_of(), [0, 3]
    wild = lambda noisy, sigma: torch.full_like(noisy, 7.0)  # noqa: E731
    sigmas = plan_sigmas(6, start_sigma=0.8)
    for state in sample(wild, noise, sigmas, reference, per_cell_sigma, solver):
        level = 0.0 if per_cell_sigma else state.sigma
        due = add_noise(reference.cells, noise, level)
        assert torch.equal(state.noisy[:, kept], due[:, kept])
        assert torch.isfinite(state.noisy).all()
    assert torch.equal(state.noisy[:, kept], reference.cells[:, kept])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_velocity_lands_on_clean_from_any_start(solver):
    clean, noise = torch.rand(SHAPE), noise_of()
    for start in (1.0, 0.6):
        begun = add_noise(clean, noise, start)
        velocity = lambda noisy, sigma: noise - clean  # noqa: E731
        reference = from_keyframes({0: clean[:, 0]}, LAYOUT, start)
        reference = type(reference)(clean, reference.keep, start)
        sigmas = plan_sigmas(5, start_sigma=start)
        states = list(sample(velocity, noise, sigmas, reference, solver=solver))
        assert torch.allclose(states[0].noisy, begun)
        assert torch.allclose(states[-1].noisy, clean, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_to_do_changes_nothing(solver):
    clean = torch.rand(SHAPE)
    reference = from_keyframes({0: clean[:, 0]}, LAYOUT, 0.0)
    reference = type(reference)(clean, reference.keep, 0.0)
    sigmas = plan_sigmas(5, start_sigma=0.0)
    assert torch.equal(
        last(sample(_flow, noise_of(), sigmas, reference, solver=solver)).noisy, clean
    )
