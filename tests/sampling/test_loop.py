import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from filmgrid.errors import ShapeError
from filmgrid.grid.reference import from_image, from_keyframes, from_mask, from_sequence
from filmgrid.grid.spec import Layout
from filmgrid.process.noise import seeded_noise
from filmgrid.sampling.loop import sample
from filmgrid.sampling.schedule import plan_sigmas

LAYOUT = Layout(2, 2)
SHAPE = (2, 4, 3, 8, 8)


def last(states):
    *_, state = states
    return state


def noise_of(shape=SHAPE):
    return seeded_noise(range(shape[0]), shape[1:])


def toward(clean):
    """The velocity of a model that knows the clean cells."""

    def velocity(noisy, sigma):
        level = sigma[:, :, None, None, None]
        return torch.where(level > 0, (noisy - clean) / level.clamp(min=1e-9), 0)

    return velocity


@pytest.mark.parametrize("num_steps", [1, 2, 7, 25])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_constant_velocity_lands_on_clean(num_steps, shift):
    clean, noise = torch.rand(SHAPE), noise_of()
    end = last(sample(lambda noisy, sigma: noise - clean, noise, plan_sigmas(num_steps, shift)))
    assert torch.allclose(end.noisy, clean, atol=1e-6)
    assert end.step == end.num_steps == num_steps
    assert end.sigma == 0


def test_a_constant_velocity_lands_exactly_where_arithmetic_is_exact():
    clean = torch.randint(-4, 4, SHAPE).float()
    noise = clean + torch.randint(-4, 4, SHAPE).float()
    end = last(sample(lambda noisy, sigma: noise - clean, noise, plan_sigmas(4)))
    assert torch.equal(end.noisy, clean)


def test_steps_equal_those_of_diffusers():
    shift = 3.0
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=torch.linspace(1, 0.1, 10).tolist())
    field = torch.randn(SHAPE)

    def velocity(noisy, sigma):
        return torch.sin(noisy * 2 + sigma[:, :, None, None, None]) + field

    theirs = noise_of()
    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        level = torch.full(SHAPE[:2], float(sigma))
        theirs = scheduler.step(velocity(theirs, level), timestep, theirs).prev_sample
    ours = last(sample(velocity, noise_of(), plan_sigmas(10, shift)))
    assert torch.allclose(ours.noisy, theirs, atol=1e-6)


@pytest.mark.parametrize("per_cell_sigma", [False, True])
def test_kept_cells_come_out_unchanged_whatever_the_model_says(per_cell_sigma):
    reference = from_keyframes({0: torch.rand(2, 3, 8, 8), 3: torch.rand(2, 3, 8, 8)}, LAYOUT)
    wild = lambda noisy, sigma: torch.full_like(noisy, 7.0)  # noqa: E731
    end = last(sample(wild, noise_of(), plan_sigmas(5), reference, per_cell_sigma))
    assert torch.equal(end.noisy[:, [0, 3]], reference.cells[:, [0, 3]])
    assert not torch.equal(end.noisy[:, 1], reference.cells[:, 1])


@pytest.mark.parametrize("per_cell_sigma", [False, True])
def test_kept_pixels_come_out_unchanged(per_cell_sigma):
    redraw = torch.zeros(2, 4, 8, 8, dtype=torch.bool)
    redraw[:, 2, 3:5] = True
    reference = from_mask(torch.rand(SHAPE), LAYOUT, redraw)
    wild = lambda noisy, sigma: torch.full_like(noisy, 7.0)  # noqa: E731
    end = last(sample(wild, noise_of(), plan_sigmas(5), reference, per_cell_sigma))
    changed = (end.noisy != reference.cells).all(dim=2)
    assert torch.equal(changed, redraw)


@pytest.mark.parametrize("per_cell_sigma", [False, True])
def test_a_start_at_zero_returns_the_reference(per_cell_sigma):
    reference = from_sequence(torch.rand(SHAPE), LAYOUT, 0.0)

    def never(noisy, sigma):
        raise AssertionError("there is no step to make")

    states = list(sample(never, noise_of(), plan_sigmas(9, 3.0, 0.0), reference, per_cell_sigma))
    assert len(states) == 1
    assert torch.equal(states[0].noisy, reference.cells)


def test_kept_cells_stand_at_the_level_of_the_step_that_follows():
    """Not the level before (GriDiT's release) and not clean (GRID's Eq. 11)."""
    reference, noise = from_image(torch.rand(2, 3, 8, 8), LAYOUT), noise_of()
    for seen, sigma in watched(reference, noise, per_cell_sigma=False):
        assert torch.equal(sigma, sigma[:1, :1].expand_as(sigma))
        level = float(sigma[0, 0])
        expected = (1 - level) * reference.cells[:, 0] + level * noise[:, 0]
        assert torch.allclose(seen[:, 0], expected, atol=1e-6)


def test_with_learned_conditioning_kept_cells_are_clean_with_sigma_zero():
    reference, noise = from_image(torch.rand(2, 3, 8, 8), LAYOUT), noise_of()
    for seen, sigma in watched(reference, noise, per_cell_sigma=True):
        assert (sigma[:, 0] == 0).all()
        assert (sigma[:, 1:] > 0).all()
        assert torch.equal(seen[:, 0], reference.cells[:, 0])


def watched(reference, noise, per_cell_sigma):
    calls = []

    def velocity(noisy, sigma):
        calls.append((noisy.clone(), sigma.clone()))
        return torch.zeros_like(noisy)

    last(sample(velocity, noise, plan_sigmas(6, 3.0), reference, per_cell_sigma))
    assert len(calls) == 6
    return calls


def test_a_start_below_one_begins_at_that_level_exactly():
    source, noise = torch.rand(SHAPE), noise_of()
    reference = from_sequence(source, LAYOUT, 0.7)
    first = next(sample(toward(source), noise, plan_sigmas(20, 1.0, 0.7), reference))
    assert first.sigma == pytest.approx(0.7)
    assert torch.allclose(first.noisy, 0.3 * source + 0.7 * noise, atol=1e-6)


def test_an_ideal_model_recovers_its_clean_cells_from_any_start():
    clean = torch.rand(SHAPE)
    reference = from_sequence(torch.rand(SHAPE), LAYOUT, 0.6)
    end = last(sample(toward(clean), noise_of(), plan_sigmas(10, 2.0, 0.6), reference))
    assert torch.allclose(end.noisy, clean, atol=1e-5)


def test_previews_are_the_clean_estimate_with_kept_cells_in_place():
    clean = torch.rand(SHAPE)
    reference = from_image(torch.rand(2, 3, 8, 8), LAYOUT)
    states = list(sample(toward(clean), noise_of(), plan_sigmas(4), reference))
    assert torch.allclose(states[1].clean[:, 1:], clean[:, 1:], atol=1e-5)
    assert torch.equal(states[1].clean[:, 0], reference.cells[:, 0])


def test_noise_belongs_to_the_seed_and_not_to_the_batch():
    four, one = seeded_noise([3, 4, 5, 6], (4, 3, 8, 8)), seeded_noise([5], (4, 3, 8, 8))
    assert torch.equal(four[2], one[0])


def test_cancelling_is_not_asking_for_the_next_step():
    calls = []
    states = sample(
        lambda noisy, sigma: calls.append(1) or torch.zeros_like(noisy), noise_of(), plan_sigmas(9)
    )
    next(states)
    next(states)
    states.close()
    assert len(calls) == 1


def test_a_reference_of_another_shape_is_refused():
    reference = from_image(torch.rand(1, 3, 8, 8), LAYOUT)
    with pytest.raises(ShapeError, match="does not fit noise"):
        last(sample(toward(0), noise_of(), plan_sigmas(2), reference))
