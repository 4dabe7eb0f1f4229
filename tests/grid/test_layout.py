import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.pack import pack_grid, split_grid
from filmgrid.grid.spec import CellSize, Layout, check_stride

layouts = st.builds(
    Layout,
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
)


@settings(max_examples=150, deadline=None)
@given(layouts, st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**31))
def test_splitting_undoes_packing_for_any_layout(layout, height, width, channels, seed):
    frames = torch.randn(
        2, layout.num_cells, channels, height, width, generator=torch.Generator().manual_seed(seed)
    )
    grid = pack_grid(frames, layout)
    assert grid.shape[-2:] == layout.grid_size(CellSize(height, width))
    assert torch.equal(split_grid(grid, layout), frames)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("cols", range(1, 9))
def test_packing_undoes_splitting_where_there_are_no_gaps(rows, cols):
    layout = Layout(rows, cols)
    grid = torch.arange(3 * rows * 4 * cols * 5).reshape(1, 3, rows * 4, cols * 5)
    assert torch.equal(pack_grid(split_grid(grid, layout), layout), grid)


def test_cells_are_read_left_to_right_then_down():
    frames = torch.arange(6.0)[None, :, None, None, None]
    assert pack_grid(frames, Layout(2, 3))[0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_gaps_are_filled_and_cells_stand_where_their_boxes_say():
    layout, cell = Layout(2, 2, gap=2, margin=1), CellSize(3, 4)
    grid = pack_grid(torch.ones(1, 4, 1, 3, 4), layout, fill=-1)[0, 0]
    for top, left, height, width in layout.boxes(cell):
        assert (grid[top : top + height, left : left + width] == 1).all()
    assert (grid == 1).sum() == 4 * 12
    assert (grid == -1).sum() == grid.numel() - 4 * 12


def test_boxes_of_the_sky_mosaic_are_where_its_readme_says():
    layout = Layout(6, 8, gap=2)
    assert layout.cell_size(782, 1042) == (128, 128)
    assert layout.box(0, CellSize(128, 128))[:2] == (2, 2)
    assert layout.box(9, CellSize(128, 128))[:2] == (132, 132)


def test_a_layout_reads_what_it_writes():
    assert str(Layout.parse("4x6")) == "4x6"
    assert Layout.parse("4 × 6") == Layout(4, 6)
    assert CellSize.parse(64) == CellSize.parse("64x64") == (64, 64)
    assert CellSize.parse("48x64") == (48, 64)


@pytest.mark.parametrize("text", ["", "4", "4x", "x4", "four", "4x4x4", "-1x4"])
def test_what_is_no_layout_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="for example 4x6"):
        Layout.parse(text)


@pytest.mark.parametrize("text", ["", "0", "64x", "x64", "a", "0x64"])
def test_what_is_no_cell_size_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match="such as 64"):
        CellSize.parse(text)


@pytest.mark.parametrize(("rows", "cols"), [(0, 4), (4, 0), (-1, 1), (100, 100)])
def test_impossible_grids_are_refused(rows, cols):
    with pytest.raises(ConfigError, match=f"{rows} rows x {cols} columns"):
        Layout(rows, cols)


def test_negative_gaps_are_refused():
    with pytest.raises(ConfigError, match="negative"):
        Layout(2, 2, gap=-1)


def test_a_cell_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no cell 16 in a 4x4 grid.*0 to 15"):
        Layout(4, 4).place(16)
    assert Layout(4, 6).place(7) == (1, 1)


def test_too_few_frames_are_refused_with_both_counts():
    with pytest.raises(ShapeError, match="5 frames do not fill a 2x3 grid of 6 cells"):
        pack_grid(torch.zeros(1, 5, 3, 2, 2), Layout(2, 3))


def test_a_grid_that_does_not_divide_is_refused_with_one_that_does():
    with pytest.raises(ShapeError, match=r"7x12 grid into 2 rows x 3 columns.*8x12"):
        split_grid(torch.zeros(1, 3, 7, 12), Layout(2, 3))


def test_cells_off_the_stride_are_refused_with_the_nearest_legal_size():
    check_stride(CellSize(32, 48), 16)
    with pytest.raises(ShapeError, match=r"60x64 px.*multiples of 16; the nearest is 64x64"):
        check_stride(CellSize(60, 64), 16)
    with pytest.raises(ShapeError, match="nearest is 16x16"):
        check_stride(CellSize(3, 1), 16)
