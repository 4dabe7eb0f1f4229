from itertools import pairwise

import pytest
import torch

from filmgrid.models.tiles import fading, tile_starts


@pytest.mark.parametrize("length", [10, 16, 17, 28, 29, 100])
@pytest.mark.parametrize("overlap", [0, 4, 15])
def test_tiles_cover_a_length_and_overlap_as_much_as_asked(length, overlap):
    starts = tile_starts(length, 16, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - 16)
    assert all(0 < two - one <= 16 - overlap for one, two in pairwise(starts))


@pytest.mark.parametrize("factor", [1, 3])
def test_weights_leave_no_pixel_of_a_length_out_and_fade_inside_alone(factor):
    total = torch.zeros(50 * factor)
    for start in tile_starts(50, 16, 8):
        weight = fading(start, start + 16, 50, hidden=2, blend=4, factor=factor)
        total[start * factor : (start + 16) * factor] += weight
        assert weight.max() == 1
        assert (weight[: 2 * factor] == 0).all() == (start > 0)
    assert total.min() >= 0.2
    assert total[0] == total[-1] == 1
