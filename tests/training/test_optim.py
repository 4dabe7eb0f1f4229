import pytest
import torch
from torch import nn

from filmgrid.models.mini import GridTransformer
from filmgrid.training.optim import (
    Muon,
    learning_rate_factor,
    orthogonalise,
    split_parameters,
)


def matrices(count=3):
    generator = torch.Generator().manual_seed(0)
    shapes = [(16, 48), (48, 16), (32, 32)][:count]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def test_steps_equal_those_of_torch_up_to_its_bfloat16():
    ours, theirs = matrices(), matrices()
    mine = Muon(ours, lr=0.02, momentum=0.95, weight_decay=0.1)
    torchs = torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.1)
    for step in range(4):
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            generator = torch.Generator().manual_seed(10 * step + index)
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        torchs.step()
    for a, b, start in zip(ours, theirs, matrices(), strict=True):
        moved = (b - start).norm()
        assert (a - b).norm() < 0.02 * moved


def test_matrices_of_one_shape_move_as_if_alone():
    generator = torch.Generator().manual_seed(0)
    stack = torch.randn(5, 12, 20, generator=generator)
    alone = torch.stack([orthogonalise(matrix[None])[0] for matrix in stack])
    assert torch.allclose(orthogonalise(stack), alone, atol=1e-5)


def test_singular_values_come_near_one():
    values = torch.linalg.svdvals(orthogonalise(torch.randn(1, 40, 24)))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_a_parameter_without_gradient_stays():
    parameter = nn.Parameter(torch.randn(4, 4))
    before = parameter.detach().clone()
    Muon([parameter], lr=0.1, momentum=0.9).step()
    assert torch.equal(parameter, before)


def test_muon_gets_the_matrices_of_the_blocks_and_nothing_is_lost():
    module = GridTransformer(dim=64, depth=2, head_dim=32, text_depth=1)
    inside, rest = split_parameters(module)
    assert len(inside) == 2 * 4
    assert all(parameter.ndim == 2 for parameter in inside)
    assert len(inside) + len(rest) == len(list(module.parameters()))


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 0.1), (9, 1.0), (50, 1.0), (70, 1.0), (85, 0.5), (99, 1 / 30)]
)
def test_learning_rates_warm_up_stay_and_fall(step, factor):
    assert learning_rate_factor(step, 100, 10, 0.3) == pytest.approx(factor)
