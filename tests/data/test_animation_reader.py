from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data import animation_reader
from filmgrid.data.animations import save_gif, save_webp
from filmgrid.data.media import iter_frames, probe, read_clip
from filmgrid.data.provenance import Provenance, exif
from filmgrid.types import FrameArray

SAVERS = {"gif": save_gif, "webp": save_webp}


def save(frames: FrameArray, path: Path, fps: float, **told: object) -> Path:
    provenance = Provenance.model_validate({"fps": fps, "num_frames": len(frames), **told})
    SAVERS[path.suffix[1:]](frames, path, fps, provenance)
    return path


@pytest.mark.parametrize("suffix", SAVERS)
def test_frames_that_the_encoder_merged_come_apart_again(
    tmp_path: Path, clip: FrameArray, suffix: str
):
    order = [0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 4, 4]
    frames = np.where(clip[order] > 128, np.uint8(255), np.uint8(0))
    path = save(frames, tmp_path / f"a.{suffix}", fps=12.5)
    with Image.open(path) as image:
        assert image.n_frames == 5
    np.testing.assert_array_equal(read_clip(path).frames, frames)
    for start, stop, stride in ((2, 3, 1), (1, 9, 3), (10, 12, 1)):
        some = read_clip(path, start=start, stop=stop, stride=stride).frames
        np.testing.assert_array_equal(some, frames[start:stop:stride])
    assert (probe(path).num_frames, probe(path).fps) == (12, 12.5)


@pytest.mark.parametrize("suffix", SAVERS)
def test_a_sequence_that_stands_still_keeps_its_length(
    tmp_path: Path, clip: FrameArray, suffix: str
):
    path = save(clip[:1].repeat(16, axis=0), tmp_path / f"still.{suffix}", fps=8)
    info = probe(path)
    assert (info.kind, info.num_frames, info.fps) == ("animation", 16, 8)
    assert len(read_clip(path).frames) == 16


@pytest.mark.parametrize("fps", [0.5, 7, 29.97, 60, 333, 750, 999, 1000])
def test_rounded_durations_do_not_change_the_number_of_frames(
    tmp_path: Path, clip: FrameArray, fps: float
):
    path = save(clip, tmp_path / "a.webp", fps=fps)
    np.testing.assert_array_equal(read_clip(path).frames, clip)


def test_a_file_that_is_no_longer_as_we_wrote_it_is_read_as_it_is(tmp_path: Path, clip: FrameArray):
    path = tmp_path / "a.webp"
    first, *others = (Image.fromarray(frame) for frame in clip[:5])
    told = Provenance(fps=8, num_frames=12)
    first.save(path, save_all=True, append_images=others, duration=500, exif=exif(told))
    assert probe(path).num_frames == 5
    assert probe(path).fps == 2
    assert len(read_clip(path).frames) == 5


def test_a_still_that_claims_a_million_frames_is_one(tmp_path: Path, clip: FrameArray):
    told = Provenance(fps=8, num_frames=10**12)
    Image.fromarray(clip[0]).save(tmp_path / "a.webp", exif=exif(told))
    assert sum(1 for _ in iter_frames(tmp_path / "a.webp")) == 1
    assert animation_reader.animation_length(tmp_path / "a.webp", told)[0] == 1


def test_a_foreign_animation_has_its_average_rate(tmp_path: Path, clip: FrameArray):
    first, *others = (Image.fromarray(frame) for frame in clip[:4])
    durations = [100, 300, 100, 300]
    for name in ("a.gif", "a.webp", "a.apng"):
        kind = {"format": "PNG"} if name.endswith("png") else {}
        first.save(tmp_path / name, save_all=True, append_images=others, duration=durations, **kind)
        assert probe(tmp_path / name).fps == pytest.approx(5)
        assert len(read_clip(tmp_path / name).frames) == 4


def test_pages_of_a_gif_that_build_on_each_other_are_whole(tmp_path: Path):
    background = Image.new("P", (20, 10), 1)
    background.putpalette([0, 0, 0, 200, 100, 50, 255, 255, 255])
    with_spot = background.copy()
    with_spot.paste(2, (3, 4, 6, 7))
    background.save(
        tmp_path / "a.gif", save_all=True, append_images=[with_spot, background], duration=50
    )
    frames = read_clip(tmp_path / "a.gif").frames
    assert frames[:, 0, 0].tolist() == [[200, 100, 50]] * 3
    assert frames[:, 5, 4, 0].tolist() == [200, 255, 200]
    np.testing.assert_array_equal(read_clip(tmp_path / "a.gif", start=2).frames, frames[2:])
