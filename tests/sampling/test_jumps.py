from itertools import pairwise

import pytest
import torch

from filmgrid.errors import ConfigError
from filmgrid.grid.reference import from_image, from_mask
from filmgrid.grid.spec import Layout
from filmgrid.process.flow import add_noise
from filmgrid.process.noise import branch_seed, seeded_noise
from filmgrid.sampling.jumps import Jumps, check_jumps, count_steps, places
from filmgrid.sampling.loop import Resampling, sample
from filmgrid.sampling.schedule import plan_sigmas

LAYOUT = Layout(2, 2)
SHAPE = (2, 4, 3, 8, 8)
NOISE = seeded_noise(range(SHAPE[0]), SHAPE[1:])


def resampling(rounds, length):
    def noise(number):
        return seeded_noise([branch_seed(seed, 1, number) for seed in range(SHAPE[0])], SHAPE[1:])

    return Resampling(Jumps(rounds, length), noise)


def wild(noisy, sigma):
    return torch.sin(noisy * 2 + sigma[:, :, None, None, None])


def test_the_order_of_jumps_is_that_of_repaint():
    assert places(6, Jumps(2, 2)) == [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 4, 5, 6]
    assert places(5, Jumps(3, 2)) == [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5]
    assert places(4, Jumps(1, 2)) == places(4, None) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_steps", [0, 1, 2, 5, 12, 25])
@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 11])
def test_steps_are_counted_and_never_lead_back_to_the_start(num_steps, rounds, length):
    jumps = Jumps(rounds, length)
    visited = places(num_steps, jumps)
    moves = [after - before for before, after in pairwise(visited)]
    assert set(moves) <= {1, -length}
    assert moves.count(1) == count_steps(num_steps, jumps)
    assert visited.count(0) == 1 and visited[-1] == num_steps


def test_jumps_over_the_whole_walk_are_refused():
    check_jumps(6, Jumps(2, 5))
    check_jumps(0, Jumps(2, 5))  # nothing is walked at all
    with pytest.raises(ConfigError, match="Use at most 4"):
        check_jumps(5, Jumps(2, 5))
    with pytest.raises(ConfigError, match="Use more steps"):
        check_jumps(1, Jumps(2, 5))


@pytest.mark.parametrize("solver", ["euler", "dpm-solver++"])
def test_one_round_is_no_resampling_bit_for_bit(solver):
    reference = from_image(torch.rand(2, 3, 8, 8), LAYOUT)
    off = list(sample(wild, NOISE, plan_sigmas(6), reference, solver=solver))
    one = sample(wild, NOISE, plan_sigmas(6), reference, False, solver, resampling(1, 2))
    for here, there in zip(off, one, strict=True):
        assert torch.equal(here.noisy, there.noisy) and torch.equal(here.clean, there.clean)


@pytest.mark.parametrize("per_cell_sigma", [False, True])
@pytest.mark.parametrize("solver", ["euler", "dpm-solver++"])
def test_kept_cells_stay_and_stand_at_the_level_of_every_state(per_cell_sigma, solver):
    reference = from_image(torch.rand(2, 3, 8, 8), LAYOUT, cell=1)
    again = resampling(3, 2)
    states = list(sample(wild, NOISE, plan_sigmas(6), reference, per_cell_sigma, solver, again))
    assert [state.step for state in states] == list(range(len(states)))
    assert {state.num_steps for state in states} == {count_steps(6, again.jumps)} == {14}
    assert max(state.sigma for state in states[1:]) < 1
    rises = [after.sigma > before.sigma for before, after in pairwise(states[1:])]
    for state in states:
        kept = add_noise(reference.cells, NOISE, state.levels)
        assert torch.equal(state.noisy[:, 1], kept[:, 1])
        assert torch.equal(
            state.levels[:, 1] == 0, torch.full((2,), per_cell_sigma or not state.sigma)
        )
    assert any(rises)
    assert torch.equal(states[-1].noisy[:, 1], reference.cells[:, 1])
    plain = list(sample(wild, NOISE, plan_sigmas(6), reference, per_cell_sigma, solver))
    assert not torch.equal(states[-1].noisy[:, 0], plain[-1].noisy[:, 0])


def test_kept_pixels_within_a_cell_stay():
    frames = torch.rand(SHAPE)
    redraw = torch.zeros(2, 4, 8, 8, dtype=torch.bool)
    redraw[..., :4] = True
    reference = from_mask(frames, LAYOUT, redraw)
    *_, end = sample(wild, NOISE, plan_sigmas(5), reference, resampling=resampling(2, 2))
    assert torch.equal(end.noisy[..., 4:], frames[..., 4:])
    assert not torch.equal(end.noisy[..., :4], frames[..., :4])


def test_a_model_that_knows_the_clean_cells_still_lands_on_them():
    clean = torch.rand(SHAPE)

    def toward(noisy, sigma):
        return (noisy - clean) / sigma[:, :, None, None, None].clamp(min=1e-9)

    *_, end = sample(toward, NOISE, plan_sigmas(7), resampling=resampling(3, 3))
    assert torch.allclose(end.noisy, clean, atol=1e-5)
