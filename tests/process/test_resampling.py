import pytest
import torch

from filmgrid.process.resampling import coarse_part, resampled


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("size", [(8, 8), (5, 12)])
def test_enlarged_frames_are_their_own_coarse_part(factor, size):
    small = torch.rand(2, 3, *size, generator=torch.manual_seed(0)) * 2 - 1
    large = resampled(small, factor * size[0], factor * size[1])
    assert (coarse_part(large, factor) - large).abs().max() < 1e-5


def test_the_coarse_part_is_the_nearest_of_all_enlarged_frames():
    generator = torch.manual_seed(0)
    frames = torch.randn(1, 3, 32, 32, generator=generator)
    near = coarse_part(frames, 4)
    for _ in range(5):
        other = near + resampled(0.1 * torch.randn(1, 3, 8, 8, generator=generator), 32, 32)
        assert (other - frames).square().sum() > (near - frames).square().sum()


def test_of_noise_one_part_in_the_square_of_the_factor_is_left():
    noise = torch.randn(4, 3, 128, 128, generator=torch.manual_seed(0))
    assert coarse_part(noise, 4).var().item() == pytest.approx(1 / 16, rel=0.05)
    assert coarse_part(noise, 2).var().item() == pytest.approx(1 / 4, rel=0.05)
