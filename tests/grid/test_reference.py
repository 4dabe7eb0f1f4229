import pytest
import torch

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.reference import (
    Reference,
    from_beginning,
    from_image,
    from_keyframes,
    from_mask,
    from_redraw,
    from_sequence,
)
from filmgrid.grid.spec import Layout

LAYOUT = Layout(2, 3)


def frames_of(count: int) -> torch.Tensor:
    return torch.arange(float(count))[None, :, None, None, None].expand(2, count, 3, 4, 4)


def kept(reference: Reference) -> list[int]:
    return reference.keep[0].nonzero().flatten().tolist()


def values(reference: Reference) -> list[float]:
    return reference.cells[0, :, 0, 0, 0].tolist()


def test_an_image_fills_every_cell_and_stays_in_its_own():
    image = torch.rand(2, 3, 4, 4)
    reference = from_image(image, LAYOUT, cell=2, start_sigma=0.9)
    assert torch.equal(reference.cells, image[:, None].expand(-1, 6, -1, -1, -1))
    assert kept(reference) == [2]
    assert reference.start_sigma == 0.9


def test_cells_between_keyframes_are_blends_and_outside_repeats():
    images = {1: torch.zeros(1, 3, 2, 2), 4: torch.full((1, 3, 2, 2), 3.0)}
    reference = from_keyframes(images, LAYOUT)
    assert values(reference) == [0, 0, 1, 2, 3, 3]
    assert kept(reference) == [1, 4]


def test_keyframes_are_themselves_bit_for_bit():
    images = {cell: torch.rand(1, 3, 2, 2) for cell in (0, 3, 5)}
    reference = from_keyframes(images, LAYOUT)
    for cell, image in images.items():
        assert torch.equal(reference.cells[:, cell], image)


def test_an_extension_keeps_the_beginning_and_repeats_its_end():
    reference = from_beginning(frames_of(4), LAYOUT)
    assert values(reference) == [0, 1, 2, 3, 3, 3]
    assert kept(reference) == [0, 1, 2, 3]


def test_an_edit_keeps_only_what_is_locked():
    assert kept(from_sequence(frames_of(6), LAYOUT, 0.8)) == []
    assert kept(from_sequence(frames_of(6), LAYOUT, 0.8, locked=[0, 5])) == [0, 5]


def test_a_redraw_keeps_all_but_the_named_cells():
    assert kept(from_redraw(frames_of(6), LAYOUT, [1, 2])) == [0, 3, 4, 5]


def test_a_mask_keeps_pixels_that_are_not_redrawn():
    redraw = torch.zeros(2, 6, 4, 4, dtype=torch.bool)
    redraw[:, 1, :2] = True
    reference = from_mask(frames_of(6), LAYOUT, redraw)
    assert reference.mask.shape == (2, 6, 1, 4, 4)
    assert reference.whole_cells[0].tolist() == [True, False, True, True, True, True]


def test_a_larger_grid_takes_the_same_references():
    wide = Layout(4, 8)
    assert from_image(torch.rand(1, 3, 2, 2), wide).cells.shape[1] == 32
    assert kept(from_beginning(frames_of(16), wide)) == list(range(16))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_keyframes({}, LAYOUT), "No keyframe was given"),
        (lambda: from_keyframes({6: torch.zeros(1, 3, 2, 2)}, LAYOUT), "no cell 6 in a 2x3"),
        (lambda: from_redraw(frames_of(6), LAYOUT, []), "No cell to redraw"),
        (lambda: from_redraw(frames_of(6), LAYOUT, [9]), "no cell 9"),
        (lambda: from_sequence(frames_of(6), LAYOUT, 1.2), "1.2 is outside 0 to 1"),
    ],
)
def test_cells_and_levels_that_do_not_exist_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_sequence(frames_of(5), LAYOUT, 0.8), "5 frames do not fill a 2x3"),
        (lambda: from_beginning(frames_of(7), LAYOUT), "7 known frames"),
        (
            lambda: from_keyframes(
                {0: torch.zeros(1, 3, 2, 2), 1: torch.zeros(1, 3, 4, 4)}, LAYOUT
            ),
            "different sizes",
        ),
        (
            lambda: Reference(frames_of(6), torch.zeros(2, 5, dtype=torch.bool)),
            "mask of shape",
        ),
    ],
)
def test_frames_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ShapeError, match=message):
        make()
