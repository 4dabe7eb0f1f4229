"""Between 8-bit arrays and Pillow images, as Python users have them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from filmgrid.errors import ShapeError
from filmgrid.types import ImageArray


def to_picture(image: ImageArray) -> Image.Image:
    """An array as a Pillow image."""
    return Image.fromarray(image)


def from_picture(image: Any) -> ImageArray:
    """A Pillow image as an 8-bit sRGB array.

    Raises:
        ShapeError: if it is no Pillow image.
    """
    if not isinstance(image, Image.Image):
        raise ShapeError(
            f"A {type(image).__name__} is no picture. Give a path, a Pillow image, or a uint8 "
            "array of height, width, 3."
        )
    return np.asarray(image.convert("RGB"))


def with_longest_side(image: ImageArray, side: int) -> ImageArray:
    """A picture whose longest side is at most ``side`` pixels, and more than half of that.

    Larger ones shrink to it, smaller ones grow by a whole factor.
    """
    picture = to_picture(image)
    longest = max(picture.size)
    factor = side / longest if longest > side else side // longest
    if factor == 1:
        return image
    width, height = (max(1, round(edge * factor)) for edge in picture.size)
    kind = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return from_picture(picture.resize((width, height), kind))


def to_png(image: ImageArray) -> bytes:
    """A picture as the bytes of a PNG file."""
    written = io.BytesIO()
    to_picture(image).save(written, "PNG")
    return written.getvalue()
