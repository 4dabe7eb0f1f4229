"""What may be written: frames of one size and kind, at a rate and enlargement that exist."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from filmgrid.errors import ConfigError, MediaError, ShapeError
from filmgrid.types import ImageArray

MAX_FPS = 1000


class FrameWriter(Protocol):
    """Takes the frames of one sequence in order."""

    def write(self, frame: ImageArray) -> None:
        """Append a frame.

        Raises:
            ShapeError: if it differs in size from the first, or is not 8-bit RGB.
        """
        ...


@dataclass(slots=True)
class FrameGate:
    """Lets the frames of one file through: counted, of one size, enlarged by ``scale``."""

    path: Path
    scale: int = 1
    num_frames: int = 0
    shape: tuple[int, ...] | None = None

    def admit(self, frame: ImageArray) -> ImageArray:
        """Check a frame and enlarge it.

        Raises:
            ShapeError: if it differs in size from the first, or is not 8-bit RGB.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ShapeError(
                f"A frame of shape {frame.shape} and type {frame.dtype} cannot be written. "
                "Give 8-bit RGB: uint8 of shape (height, width, 3)."
            )
        if self.shape is not None and frame.shape != self.shape:
            raise ShapeError(
                f"Frame {self.num_frames} is {frame.shape[0]}x{frame.shape[1]}, those before it "
                f"{self.shape[0]}x{self.shape[1]}. All frames of a file must have one size."
            )
        self.shape = frame.shape
        self.num_frames += 1
        return enlarge(frame, self.scale)

    def check_not_empty(self) -> None:
        """Refuse to finish a file without frames.

        Raises:
            MediaError: if none came.
        """
        if self.num_frames == 0:
            raise MediaError(f"{self.path} was not written, because there are no frames.")


def enlarge(frame: ImageArray, scale: int) -> ImageArray:
    """Repeat every pixel ``scale`` times in both directions."""
    return frame if scale == 1 else frame.repeat(scale, axis=0).repeat(scale, axis=1)


def check_numbers(fps: float, scale: int) -> None:
    """Refuse a frame rate or an enlargement that files cannot hold.

    Raises:
        ConfigError: unless ``0.01 <= fps <= 1000`` and ``scale >= 1``.
    """
    if not (math.isfinite(fps) and 0.01 <= fps <= MAX_FPS):
        raise ConfigError(
            f"{fps:g} frames per second cannot be played. Use 0.01 to {MAX_FPS}, for example 8."
        )
    if scale < 1:
        raise ConfigError(f"A scale of {scale} is no enlargement. Use 1 or a larger integer.")
