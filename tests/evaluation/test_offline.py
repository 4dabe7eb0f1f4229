"""What each offline extractor sees, and what it is said to be blind to."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.evaluation import offline_colour, offline_motion
from filmgrid.evaluation.offline import OfflineName, offline_features
from filmgrid.evaluation.offline_colour import oklab
from filmgrid.evaluation.offline_motion import flow
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.types import FrameArray

NAMES: tuple[OfflineName, ...] = get_args(OfflineName)
TURNING = slice(offline_motion.DIM - 7, None)
"""The numbers of offline-motion that change their sign with time."""

Change = Callable[[FrameArray, float], FrameArray]


def features(name: OfflineName, clips) -> np.ndarray:
    return np.stack(list(offline_features(name).extract(clips)))


def blurred(clip: FrameArray, sigma: float) -> FrameArray:
    reach = np.arange(-9, 10)
    kernel = np.exp(-((reach / max(sigma, 1e-3)) ** 2) / 2)
    kernel /= kernel.sum()
    result = clip.astype(np.float64)
    for axis in (1, 2):
        pad = [(9, 9) if i == axis else (0, 0) for i in range(4)]
        wide = np.pad(result, pad, mode="edge")
        result = np.apply_along_axis(np.convolve, axis, wide, kernel, mode="valid")
    return result.round().astype(np.uint8)


def noisy(clip: FrameArray, level: float) -> FrameArray:
    noise = np.random.default_rng(9).normal(0, 1, clip.shape) * level
    return np.clip(clip + noise, 0, 255).round().astype(np.uint8)


def stalled(clip: FrameArray, count: float) -> FrameArray:
    """So many frames are dropped and the one before shown again."""
    index = np.arange(len(clip))
    for gone in (5, 11, 3, 13, 8, 6, 14, 2)[: int(count)]:
        index[gone] = index[gone - 1]
    return clip[index]


def shuffled(clip: FrameArray, count: float) -> FrameArray:
    """So many frames change places."""
    rng, index = np.random.default_rng(3), np.arange(len(clip))
    places = rng.permutation(len(clip))[: int(count)]
    index[np.sort(places)] = places[::-1]
    return clip[index]


def fading(clip: FrameArray, levels: float) -> FrameArray:
    shift = np.linspace(0, levels, len(clip))[:, None, None, None]
    return np.clip(clip + shift, 0, 255).round().astype(np.uint8)


SEEN: list[tuple[OfflineName, Change, tuple[float, ...]]] = [
    ("offline-gradients", blurred, (0.7, 1.2, 2.5)),
    ("offline-gradients", noisy, (1, 3, 25)),
    ("offline-colour", noisy, (8, 25, 60)),
    ("offline-colour", fading, (10, 30, 80)),
    ("offline-motion", noisy, (3, 8, 25)),
    ("offline-motion", stalled, (1, 4, 8)),
    ("offline-motion", shuffled, (2, 6, 16)),
    ("offline-random", blurred, (0.7, 1.2, 2.5)),
    ("offline-random", noisy, (3, 8, 25)),
    ("offline-random", shuffled, (2, 6, 16)),
]


@pytest.mark.parametrize(("name", "change", "amounts"), SEEN)
def test_a_growing_fault_moves_the_mean_of_a_set_further(clips, name, change, amounts):
    whole = features(name, clips)
    spread = whole.std(axis=0, ddof=1).mean() * (whole.shape[1] / len(clips)) ** 0.5
    moved = [
        np.linalg.norm(
            features(name, [change(clip, amount) for clip in clips]).mean(0) - whole.mean(0)
        )
        for amount in amounts
    ]
    assert moved == sorted(moved)
    assert moved[0] < 0.6 * moved[-1]
    assert moved[-1] > 1.5 * spread  # more than a set of this size wanders by itself


def test_gradients_are_blind_to_the_order_of_frames(clips):
    assert np.allclose(
        features("offline-gradients", clips),
        features("offline-gradients", [shuffled(clip, 16)[::-1] for clip in clips]),
        atol=1e-6,
    )


def test_colours_see_the_order_of_frames_through_their_trend_alone(clips):
    forward = features("offline-colour", clips)
    backward = features("offline-colour", [clip[::-1] for clip in clips])
    assert np.allclose(forward[:, 18:27], -backward[:, 18:27], atol=1e-5)
    rest = np.delete(np.arange(offline_colour.DIM), range(18, 27))
    assert np.allclose(forward[:, rest], backward[:, rest], atol=1e-5)


def test_motion_turns_its_last_seven_numbers_with_time(clips):
    forward = features("offline-motion", clips)
    backward = features("offline-motion", [clip[::-1] for clip in clips])
    assert np.allclose(forward[:, TURNING], -backward[:, TURNING], atol=1e-4)
    assert np.abs(forward[:, TURNING]).max() > 0.1


def test_reversal_moves_a_set_of_one_direction_and_not_a_set_of_both(clips):
    forward = features("offline-motion", clips)
    backward = features("offline-motion", [clip[::-1] for clip in clips])
    assert np.linalg.norm(forward.mean(0) - backward.mean(0)) > 0.5
    both = [*clips, *(clip[::-1] for clip in clips)]
    again = features("offline-motion", [clip[::-1] for clip in both])
    assert np.allclose(features("offline-motion", both).mean(0), again.mean(0), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_frozen_clips_have_finite_features(name: OfflineName, level: int):
    flat = np.full((16, 64, 64, 3), level, np.uint8)
    vector = features(name, [flat])[0]
    assert np.isfinite(vector).all() and np.abs(vector).max() <= 1.5


@pytest.mark.parametrize("name", NAMES)
def test_features_do_not_depend_on_the_company_of_a_clip(clips, noise_clip, name: OfflineName):
    together = list(offline_features(name).extract([clips[0], noise_clip, clips[1], clips[2]]))
    alone = [features(name, [clip])[0] for clip in (clips[0], noise_clip, clips[1], clips[2])]
    assert np.allclose(together, alone, atol=1e-5)
    assert together[0].dtype == np.float32
    assert together[0].shape == (offline_features(name).statement.dim,)


def test_large_frames_are_measured_in_pieces_with_the_same_result(monkeypatch, clips):
    for name, module in (
        ("offline-colour", "filmgrid.evaluation.offline_colour"),
        ("offline-gradients", "filmgrid.evaluation.offline_gradients"),
    ):
        whole = features(name, clips[:2])
        monkeypatch.setattr(f"{module}.PIXELS_AT_ONCE", 3 * 64 * 64)
        assert np.allclose(whole, features(name, clips[:2]), atol=1e-6)


def test_motion_brings_large_frames_down_by_whole_squares(clips):
    large = [clip.repeat(4, axis=1).repeat(4, axis=2) for clip in clips[:3]]
    assert np.allclose(
        features("offline-motion", large), features("offline-motion", clips[:3]), atol=1e-4
    )


def test_flow_finds_a_texture_that_moves_by_a_known_step():
    rows, cols = np.mgrid[:64, :64]
    frames = np.stack(
        [
            0.5 + 0.25 * np.sin((cols - 0.5 * t) / 4) + 0.25 * np.sin((rows + 0.25 * t) / 5)
            for t in range(4)
        ]
    ).astype(np.float32)
    right, down = flow(frames)
    assert np.median(right) == pytest.approx(0.5, abs=0.03)
    assert np.median(down) == pytest.approx(-0.25, abs=0.03)
    back, up = flow(frames[::-1])
    assert np.allclose(back, -right[::-1], atol=1e-5) and np.allclose(up, -down[::-1], atol=1e-5)


def test_oklab_of_known_colours():
    colours = np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    expected = [
        [1, 0, 0],
        [0.62796, 0.22486, 0.12585],
        [0.86644, -0.23389, 0.17950],
        [0.45201, -0.03246, -0.31153],
    ]
    assert np.allclose(oklab(colours[None, None])[0, 0], expected, atol=2e-4)


def test_the_statement_tells_the_weights_of_the_random_network():
    stated = offline_features("offline-random").statement
    assert stated.weights.source == "seed" and stated.weights.sha256
    assert stated.fingerprint == offline_features("offline-random").statement.fingerprint
    prints = {offline_features(name).statement.fingerprint for name in NAMES}
    prints |= {offline_features(name, FrameChoice(count=8)).statement.fingerprint for name in NAMES}
    assert len(prints) == 8


def test_a_filter_of_change_does_not_answer_to_a_still(clips):
    from filmgrid.evaluation.offline_random import RandomNetwork

    filters = RandomNetwork(0).get_buffer("filters0")
    assert filters.mean(dim=(2, 3, 4)).abs().max() < 1e-6
    assert filters[:12].mean(dim=2).abs().max() < 1e-6
    assert filters[12:].std(dim=2).max() < 1e-6


def test_clips_that_cannot_be_measured_are_refused(clips):
    with pytest.raises(ShapeError, match="clip 0 has 3 frames, and 4 are needed"):
        features("offline-motion", [clips[0][:3]])
    with pytest.raises(ShapeError, match="30x64 px, and 32x32 px are needed"):
        features("offline-motion", [clips[0][:, :30]])
    with pytest.raises(ShapeError, match="15x64 px, and 16x16 px are needed"):
        features("offline-gradients", [clips[0][:, :15]])
    with pytest.raises(ConfigError, match="There are no offline features 'i3d'"):
        offline_features("i3d")
