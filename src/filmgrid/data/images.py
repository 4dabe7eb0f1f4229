"""Pictures read with Pillow, always as 8-bit sRGB."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from filmgrid.errors import MediaError
from filmgrid.types import ImageArray

MAX_IMAGE_PIXELS = 2**27
"""Largest picture that is decoded, 11585 x 11585: beyond it a small file can fill the memory."""

# Explicit, because Pillow's other readers include some that start programs (EPS) or draw text.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".webp", ".gif", ".avif"),
        *(".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
"""Names by which a folder's pictures are told from its other files."""

# Pillow's readers raise whatever their parsing runs into.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, RuntimeError),
    *(struct.error, zlib.error, ArithmeticError),
)


def is_picture(path: Path) -> bool:
    """Whether the file's content, whatever its name, is a picture Pillow may open."""
    try:
        with open_picture(path):
            return True
    except _NotAPictureError:
        return False


def is_animated(image: Image.Image) -> bool:
    """Whether the picture has several frames or pages; a photo's thumbnail (MPO) is not one."""
    return image.format != "MPO" and getattr(image, "n_frames", 1) > 1


@contextmanager
def open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture without decoding it yet, and translate what goes wrong in the body.

    Raises:
        MediaError: if it is no picture, is damaged, or has more than ``MAX_IMAGE_PIXELS``.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 million pixels on; the limit below is the one that counts.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=_FORMATS)
        with image:
            check_pixels(path, image.height, image.width)
            yield image
    except UnidentifiedImageError as error:
        raise _NotAPictureError(_no_picture(path)) from error
    except Image.DecompressionBombError as error:
        raise MediaError(_too_large(path)) from error
    except _DAMAGE as error:
        raise MediaError(
            f"{path} is a damaged picture or cut short. Copy or download it again."
        ) from error


def check_pixels(path: Path, height: int, width: int) -> None:
    """Refuse a picture or frame that would not fit into memory, before it is decoded.

    Raises:
        MediaError: if it has more than ``MAX_IMAGE_PIXELS``.
    """
    if height * width > MAX_IMAGE_PIXELS:
        raise MediaError(_too_large(path, f" ({height}x{width})"))


def read_image(path: Path) -> ImageArray:
    """Read one still picture.

    The camera's orientation (EXIF) is applied, transparency lies on black, 16-bit gray is
    scaled to 8 bits by 255/65535 with rounding, 16-bit colour keeps its high byte (as Pillow
    reads it), and colour profiles are not applied.

    Raises:
        MediaError: if there is no readable still picture at ``path``.
    """
    check_file(path)
    with open_picture(path) as image:
        if is_animated(image):
            raise MediaError(
                f"{path} is an animation of {getattr(image, 'n_frames', 1)} frames where one "
                "picture is needed. Give it as --video, or save the frame you mean as a PNG."
            )
        return to_rgb(path, ImageOps.exif_transpose(image))


def to_rgb(path: Path, image: Image.Image) -> ImageArray:
    """Pixels of an opened picture as 8-bit sRGB; ``path`` is for the message.

    Raises:
        MediaError: if its pixels have 32 bits, whose range nothing tells.
    """
    if image.mode in ("I", "F"):
        raise MediaError(
            f"{path} has 32-bit pixels, whose black and white are not defined. "
            "Save it with 8 or 16 bits per channel."
        )
    if image.mode.startswith("I;16"):
        gray = (np.asarray(image).astype(np.uint32) + 128) // 257
        return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def check_file(path: Path) -> None:
    """Refuse a path that is missing, a folder or an empty file.

    Raises:
        MediaError: naming which.
    """
    check_exists(path)
    if path.is_dir():
        inside = next((p.name for p in sorted(path.iterdir()) if p.is_file()), "00000.png")
        raise MediaError(f"{path} is a folder where a file is needed, for example {path / inside}.")


def check_exists(path: Path) -> None:
    """Refuse a path that is missing, may not be read, or is an empty file or a device.

    Raises:
        MediaError: naming which.
    """
    if not os.path.exists(path):  # Path.exists raises where a folder may not be searched
        missing = next((up for up in reversed(path.parents) if not os.path.exists(up)), None)
        where = f": there is no folder {missing}" if missing else ""
        raise MediaError(f"{path} does not exist{where}. Check the spelling.")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path} may not be read. Change its rights or copy it.")
    if not (path.is_dir() or path.is_file()):  # reading a pipe or a device could wait for ever
        raise MediaError(f"{path} is neither a file nor a folder. Save what it gives to a file.")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes). Copy or download it again.")


class _NotAPictureError(MediaError):
    """The content belongs to none of the picture formats."""


def _no_picture(path: Path) -> str:
    return (
        f"{path} is not a picture, whatever its name says. Give a PNG, JPEG, WebP, GIF, TIFF, "
        "BMP or AVIF file."
    )


def _too_large(path: Path, size: str = "") -> str:
    return (
        f"{path} claims more pixels{size} than the {MAX_IMAGE_PIXELS} that are decoded, as a "
        "decompression bomb does. Make it smaller with another program if you trust it."
    )
