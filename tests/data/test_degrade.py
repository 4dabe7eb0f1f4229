import numpy as np
import pytest

from filmgrid.data.degrade import KINDS, degraded, hide_blocks
from filmgrid.data.degrade_config import DegradeConfig
from filmgrid.errors import ConfigError

NONE = {"blur": 0, "hidden": 0, "coarse": 1, "grain": 0}


def frames_of(count=3, height=24, width=32):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def many(frames, seeds=40, **amounts):
    config = DegradeConfig(**amounts)
    return [degraded(frames, config, np.random.default_rng(seed)) for seed in range(seeds)]


def test_no_amounts_change_nothing():
    frames = frames_of()
    assert all((worse == frames).all() for worse in many(frames, **NONE))


@pytest.mark.parametrize("kind", KINDS)
def test_each_way_alone_changes_frames_by_as_much_as_is_allowed(kind):
    frames, most = frames_of(), getattr(DegradeConfig(), kind)
    made = many(frames, **{**NONE, kind: most})
    changed = [np.abs(worse.astype(int) - frames).mean() for worse in made]
    assert 0 in changed  # where another way was drawn
    assert max(changed) > 5
    less = many(frames, **{**NONE, kind: 1 + (most - 1) / 3 if kind == "coarse" else most / 3})
    assert max(np.abs(worse.astype(int) - frames).mean() for worse in less) < max(changed)
    assert all(worse.shape == frames.shape and worse.dtype == np.uint8 for worse in made)


def test_blocks_hide_their_share_of_each_frame_in_other_places():
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    hidden = hide_blocks(frames, 0.25, 8, 128, np.random.default_rng(0)) == 128
    assert (hidden.mean((1, 2, 3)) == 0.25).all()
    assert (hidden[0] != hidden[1]).any()
    assert not frames.any()


def test_levels_in_the_wrong_order_are_refused():
    with pytest.raises(ConfigError, match=r"least_sigma 0\.8 is above most_sigma 0\.5"):
        DegradeConfig(least_sigma=0.8, most_sigma=0.5)
