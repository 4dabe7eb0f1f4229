import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from filmgrid.data.animations import encode_webp, save_gif, save_webp
from filmgrid.data.media import read_clip
from filmgrid.data.provenance import Provenance
from filmgrid.errors import MediaError
from filmgrid.types import FrameArray

TOLD = Provenance(request={"prompt": "a ball"})


def durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        found = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            found.append(frame.info["duration"])
        return found


def test_webp_keeps_every_bit(tmp_path: Path, noise: FrameArray):
    save_webp(noise, tmp_path / "a.webp", 8, TOLD)
    np.testing.assert_array_equal(read_clip(tmp_path / "a.webp").frames, noise)


def test_webp_with_loss_is_smaller_and_keeps_every_frame(noise: FrameArray):
    exact, near = encode_webp(noise, 8), encode_webp(noise, 8, quality=50)
    assert len(near) < len(exact)
    with Image.open(io.BytesIO(near)) as image:
        assert (image.n_frames, image.info["loop"]) == (len(noise), 0)


def test_webp_of_one_frame_is_a_still_picture(noise: FrameArray):
    with Image.open(io.BytesIO(encode_webp(noise[:1], 8))) as image:
        assert not image.is_animated
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), noise[0])


@pytest.mark.parametrize("num_colours", [2, 16, 255, 256])
def test_a_gif_keeps_up_to_256_colours_exactly(tmp_path: Path, noise: FrameArray, num_colours: int):
    colours = np.random.default_rng(1).integers(0, 256, (num_colours, 3), dtype=np.uint8)
    frames = colours[noise[..., 0].astype(int) % num_colours]
    save_gif(frames, tmp_path / "a.gif", 8, TOLD)
    np.testing.assert_array_equal(read_clip(tmp_path / "a.gif").frames, frames)


def test_a_gray_sequence_is_exact_as_a_gif(tmp_path: Path, noise: FrameArray):
    frames = noise[..., :1].repeat(3, axis=-1)
    save_gif(frames, tmp_path / "a.gif", 8, TOLD)
    np.testing.assert_array_equal(read_clip(tmp_path / "a.gif").frames, frames)


def test_more_colours_are_dithered_to_the_same_mean_and_do_not_flicker(
    tmp_path: Path, clip: FrameArray
):
    frames = clip.repeat(4, axis=1).repeat(4, axis=2).astype(int)
    frames += np.random.default_rng(0).integers(-9, 10, frames.shape[1:])
    frames = np.clip(frames, 0, 255).astype(np.uint8)
    frames[:, :32] = frames[:1, :32]
    save_gif(frames, tmp_path / "a.gif", 8, TOLD)
    read = read_clip(tmp_path / "a.gif").frames
    assert np.abs(read.mean((1, 2)) - frames.mean((1, 2))).max() < 2
    assert np.abs(read.astype(int) - frames).mean() < 12
    np.testing.assert_array_equal(read[1:, :31], read[:-1, :31])


@pytest.mark.parametrize(
    ("save", "name", "tick"), [(save_gif, "a.gif", 10), (save_webp, "a.webp", 1)]
)
@pytest.mark.parametrize("fps", [3, 8, 23.976, 30, 50])
def test_animations_play_at_their_rate_to_the_last_frame(
    tmp_path: Path, clip: FrameArray, save, name: str, tick: int, fps: float
):
    save(clip, tmp_path / name, fps, TOLD)
    shown = durations(tmp_path / name)
    assert len(shown) == len(clip)
    ends = np.cumsum(shown)
    assert np.abs(ends - 1000 * np.arange(1, 13) / fps).max() <= tick / 2
    with Image.open(tmp_path / name) as image:
        assert image.info["loop"] == 0


def test_a_gif_that_would_stand_still_too_long_is_refused(tmp_path: Path, clip: FrameArray):
    with pytest.raises(MediaError, match=r"a\.gif .* no picture for longer than 655 s.*\.webp"):
        save_gif(clip[:1].repeat(12, axis=0), tmp_path / "a.gif", 0.01, TOLD)
    assert list(tmp_path.iterdir()) == []
