import numpy as np
import pytest
import torch

from filmgrid.data.augment import augment
from filmgrid.data.augment_config import AugmentConfig
from filmgrid.errors import ConfigError
from filmgrid.grid.pack import pack_grid
from filmgrid.grid.spec import Layout


def frames_of(count=4, side=16):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def changed(frames, seed=1, **amounts):
    return augment(frames, AugmentConfig(**amounts), np.random.default_rng(seed))


def test_no_amounts_change_nothing():
    frames = frames_of()
    assert (changed(frames) == frames).all()


@pytest.mark.parametrize(
    "amounts",
    [
        {"hue": 180},
        {"saturation": 0.5, "contrast": 0.5, "brightness": 0.3},
        {"scale": 0.4, "shift": 0.2, "rotate": 30, "shear": 0.2},
        {"flip": 1.0},
        {"invert": 1.0},
    ],
)
def test_equal_frames_stay_equal_and_the_amount_is_one_for_all(amounts):
    still = np.repeat(frames_of(1), 5, axis=0)
    made = changed(still, **amounts)
    assert (made == made[:1]).all()
    assert (made != still).any()


def test_a_frame_is_changed_as_if_it_were_alone():
    frames = frames_of()
    amounts = {"hue": 90, "contrast": 0.4, "scale": 0.3, "rotate": 20}
    together = changed(frames, **amounts)
    alone = np.concatenate([changed(frame[None], **amounts) for frame in frames])
    assert np.abs(together.astype(int) - alone).max() <= 1


def test_a_flip_mirrors_each_frame_and_not_the_grid():
    frames = frames_of()
    assert (changed(frames, flip=1.0) == frames[:, :, ::-1]).all()


def test_the_flip_of_the_release_mirrors_the_picture_that_the_grid_is():
    frames = frames_of(6)
    made = augment(frames, AugmentConfig(flip_grid=1.0), np.random.default_rng(0), cols=3)
    grids = [
        pack_grid(torch.from_numpy(each).permute(0, 3, 1, 2)[None], Layout(2, 3))
        for each in (frames, made)
    ]
    assert torch.equal(grids[1], grids[0].flip(-1))


def test_a_reversal_turns_time_around():
    frames = frames_of()
    assert (changed(frames, reverse=1.0) == frames[::-1]).all()


def test_grey_has_no_hue_and_inversion_is_its_own_inverse():
    grey = np.repeat(frames_of()[..., :1], 3, axis=-1)
    assert np.abs(changed(grey, hue=180).astype(int) - grey).max() <= 1
    frames = frames_of()
    assert (changed(changed(frames, invert=1.0), invert=1.0) == frames).all()


def test_a_shift_moves_the_picture_by_whole_pixels_where_the_amount_says_so():
    frames = np.zeros((2, 20, 20, 3), np.uint8)
    frames[:, 8:12, 8:12] = 255
    made = changed(frames, shift=0.3, seed=3)
    assert made.sum() == pytest.approx(frames.sum(), rel=0.05)
    assert (made != frames).any()


def test_amounts_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="flip"):
        AugmentConfig(flip=2)
    with pytest.raises(ConfigError, match="colour is not a known key"):
        AugmentConfig(colour=1)
