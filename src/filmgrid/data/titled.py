"""Pictures under each other, each with a title: contact sheets of a training."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from filmgrid.types import ImageArray

BAND = 22
SEPARATOR = 4


def with_titles(images: list[ImageArray], titles: list[str]) -> ImageArray:
    """Set images of one width under each other, each below its title."""
    width = max(image.shape[1] for image in images)
    height = sum(image.shape[0] + BAND + SEPARATOR for image in images)
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    top = 0
    for image, title in zip(images, titles, strict=True):
        draw.text((4, top + 3), title, "black", ImageFont.load_default(14))
        page.paste(Image.fromarray(image), (0, top + BAND))
        top += image.shape[0] + BAND + SEPARATOR
    return np.asarray(page)
