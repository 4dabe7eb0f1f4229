from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.consistency import neighbour_cosine, neighbour_identity
from filmgrid.types import FrameArray


def scene(seed: int, side: int = 64) -> FrameArray:
    """A still picture of coloured patches, larger than it is shown."""
    random = np.random.default_rng(seed)
    patches = random.integers(0, 256, (1, 9, 9, 3), dtype=np.uint8)
    return patches.repeat(8, axis=1).repeat(8, axis=2)[:, : side + 8, : side + 8]


def panned(seed: int, num_frames: int = 9) -> FrameArray:
    picture = scene(seed)
    return np.concatenate([picture[:, 4:68, i : i + 64] for i in range(num_frames)])


def read_frames(path: Path, count: int) -> FrameArray:
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    return np.stack([frame.to_ndarray(format="rgb24")[::2, ::2] for frame in frames])


def test_equal_frames_are_identical_and_so_is_one_alone():
    still = np.repeat(scene(0), 5, axis=0)
    assert neighbour_identity(still) == pytest.approx(1)
    assert neighbour_identity(still[:1]) == 1
    assert neighbour_identity(np.full((3, 1, 2, 3), 7, dtype=np.uint8)) == pytest.approx(1)


def test_unrelated_pictures_have_about_nothing_in_common():
    cuts = np.concatenate([scene(seed) for seed in range(40)])
    assert neighbour_identity(cuts) == pytest.approx(0, abs=0.1)


def test_a_pixel_of_motion_costs_little_and_another_scene_almost_all():
    one, other = panned(0), panned(1)
    alternating = one.copy()
    alternating[1::2] = other[1::2]
    assert neighbour_identity(one) > 0.95
    assert neighbour_identity(alternating) < 0.3


def test_more_motion_is_less_alike_step_by_step():
    clip = panned(0)
    scores = [neighbour_identity(clip[::step]) for step in (1, 2, 4, 8)]
    assert np.all(np.diff(scores) < 0)


def test_neighbours_have_no_direction_in_time():
    assert neighbour_identity(panned(0)) == pytest.approx(neighbour_identity(panned(0)[::-1]))


def test_inverting_a_picture_makes_its_colours_opposite():
    picture = np.repeat(scene(0), 2, axis=0)
    picture[1] = 255 - picture[1]
    assert neighbour_identity(picture) < 0.3


def test_a_long_sequence_in_parts_is_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch):
    clip = panned(0)
    expected = neighbour_identity(clip)
    monkeypatch.setattr("filmgrid.metrics.consistency.PIXELS_AT_ONCE", 2 * 64 * 64)
    assert neighbour_identity(clip) == pytest.approx(expected)


def test_real_neighbours_are_alike_and_frames_of_two_clips_are_not(real_data: Path):
    names = ("imageio_realshort.mp4", "mmaction2_tests_data_test.avi")
    one, other = (read_frames(real_data / "videos" / name, 8) for name in names)
    assert min(neighbour_identity(one), neighbour_identity(other)) > 0.95
    alternating = one.copy()
    alternating[1::2] = other[1::2]
    assert neighbour_identity(alternating) < 0.3


def test_the_cosine_between_neighbours_is_that_of_their_angles():
    angles = np.radians([0, 60, 150, 150])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1], [2], [3], [4]]
    assert neighbour_cosine(vectors) == pytest.approx((0.5 + 0 + 1) / 3)
    assert neighbour_cosine(vectors[:1]) == 1


def test_embeddings_without_direction_are_refused():
    vectors = np.ones((3, 4), np.float32)
    with pytest.raises(ShapeError, match="not one vector per row"):
        neighbour_cosine(np.ones(4, np.float32)[None, None])
    vectors[1] = 0
    with pytest.raises(ConfigError, match="embedding of frame 1 is zero"):
        neighbour_cosine(vectors)
    vectors[2, 0] = np.nan
    with pytest.raises(ConfigError, match="the first is number 2"):
        neighbour_cosine(vectors)
