from typing import get_args

import numpy as np
import pytest

from filmgrid.data.fit import FitMode, fit_frames
from filmgrid.errors import ShapeError
from filmgrid.grid.spec import CellSize
from filmgrid.types import FrameArray

MODES = get_args(FitMode)


def disc(height: int, width: int) -> FrameArray:
    """Two frames with a white disc of a quarter of the height on gray, in their middle."""
    rows, cols = np.mgrid[:height, :width]
    inside = np.hypot(rows + 0.5 - height / 2, cols + 0.5 - width / 2) < height / 4
    frame = np.where(inside[..., None], 255, 90).astype(np.uint8).repeat(3, axis=-1)
    return np.stack([frame, frame])


def extent(frame: FrameArray) -> tuple[int, int]:
    bright = frame[..., 0] > 180
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


@pytest.mark.parametrize("mode", [None, *MODES])
def test_frames_that_fit_stay_as_they_are(clip: FrameArray, mode: FitMode | None):
    assert fit_frames(clip, CellSize(24, 40), mode) is clip


def test_frames_of_another_size_are_refused_until_the_user_says_how(clip: FrameArray):
    with pytest.raises(ShapeError, match=r"24x40 px do not fit cells of 32x32 px.*crop\|pad\|res"):
        fit_frames(clip, CellSize(32, 32), None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cell", [CellSize(32, 32), CellSize(16, 48), CellSize(1, 1)])
def test_every_frame_gets_the_size_of_the_cell(clip: FrameArray, mode: FitMode, cell: CellSize):
    fitted = fit_frames(clip, cell, mode)
    assert fitted.shape == (len(clip), *cell, 3)
    assert fitted.dtype == np.uint8


def test_crop_and_pad_keep_a_disc_round_and_centred_and_resize_does_not():
    frames = disc(96, 192)
    cropped = fit_frames(frames, CellSize(48, 48), "crop")[0]
    padded = fit_frames(frames, CellSize(48, 48), "pad")[0]
    resized = fit_frames(frames, CellSize(48, 48), "resize")[0]
    assert extent(cropped) == (24, 24)
    assert extent(padded) == (12, 12)
    assert extent(resized) == (24, 12)
    for fitted in (cropped, padded, resized):
        np.testing.assert_array_equal(fitted, fitted[::-1])
        np.testing.assert_array_equal(fitted, fitted[:, ::-1])


def test_crop_fills_the_cell_and_pad_adds_black_bars():
    frames = disc(96, 192)
    assert fit_frames(frames, CellSize(48, 48), "crop").min() > 60
    padded = fit_frames(frames, CellSize(48, 48), "pad")[0]
    assert not padded[:12].any()
    assert not padded[-12:].any()
    assert padded[12:-12].min() > 60


def test_making_smaller_does_not_alias():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    fitted = fit_frames(stripes, CellSize(16, 16), "resize")
    assert np.abs(fitted.astype(int) - 128).max() <= 16
