"""Clips of any length, larger, in constant memory."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import check_output, open_writer, save_sequence
from filmgrid.data.media import iter_frames, probe, read_grid
from filmgrid.data.provenance import Provenance, current_versions
from filmgrid.data.times import frame_times
from filmgrid.grid.spec import CellSize
from filmgrid.models.enlarging import Enlarger
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.planning import upscale_factor
from filmgrid.request.upscale import UpscaleRequest
from filmgrid.sampling.upscale import load_enlarger
from filmgrid.types import ImageArray

AT_ONCE = 16
"""Frames in memory."""


def upscale_clip(
    request: UpscaleRequest, on_frame: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Enlarge the frames of a clip, and write them at its rate and with its sound.

    Videos and folders are written as frames come, in constant memory.

    Args:
        request: the clip, where it goes, and what enlarges it.
        on_frame: called with the frames done and of all, where their number is known.

    Returns:
        The files written.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: if it enlarges nothing, or the name of the output does not fit.
        MediaError: if a file cannot be read or written.
    """
    info = probe(request.source)
    factor = upscale_factor(request.by)
    told = info.provenance
    layout = told.grid if told is not None else None
    height, width, count = info.height, info.width, info.num_frames or 0
    frames: Iterable[ImageArray] = iter_frames(request.source)
    if told is not None and told.kind == "grid":
        frames = read_grid(request.source).frames
        count, height, width = frames.shape[:3]
    fps = request.fps or info.fps or 8.0
    moves = info.kind in ("video", "animation") and request.fps is None
    found = frame_times(request.source, end=True) if moves else None
    times = None if found is None else found.tolist()
    target = check_output(
        request.out,
        num_frames=count or 2,
        fps=fps,
        layout=layout,
        cell=CellSize(factor * height, factor * width),
        times=times,
    )
    device = choose_device(request.device)
    dtype = choose_dtype(request.precision, device)
    enlarge = load_enlarger(request.by, device, dtype, request.seed, request.steps)
    larger = _larger(frames, enlarge, count, on_frame)
    asked = request.model_dump(mode="json", exclude={"out"}, exclude_defaults=True)
    provenance = Provenance(request={"upscale": asked}, versions=current_versions())
    if target not in ("video", "folder"):
        whole = np.stack(list(larger))
        return save_sequence(
            whole, request.out, fps=fps, provenance=provenance, layout=layout, times=times
        )
    with open_writer(request.out, target, fps=fps, provenance=provenance, times=times) as writer:
        for frame in larger:
            writer.write(frame)
    if target == "video" and info.kind == "video" and request.fps is None:
        carry_sound(request.source, request.out)
    return [request.out]


def _larger(
    frames: Iterable[ImageArray],
    enlarge: Enlarger,
    count: int,
    on_frame: Callable[[int, int], None] | None,
) -> Iterator[ImageArray]:
    """Frames, enlarged some at a time."""
    left, done = iter(frames), 0
    while group := list(islice(left, AT_ONCE)):
        yield from enlarge(np.stack(group))
        done += len(group)
        if on_frame is not None and count:
            on_frame(done, count)
