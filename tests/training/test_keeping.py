import numpy as np
import pytest

from filmgrid.grid.spec import Layout
from filmgrid.training.keeping import draw_keep


def many(layout, probability, count=400):
    return [draw_keep(layout, probability, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("layout", [Layout(1, 1), Layout(1, 2), Layout(4, 1), Layout(4, 4)])
def test_there_is_always_a_cell_left_to_predict(layout):
    for keep in many(layout, 1.0):
        assert keep.shape == (layout.num_cells,)
        assert not keep.all()


def test_the_share_of_sequences_with_clean_cells_is_about_the_probability():
    share = np.mean([keep.any() for keep in many(Layout(4, 4), 0.5, 2000)])
    assert 0.42 < share < 0.52  # a random density can keep nothing
    assert not any(keep.any() for keep in many(Layout(4, 4), 0.0))


def test_every_pattern_that_tasks_ask_for_is_drawn():
    drawn = {tuple(np.flatnonzero(keep)) for keep in many(Layout(4, 4), 1.0, 3000)}
    assert (0,) in drawn  # image to sequence
    assert (0, 15) in drawn  # interpolation
    assert (0, 5, 10, 15) in drawn  # keyframes
    assert tuple(range(12)) in drawn  # extension by a row
    assert len(drawn) > 300  # any cells
