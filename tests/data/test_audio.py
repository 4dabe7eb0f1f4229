import av
import numpy as np
import pytest

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import save_sequence
from filmgrid.data.media import probe, read_clip
from filmgrid.data.provenance import Provenance

RATE, SECONDS = 48_000, 3.0


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Three seconds of a tone beside pictures."""
    path = tmp_path_factory.mktemp("heard") / "heard.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for index in range(int(10 * SECONDS)):
            picture = np.full((32, 32, 3), 8 * index, np.uint8)
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        tone = np.sin(np.arange(int(RATE * SECONDS)) * 2 * np.pi * 440 / RATE).astype(np.float32)
        for start in range(0, len(tone), 1024):
            part = np.pad(tone[start : start + 1024], (0, max(0, start + 1024 - len(tone))))
            frame = av.AudioFrame.from_ndarray(part[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            for packet in sound.encode(frame):
                container.mux(packet)
        for stream in (video, sound):
            for packet in stream.encode(None):
                container.mux(packet)
    return path


def made(path, frames=20):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (frames, 32, 32, 3), np.uint8)
    save_sequence(pictures, path, fps=10, provenance=Provenance(request={"prompt": "a tone"}))
    return read_clip(path).frames


def sound_of(path):
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(container.streams.audio[0])]
    return np.concatenate(parts, axis=1)[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_is_copied_up_to_the_end_of_the_pictures(heard, tmp_path, suffix):
    path = tmp_path / f"made{suffix}"
    before = made(path)
    assert carry_sound(heard, path)
    assert (read_clip(path).frames == before).all()
    told = probe(path)
    assert told.fps == 10 and told.provenance.request == {"prompt": "a tone"}
    tone = sound_of(path)
    assert len(tone) / RATE == pytest.approx(2, abs=0.05)
    crossings = np.count_nonzero(np.diff(np.sign(tone[RATE // 2 : RATE])))
    assert crossings == pytest.approx(440, abs=4)


def test_a_clip_without_sound_changes_nothing(tmp_path):
    made(tmp_path / "a.mp4")
    made(tmp_path / "b.mp4")
    before = (tmp_path / "b.mp4").read_bytes()
    assert not carry_sound(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert (tmp_path / "b.mp4").read_bytes() == before


def test_sound_that_a_container_cannot_hold_is_left_out_and_said(heard, tmp_path, caplog):
    caplog.set_level("INFO", "filmgrid")
    before = made(tmp_path / "a.webm", 5)
    assert not carry_sound(heard, tmp_path / "a.webm")
    assert "does not fit" in caplog.text
    assert (read_clip(tmp_path / "a.webm").frames == before).all()
