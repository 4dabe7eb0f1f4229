import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data import images
from filmgrid.data.images import is_picture, read_image
from filmgrid.data.media import iter_frames
from filmgrid.errors import MediaError
from filmgrid.types import FrameArray


def png_that_claims(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header names any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_pictures_are_read_bit_for_bit(tmp_path: Path, clip: FrameArray, suffix: str):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(clip[0]).save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_image(path), clip[0])


@pytest.mark.parametrize("suffix", ["jpg", "avif"])
def test_other_pictures_are_read_nearly(tmp_path: Path, clip: FrameArray, suffix: str):
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(clip[0]).save(path, quality=95)
    assert np.abs(read_image(path).astype(int) - clip[0]).mean() < 4


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (3, lambda stored: np.rot90(stored, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (8, lambda stored: np.rot90(stored, 1)),
    ],
)
def test_the_orientation_of_a_camera_is_applied(
    tmp_path: Path, clip: FrameArray, orientation: int, upright
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(clip[0]).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), upright(clip[0]))


def test_transparency_lies_on_black(tmp_path: Path):
    pixels = np.full((1, 3, 4), 200, np.uint8)
    pixels[0, :, 3] = (0, 51, 255)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png")[0, :, 0].tolist() == [0, 40, 200]


def test_other_pixels_become_rgb(tmp_path: Path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = gray[..., None].repeat(3, axis=-1)
    for mode in ("L", "P", "LA", "CMYK"):
        name = f"{mode}.tif" if mode == "CMYK" else f"{mode}.png"
        Image.fromarray(gray).convert(mode).save(tmp_path / name)
        np.testing.assert_array_equal(read_image(tmp_path / name), expected)
    Image.fromarray(gray > 99).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_image(tmp_path / "1.png"), 255 * (expected > 99))


def test_sixteen_bit_gray_keeps_its_whole_range(tmp_path: Path):
    Image.fromarray(np.array([[0, 128, 129, 32767, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 0, 1, 127, 255]


def test_thirty_two_bit_pixels_are_refused(tmp_path: Path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(MediaError, match=r"float\.tif has 32-bit pixels"):
        read_image(tmp_path / "float.tif")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    for side in (11586, 60_000):
        bomb = png_that_claims(tmp_path / f"bomb{side}.png", side, side)
        with pytest.raises(MediaError, match=rf"bomb{side}\.png claims more pixels"):
            read_image(bomb)


def test_every_page_of_a_stack_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small, large = Image.new("RGB", (8, 8)), Image.new("RGB", (80, 80))
    small.save(tmp_path / "stack.tif", save_all=True, append_images=[large])
    monkeypatch.setattr(images, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(MediaError, match=r"stack\.tif claims more pixels \(80x80\)"):
        list(iter_frames(tmp_path / "stack.tif"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif", "bmp"])
def test_a_picture_cut_short_is_refused_with_its_name(
    tmp_path: Path, noise: FrameArray, suffix: str
):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise[0]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=rf"cut\.{suffix} is a damaged picture or cut short"):
        read_image(path)


@pytest.mark.parametrize(
    "content",
    [
        b"hello " * 100,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_only_pictures_are_pictures_whatever_their_names(tmp_path: Path, content: bytes):
    (tmp_path / "file.png").write_bytes(content)
    assert not is_picture(tmp_path / "file.png")
    with pytest.raises(MediaError, match=r"file\.png is not a picture, whatever its name says"):
        read_image(tmp_path / "file.png")


def test_missing_empty_and_unreadable_files_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(MediaError, match=r"none\.png does not exist\. Check the spelling"):
        read_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match=r"there is no folder .*lost"):
        read_image(tmp_path / "lost" / "deep" / "none.png")
    with pytest.raises(MediaError, match="does not exist"):
        read_image(tmp_path / ("long" * 100))
    (tmp_path / "empty.png").touch()
    with pytest.raises(MediaError, match=r"empty\.png is empty \(0 bytes\)"):
        read_image(tmp_path / "empty.png")
    monkeypatch.setattr(images.os, "access", lambda *_: False)
    with pytest.raises(MediaError, match=r"empty\.png may not be read"):
        read_image(tmp_path / "empty.png")


def test_a_folder_and_an_animation_are_no_still_picture(tmp_path: Path, clip: FrameArray):
    first, *others = (Image.fromarray(frame) for frame in clip)
    first.save(tmp_path / "moving.gif", save_all=True, append_images=others)
    with pytest.raises(MediaError, match=r"moving\.gif is an animation of 12 frames"):
        read_image(tmp_path / "moving.gif")
    with pytest.raises(MediaError, match=r"is a folder where a file is needed.*moving\.gif"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(MediaError, match=r"pipe\.png is neither a file nor a folder"):
        read_image(tmp_path / "pipe.png")


def test_real_pictures_with_wrong_names_and_alpha_are_read(real_data: Path):
    strip = read_image(real_data / "weizmann_actions" / "0" / "00000002.jpg")  # a PNG with alpha
    assert strip.shape == (64, 3904, 3)
    assert 20 < strip.mean() < 235
