"""Thinner slices of a scan: new ones between those that are there."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from filmgrid.data.fit import fit_frames
from filmgrid.data.volumes import PLANES, Plane, Volume, assembled, slices
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.generator import Generator
from filmgrid.grid.spec import CellSize
from filmgrid.inputs import Inputs
from filmgrid.long import Stretch, stream
from filmgrid.request import GenerateRequest
from filmgrid.types import FrameArray
from filmgrid.walking import Progress


def thinned(
    generator: Generator,
    volume: Volume,
    request: GenerateRequest,
    plane: Plane = "axial",
    window: tuple[float, float] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Volume:
    """Make slices between each two of a scan.

    Without a cell in the request the slices keep their size, padded to whole tokens while they are
    painted, and those that were there come out with the values they had. With a cell, all of them
    are brought to its size and seen through the window.

    Args:
        generator: of the request's model.
        volume: the scan.
        request: its ``between`` says how many; the file that it names as video is not read.
        plane: of the slices.
        window: values of black and white, which the new slices lie between; by default nearly the
            whole range.
        on_step: called with the steps done and of all.

    Raises:
        ConfigError: if no number of slices is asked for, or the request cannot be carried out.
        ShapeError: if there are not two slices.
    """
    if not request.between:
        raise ConfigError("between says how many slices are made between two. Use 1 or more.")
    frames, window = slices(volume, plane, window)
    if len(frames) < 2:
        raise ShapeError(f"There is {len(frames)} {plane} slice, and new ones come between two.")
    size = frames.shape[1:3]
    if request.cell is None:
        frames = _padded(frames, generator.backbone.facts.stride)
    else:
        frames = fit_frames(frames, CellSize.parse(request.cell), "resize")
    asked = request.model_copy(update={"cell": str(CellSize(*frames.shape[1:3]))})
    parts: list[FrameArray] = []
    for event in stream(generator, asked, Inputs(video=frames)):
        if isinstance(event, Progress) and on_step is not None:
            on_step(event.step, event.num_steps)
        elif isinstance(event, Stretch):
            parts.append(event.arrays[0])
    made = np.concatenate(parts)
    axis, apart = PLANES[plane], request.between + 1
    if request.cell is None:
        made = made[:, : size[0], : size[1]]
    thin = assembled(made, volume, plane, window, volume.spacing[axis] / apart)
    if request.cell is not None:
        return thin
    values = np.moveaxis(thin.values, axis, 0).copy()
    values[::apart] = np.moveaxis(volume.values, axis, 0)
    return replace(thin, values=np.ascontiguousarray(np.moveaxis(values, 0, axis)))


def _padded(frames: FrameArray, stride: int) -> FrameArray:
    """Frames whose last pixels are repeated until they hold whole tokens."""
    height, width = ((-side) % stride for side in frames.shape[1:3])
    return np.pad(frames, ((0, 0), (0, height), (0, width), (0, 0)), mode="edge")
