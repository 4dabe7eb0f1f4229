"""Frames side by side in one picture, as numpy arrays: grids, mosaics and strips."""

import numpy as np

from filmgrid.data.images import MAX_IMAGE_PIXELS
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray, ImageArray


def pack_image(frames: FrameArray, layout: Layout) -> ImageArray:
    """Lay frames out as one picture in reading order; gaps, margin and cells left are black.

    Raises:
        ShapeError: if there are more frames than cells, or the picture would be too large to be
            read again.
    """
    num_frames, height, width, _ = frames.shape
    if num_frames > layout.num_cells:
        raise ShapeError(
            f"{num_frames} frames do not fit a {layout} grid of {layout.num_cells} cells. "
            f"Name a layout with {num_frames} cells."
        )
    cell = CellSize(height, width)
    size = layout.grid_size(cell)
    if size.height * size.width > MAX_IMAGE_PIXELS:
        raise ShapeError(
            f"A {layout} grid of {cell} px cells would be a picture of {size} px, more than the "
            f"{MAX_IMAGE_PIXELS} pixels that are read again. Use smaller or fewer cells."
        )
    image = np.zeros((*size, 3), np.uint8)
    for frame, (top, left, _, _) in zip(frames, layout.boxes(cell), strict=False):
        image[top : top + height, left : left + width] = frame
    return image


def cut_image(image: ImageArray, layout: Layout) -> FrameArray:
    """Cut a picture into the cells of a grid, in reading order: undoes :func:`pack_image`.

    Raises:
        ShapeError: if the picture does not divide into ``layout``'s cells.
    """
    cell = layout.cell_size(image.shape[0], image.shape[1])
    return np.stack(
        [
            image[top : top + height, left : left + width]
            for top, left, height, width in layout.boxes(cell)
        ]
    )


def cut_strip(image: ImageArray, frame_width: int) -> FrameArray:
    """Cut a picture whose frames stand side by side, left to right.

    Args:
        image: the strip, as tall as one frame.
        frame_width: pixels per frame.

    Raises:
        ConfigError: if ``frame_width`` is less than one pixel.
        ShapeError: if the strip is not a whole number of frames wide.
    """
    if frame_width < 1:
        raise ConfigError(f"A frame cannot be {frame_width} px wide. Use at least 1 pixel.")
    width = image.shape[1]
    num_frames, rest = divmod(width, frame_width)
    if rest or not num_frames:
        divisors = [n for n in range(1, width + 1) if width % n == 0]
        nearest = min(divisors, key=lambda n: abs(n - frame_width))
        raise ShapeError(
            f"A strip {width} px wide does not divide into frames of {frame_width} px. "
            f"The nearest width that does is {nearest} px."
        )
    return cut_image(image, Layout(1, num_frames))
