import numpy as np
import pytest
import torch
from einops import rearrange

from filmgrid.data.mosaics import cut_image, cut_strip, pack_image
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.pack import pack_grid, split_grid
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray


def frames_for(layout: Layout) -> FrameArray:
    shape = (layout.num_cells, 5, 7, 3)
    return np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("cols", range(1, 9))
def test_cutting_undoes_packing(rows: int, cols: int):
    for gap, margin in ((0, None), (2, None), (3, 0), (0, 4)):
        layout = Layout(rows, cols, gap, margin)
        frames = frames_for(layout)
        np.testing.assert_array_equal(cut_image(pack_image(frames, layout), layout), frames)


def test_pictures_are_laid_out_as_tensors_are():
    layout = Layout(3, 4, gap=2, margin=1)
    frames = frames_for(layout)
    grid = pack_image(frames, layout)
    tensors = rearrange(torch.from_numpy(frames), "n h w c -> 1 n c h w")
    expected = rearrange(pack_grid(tensors, layout), "1 c h w -> h w c")
    np.testing.assert_array_equal(grid, expected.numpy())
    cut = split_grid(rearrange(torch.from_numpy(grid), "h w c -> 1 c h w"), layout)
    np.testing.assert_array_equal(rearrange(cut.numpy(), "1 n c h w -> n h w c"), frames)


def test_cells_without_a_frame_are_black_and_too_many_frames_are_refused():
    layout = Layout(2, 3)
    frames = frames_for(layout)
    cut = cut_image(pack_image(frames[:4], layout), layout)
    np.testing.assert_array_equal(cut[:4], frames[:4])
    assert not cut[4:].any()
    with pytest.raises(ShapeError, match=r"7 frames do not fit a 2x3 grid of 6 cells.* 7 cells"):
        pack_image(np.repeat(frames[:1], 7, axis=0), layout)


def test_a_grid_too_large_to_be_read_again_is_refused_before_it_is_made():
    frames = np.broadcast_to(np.uint8(0), (4, 6000, 6000, 3))
    with pytest.raises(ShapeError, match=r"2x2 grid of 6000x6000 px .* 12000x12000 px"):
        pack_image(frames, Layout(2, 2))


def test_a_picture_of_another_layout_or_gap_is_refused_with_the_nearest_that_fits():
    grid = pack_image(frames_for(Layout(2, 3)), Layout(2, 3))
    with pytest.raises(ShapeError, match="Cannot cut a 10x21 grid into 3 rows x 3 columns"):
        cut_image(grid, Layout(3, 3))
    with pytest.raises(ShapeError, match=r"with gaps of 2 px.*nearest"):
        cut_image(grid, Layout(2, 3, gap=2))


def test_a_strip_is_cut_from_left_to_right():
    frames = frames_for(Layout(1, 6))
    strip = np.concatenate(list(frames), axis=1)
    np.testing.assert_array_equal(cut_strip(strip, 7), frames)


def test_a_strip_that_does_not_divide_is_refused_with_the_nearest_width():
    strip = np.zeros((5, 42, 3), np.uint8)
    with pytest.raises(ShapeError, match=r"42 px wide .* frames of 8 px.* is 7 px"):
        cut_strip(strip, 8)
    with pytest.raises(ShapeError, match="is 42 px"):
        cut_strip(strip, 50)
    with pytest.raises(ConfigError, match="0 px wide"):
        cut_strip(strip, 0)
