import av
import numpy as np
import pytest

from filmgrid.cli import main
from filmgrid.data.export import save_sequence
from filmgrid.data.media import probe, read_clip, read_grid
from filmgrid.data.provenance import Provenance
from filmgrid.data.times import frame_times
from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.request import GenerateRequest
from filmgrid.request.upscale import UpscaleRequest
from filmgrid.upscaling import upscale_clip


def frames_of(count):
    base = np.linspace(0, 255, 16, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(base[:, None], base[None], np.uint8(90)), axis=-1)
    return np.stack([np.roll(picture, index, axis=1) for index in range(count)])


def saved(path, count=20, **words):
    save_sequence(frames_of(count), path, fps=12, provenance=Provenance(), **words)
    return path


def test_a_video_keeps_its_rate_and_length_and_doubles_its_frames(tmp_path):
    source, out = saved(tmp_path / "clip.mp4"), tmp_path / "large.mp4"
    told = []
    assert upscale_clip(UpscaleRequest(source=source, out=out), lambda *at: told.append(at)) == [
        out
    ]
    info = probe(out)
    assert (info.width, info.height, info.num_frames, info.fps) == (32, 32, 20, 12)
    assert told == [(16, 20), (20, 20)]
    assert info.provenance.request["upscale"]["source"] == str(source)


def test_a_grid_stays_a_grid(tmp_path):
    source = saved(tmp_path / "grid.png", 4, layout=Layout(2, 2))
    out = tmp_path / "large.png"
    upscale_clip(UpscaleRequest(source=source, out=out, by=4))
    made = read_grid(out)
    assert made.frames.shape == (4, 64, 64, 3)
    assert np.abs(made.frames[:, ::4, ::4].astype(int) - frames_of(4)).mean() < 20


def test_frames_of_a_folder_become_a_folder_at_the_asked_rate(tmp_path, capsys):
    source, out = saved(tmp_path / "frames", 3), tmp_path / "large"
    main(["upscale", str(source), "--out", f"{out}/", "--fps", "5"])
    assert read_clip(out).frames.shape == (3, 32, 32, 3)
    assert probe(out).fps == 5
    assert str(out) in capsys.readouterr().out


def test_frames_unevenly_apart_keep_their_times(tmp_path):
    times = [0.0, 0.1, 0.15, 0.4, 0.44]
    source = saved(tmp_path / "uneven.mkv", 5, times=times)
    for name in ("large.mkv", "large.gif"):
        upscale_clip(UpscaleRequest(source=source, out=tmp_path / name))
        assert np.abs(frame_times(tmp_path / name) - times).max() <= 0.006
    upscale_clip(UpscaleRequest(source=source, out=tmp_path / "even.mkv", fps=10))
    assert frame_times(tmp_path / "even.mkv") is None


def test_sound_goes_along(tmp_path):
    source = tmp_path / "heard.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width = video.height = 16
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for frame in frames_of(8):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        for start in range(0, 48_000, 1024):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            tone.sample_rate, tone.pts = 48_000, start
            container.mux(sound.encode(tone))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    upscale_clip(UpscaleRequest(source=source, out=tmp_path / "large.mp4"))
    with av.open(str(tmp_path / "large.mp4")) as made:
        assert made.streams.audio
        assert made.streams.video[0].width == 32


@pytest.mark.parametrize("by", [0, 3, "8"])
def test_other_factors_are_refused(by, tmp_path):
    with pytest.raises(ConfigError, match=f"{by} is no factor of the shipped network"):
        UpscaleRequest(source=tmp_path, out=tmp_path, by=by)
    with pytest.raises(ConfigError, match=f"{by} is no factor of the shipped network"):
        GenerateRequest(upscale=by)


def test_a_model_that_makes_frames_enlarges_none(tmp_path):
    source = saved(tmp_path / "clip.mkv")
    with pytest.raises(ConfigError, match="mini makes frames and enlarges none"):
        upscale_clip(UpscaleRequest(source=source, out=tmp_path / "o.mkv", by="mini"))
    assert not (tmp_path / "o.mkv").exists()
