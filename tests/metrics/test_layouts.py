import numpy as np
import pytest

from filmgrid.data.mosaics import pack_image
from filmgrid.data.world.shoot import shoot_turntables
from filmgrid.data.world.turntables import draw_turntable
from filmgrid.errors import ShapeError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.metrics.blur import blurred
from filmgrid.metrics.layouts import find_layout


def cloud(seed, height, width):
    """A smooth picture without any period."""
    noise = np.random.default_rng(seed).normal(size=(1, height, width, 3)).astype(np.float32)
    smooth = blurred(noise, min(height, width) / 12)[0]
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("cols", range(1, 9))
def test_equal_cells_are_counted_whatever_their_number_and_shape(rows, cols):
    assert find_layout(np.tile(cloud(0, 40, 56), (rows, cols, 1))) == Layout(rows, cols)


@pytest.mark.parametrize("text", ["2x4", "4x4", "4x6"])
def test_turntables_show_their_layout(text):
    layout, right = Layout.parse(text), 0
    for seed in range(20):
        scene = draw_turntable(np.random.default_rng([seed, 5]), layout.num_cells)
        frames = shoot_turntables([scene], layout.num_cells, CellSize(64, 64))[0].numpy()
        right += find_layout(pack_image(frames, layout)) == layout
    assert right >= 16


def test_one_picture_is_one_cell():
    assert find_layout(np.full((64, 96, 3), 200, np.uint8)) == Layout(1, 1)
    found = [find_layout(cloud(seed, 128, 128)) for seed in range(20)]
    assert found.count(Layout(1, 1)) >= 13


def test_what_is_too_small_is_refused():
    with pytest.raises(ShapeError, match=r"15x64 px is too small.*at least 16x16"):
        find_layout(np.zeros((15, 64, 3), np.uint8))
