"""Clips whose frames are unevenly apart keep their times."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import save_sequence
from filmgrid.data.media import probe, read_clip
from filmgrid.data.provenance import Provenance
from filmgrid.data.times import frame_times

UNEVEN = (0.0, 0.04, 0.12, 0.16, 0.36, 0.4, 0.44, 0.9, 1.0, 1.05, 1.5)


def pictures(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 2, 2, 3), np.uint8).repeat(16, 1).repeat(16, 2)


def shot(path, times=UNEVEN, sound=False):
    """A clip as a phone writes it, frames whenever there was light for one."""
    tick = Fraction(1, 600)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        video.time_base = video.codec_context.time_base = tick
        heard = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for picture, at in zip(pictures(len(times)), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at / tick), tick
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if heard is not None:
            tone = np.sin(np.arange(48_000 * 2) / 20).astype(np.float32)
            for start in range(0, len(tone) - 1024, 1024):
                frame = av.AudioFrame.from_ndarray(
                    tone[None, start : start + 1024], format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = 48_000, start
                container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
    return path


def test_times_are_read_in_the_order_of_showing(tmp_path):
    assert np.allclose(frame_times(shot(tmp_path / "a.mp4")), UNEVEN, atol=1e-3)
    assert np.allclose(frame_times(shot(tmp_path / "a.mkv")), UNEVEN, atol=1e-3)


@pytest.mark.parametrize("fps", [8, 25, 29.97, 60])
@pytest.mark.parametrize("name", ["even.mp4", "even.mkv", "even.webm", "even.gif", "even/"])
def test_even_clips_have_none(tmp_path, fps, name):
    fps = min(fps, 50) if name == "even.gif" else fps
    out = f"{tmp_path}/{name}"
    save_sequence(pictures(12), out, fps=fps, provenance=Provenance())
    assert frame_times(tmp_path / name) is None


def test_frames_of_an_animation_have_their_own_durations(tmp_path):
    first, *rest = [Image.fromarray(each) for each in pictures(4)]
    path = tmp_path / "a.gif"
    first.save(path, save_all=True, append_images=rest, duration=[100, 300, 50, 80])
    assert np.allclose(frame_times(path), (0, 0.1, 0.4, 0.45))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_video_keeps_the_times_that_it_is_given(tmp_path, suffix):
    path, frames = tmp_path / f"a{suffix}", pictures(len(UNEVEN))
    save_sequence(frames, path, fps=7, provenance=Provenance(), times=UNEVEN)
    assert np.abs(frame_times(path) - UNEVEN).max() < 1e-3
    read = read_clip(path).frames
    assert len(read) == len(UNEVEN)
    assert np.abs(read.astype(int) - frames).mean() < 4


def test_times_stay_when_sound_is_added(tmp_path):
    path = tmp_path / "made.mp4"
    save_sequence(pictures(11), path, fps=7, provenance=Provenance(), times=UNEVEN)
    assert carry_sound(shot(tmp_path / "a.mp4", sound=True), path)
    assert np.abs(frame_times(path) - UNEVEN).max() < 1e-3
    assert probe(path).num_frames == len(UNEVEN)
