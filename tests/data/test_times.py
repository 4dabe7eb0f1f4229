"""Clips whose frames are unevenly apart keep their times."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import check_output, save_sequence
from filmgrid.data.media import probe, read_clip
from filmgrid.data.provenance import Provenance
from filmgrid.data.times import frame_times
from filmgrid.errors import ConfigError
from filmgrid.request.upscale import UpscaleRequest
from filmgrid.upscaling import upscale_clip

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


@pytest.mark.parametrize(("suffix", "tick"), [(".gif", 0.01), (".webp", 0.001)])
@pytest.mark.parametrize("alike", [False, True])
def test_an_animation_keeps_the_times_that_it_is_given(tmp_path, suffix, tick, alike):
    path, frames = tmp_path / f"a{suffix}", pictures(len(UNEVEN)) // 128 * 255
    if alike:  # which encoders merge
        frames[[3, 4, 8, 10]] = frames[[2, 2, 7, 9]]
    save_sequence(frames, path, fps=7, provenance=Provenance(), times=UNEVEN)
    found = frame_times(path)
    assert np.abs(found - UNEVEN).max() <= tick / 2 + 1e-9
    assert (read_clip(path).frames == frames).all()
    assert (read_clip(path, start=3, stop=9, stride=2).frames == frames[3:9:2]).all()
    info = probe(path)
    assert (info.num_frames, info.fps) == (len(UNEVEN), 7)
    with Image.open(path) as image:
        shown = []
        for place in range(image.n_frames):
            image.seek(place)
            image.load()
            shown.append(image.info["duration"])
    assert (len(shown) < len(UNEVEN)) == alike
    assert sum(shown) == pytest.approx(1000 * (UNEVEN[-1] + 1 / 7), abs=500 * tick)


@pytest.mark.parametrize(("suffix", "tick"), [(".gif", 0.01), (".webp", 0.001)])
def test_rounded_times_of_an_animation_do_not_drift(tmp_path, suffix, tick):
    steps = np.random.default_rng(1).uniform(0.021, 0.06, 299)
    times = [0.0, *np.cumsum(steps).tolist()]
    path, frames = tmp_path / f"a{suffix}", np.zeros((300, 8, 8, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(300) % 256
    save_sequence(frames, path, fps=25, provenance=Provenance(), times=times)
    assert np.abs(frame_times(path) - times).max() <= tick / 2 + 1e-9


def test_a_sprite_sheet_keeps_the_times_that_it_is_given(tmp_path):
    path = tmp_path / "a.json"
    save_sequence(pictures(11), path, fps=7, provenance=Provenance(), times=UNEVEN)
    shown = [each["duration"] for each in json.loads(path.read_text())["frames"].values()]
    assert np.abs(np.cumsum([0, *shown[:-1]]) - 1000 * np.array(UNEVEN)).max() <= 0.5
    assert shown[-1] == 143


def test_times_that_an_animation_cannot_show_are_refused(tmp_path):
    times, frames = [0.0, 0.1, 0.109, 0.3], pictures(4)
    with pytest.raises(ConfigError, match=r"Frame 1 .* within 0\.02 s.*Use \.mp4"):
        save_sequence(frames, tmp_path / "a.gif", fps=7, provenance=Provenance(), times=times)
    with pytest.raises(ConfigError, match=r"Frame 1 .* within 0\.02 s"):
        check_output(tmp_path / "a.gif", num_frames=4, fps=7, times=times)
    save_sequence(frames, tmp_path / "a.webp", fps=7, provenance=Provenance(), times=times)
    assert np.allclose(frame_times(tmp_path / "a.webp"), times)
    close = [0.0, 0.1, 0.1001, 0.3]
    with pytest.raises(ConfigError, match=r"within 0\.001 s"):
        save_sequence(frames, tmp_path / "b.webp", fps=7, provenance=Provenance(), times=close)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.webp"]


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


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_whose_last_frame_is_held_is_not_even(tmp_path, suffix):
    images = [Image.new("RGB", (16, 16), (40 * number, 0, 0)) for number in range(6)]
    shown = [100] * 5 + [2000]
    source = tmp_path / f"held{suffix}"
    images[0].save(source, save_all=True, append_images=images[1:], duration=shown, loop=0)
    assert np.allclose(frame_times(source), np.arange(6) / 10)
    assert np.allclose(frame_times(source, end=True), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 2.5])
    upscale_clip(UpscaleRequest(source=source, by=2, out=tmp_path / f"large{suffix}"))
    assert np.allclose(frame_times(tmp_path / f"large{suffix}", end=True)[-2:], [0.5, 2.5])
