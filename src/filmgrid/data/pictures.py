"""Between 8-bit arrays and Pillow images, as Python users have them."""

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
