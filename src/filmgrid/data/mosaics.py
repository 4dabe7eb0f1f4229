"""Frames side by side in one picture, as numpy arrays: grids, mosaics and strips."""

from collections.abc import Iterator

import numpy as np

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray, ImageArray


def pack_image(frames: FrameArray, layout: Layout) -> ImageArray:
    """Lay frames out as one picture in reading order; gaps, margin and cells left are black.

    Raises:
        ShapeError: if there are more frames than cells.
    """
    num_frames, height, width, _ = frames.shape
    if num_frames > layout.num_cells:
        raise ShapeError(
            f"{num_frames} frames do not fit a {layout} grid of {layout.num_cells} cells. "
            f"Name a layout with {num_frames} cells."
        )
    cell = CellSize(height, width)
    image = np.zeros((*layout.grid_size(cell), 3), np.uint8)
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


def iter_cells(frames: Iterator[ImageArray], layout: Layout) -> Iterator[FrameArray]:
    """Cut every frame of a mosaic video into its cells, one moment at a time.

    Args:
        frames: pictures whose cells each show one clip.
        layout: where the clips stand, with the mosaic's gap and margin.

    Yields:
        One frame of every clip, in reading order.

    Raises:
        ShapeError: if the frames do not divide into ``layout``'s cells.
    """
    for frame in frames:
        yield cut_image(frame, layout)
