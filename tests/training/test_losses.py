import pytest
import torch

from filmgrid.grid.spec import Layout
from filmgrid.training.losses import (
    base_loss,
    photometric_loss,
    ramp_weight,
    residual_of,
    temporal_loss,
)

NOTHING = torch.zeros(2, 6, dtype=torch.bool)
LAYOUT = Layout(2, 3)


def velocities():
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(2, 6, 3, 4, 5, generator=generator) for _ in range(2))


def residual(velocity, target, keep=NOTHING):
    return residual_of(velocity, target, torch.ones(2, 6), keep)


def test_temporal_loss_equals_a_loop_over_rows_and_their_wraps():
    velocity, target = velocities()
    total, count = 0.0, 0
    for row in range(2):
        for col in range(3):
            cell = row * 3 + col
            if col > 0:
                before = cell - 1  # the cell to the left
            elif row > 0:
                before = (row - 1) * 3 + 2  # the last cell of the row above
            else:
                continue
            ours = velocity[:, cell] - velocity[:, before]
            true = target[:, cell] - target[:, before]
            total, count = total + ((ours - true) ** 2).mean(), count + 1
    assert count == 5
    loss = temporal_loss(residual(velocity, target), NOTHING, LAYOUT)
    assert torch.allclose(loss, total / count)


def test_temporal_loss_is_the_difference_of_the_residual():
    velocity, target = velocities()
    error = velocity - target
    loss = temporal_loss(residual(velocity, target), NOTHING, LAYOUT)
    assert torch.allclose(loss, (error[:, 1:] - error[:, :-1]).square().mean())


def test_the_release_leaves_out_the_steps_between_rows():
    velocity, target = velocities()
    error = velocity - target
    inside = [error[:, i] - error[:, i - 1] for i in (1, 2, 4, 5)]
    loss = temporal_loss(residual(velocity, target), NOTHING, LAYOUT, row_wrap=False)
    assert torch.allclose(loss, torch.stack(inside).square().mean())


def test_a_constant_offset_costs_nothing_in_time():
    _, target = velocities()
    error = residual(target + 0.7, target)
    assert temporal_loss(error, NOTHING, LAYOUT) < 1e-12
    assert base_loss(error, NOTHING) == pytest.approx(0.49, abs=1e-5)


def test_independent_errors_cost_twice_the_base_loss():
    error = torch.randn(4, 64, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    keep = torch.zeros(4, 64, dtype=torch.bool)
    ratio = temporal_loss(error, keep, Layout(8, 8)) / base_loss(error, keep)
    assert ratio == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("row_wrap", [True, False])
def test_a_single_cell_has_no_time(row_wrap):
    keep = torch.zeros(2, 1, dtype=torch.bool)
    assert temporal_loss(torch.randn(2, 1, 3, 4, 4), keep, Layout(1, 1), row_wrap) == 0


def test_a_column_has_no_steps_inside_rows():
    keep = torch.zeros(2, 4, dtype=torch.bool)
    assert temporal_loss(torch.randn(2, 4, 3, 4, 4), keep, Layout(4, 1), row_wrap=False) == 0


def test_kept_cells_cost_nothing():
    velocity, target = velocities()
    keep = NOTHING.clone()
    keep[:, [0, 3]] = True
    error = residual(velocity, target, keep)
    assert (error[keep] == 0).all()
    free = (velocity - target)[:, [1, 2, 4, 5]]
    assert torch.allclose(base_loss(error, keep), free.square().mean())


def test_steps_between_two_kept_cells_do_not_count():
    velocity, target = velocities()
    keep = NOTHING.clone()
    keep[:, :3] = True
    changes = residual(velocity, target, keep).diff(dim=1)[:, 2:]
    loss = temporal_loss(residual(velocity, target, keep), keep, LAYOUT)
    assert torch.allclose(loss, changes.square().mean())


def test_errors_below_the_floor_weigh_by_the_square_of_sigma():
    velocity, target = velocities()
    sigma = torch.full((2, 6), 0.1)
    error = residual_of(velocity, target, sigma, NOTHING, sigma_floor=0.4)
    assert torch.allclose(error, (velocity - target) / 4)
    above = residual_of(velocity, target, torch.full((2, 6), 0.5), NOTHING, sigma_floor=0.4)
    assert torch.equal(above, velocity - target)


def test_gradients_reach_only_cells_that_are_predicted():
    velocity, target = velocities()
    velocity.requires_grad_()
    keep = NOTHING.clone()
    keep[:, 2] = True
    error = residual(velocity, target, keep)
    (base_loss(error, keep) + temporal_loss(error, keep, LAYOUT)).backward()
    assert (velocity.grad[:, 2] == 0).all()
    assert (velocity.grad[:, 1] != 0).any()


def test_the_weight_rises_linearly_and_then_stays():
    weights = [ramp_weight(step, 100, 0.5, 0.4) for step in (0, 10, 20, 40, 100)]
    assert weights == pytest.approx([0, 0.125, 0.25, 0.5, 0.5])


def test_the_photometric_loss_takes_the_better_source_of_each_pixel():
    clean = torch.zeros(1, 3, 3, 2, 2)
    carried = torch.ones(1, 3, 2, 3, 2, 2)
    carried[0, 1, 0, :, 0] = 0  # the upper row is right in one source, the lower in none
    there = torch.tensor([[[False, False], [True, True], [True, False]]])
    keep = torch.tensor([[True, False, False]])
    assert photometric_loss(carried, there, clean, keep) == pytest.approx((0.5 + 1) / 2)
    assert photometric_loss(carried, there & False, clean, keep) == 0
    lone = there & torch.tensor([False, True])  # a source that is not there has no say
    assert photometric_loss(carried, lone, clean, keep) == 1
