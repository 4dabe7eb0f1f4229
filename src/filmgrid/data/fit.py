"""Frames of any size brought to the size of a cell, only in the way the user names."""

from typing import Literal

import numpy as np
from PIL import Image

from filmgrid.errors import ShapeError
from filmgrid.grid.spec import CellSize
from filmgrid.types import FrameArray, ImageArray

FitMode = Literal["crop", "pad", "resize"]


def fit_frames(frames: FrameArray, cell: CellSize, mode: FitMode | None) -> FrameArray:
    """Bring frames to the size of a cell, with an antialiased (Lanczos) filter.

    Frames that already have the size are given back unchanged, bit for bit.

    Args:
        frames: frames of one size.
        cell: the size wanted, in pixels.
        mode: ``"crop"`` fills the cell and cuts off what is over, evenly at both sides;
            ``"pad"`` shows the whole frame between black bars; ``"resize"`` ignores the aspect;
            ``None`` allows no change.

    Raises:
        ShapeError: if the sizes differ and no mode is named.
    """
    size = CellSize(frames.shape[1], frames.shape[2])
    if size == cell:
        return frames
    if mode is None:
        raise ShapeError(
            f"Frames of {size} px do not fit cells of {cell} px. Say how with --fit "
            "crop|pad|resize: crop fills the cell, pad adds black bars, resize ignores the aspect."
        )
    fit = {"crop": _crop, "pad": _pad, "resize": _resize}[mode]
    return np.stack([fit(frame, cell) for frame in frames])


def _crop(frame: ImageArray, cell: CellSize) -> ImageArray:
    height, width = frame.shape[:2]
    scale = min(height / cell.height, width / cell.width)  # source pixels per pixel of the cell
    half_height, half_width = cell.height * scale / 2, cell.width * scale / 2
    box = (
        max(0.0, width / 2 - half_width),
        max(0.0, height / 2 - half_height),
        min(float(width), width / 2 + half_width),
        min(float(height), height / 2 + half_height),
    )
    return _resize(frame, cell, box)


def _pad(frame: ImageArray, cell: CellSize) -> ImageArray:
    height, width = frame.shape[:2]
    scale = min(cell.height / height, cell.width / width)
    inner = CellSize(max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (cell.height - inner.height) // 2, (cell.width - inner.width) // 2
    padded = np.zeros((cell.height, cell.width, 3), np.uint8)
    padded[top : top + inner.height, left : left + inner.width] = _resize(frame, inner)
    return padded


def _resize(
    frame: ImageArray, cell: CellSize, box: tuple[float, float, float, float] | None = None
) -> ImageArray:
    image = Image.fromarray(frame)
    return np.array(image.resize((cell.width, cell.height), Image.Resampling.LANCZOS, box=box))
