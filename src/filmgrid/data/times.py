"""When each frame of a clip is shown, of clips whose frames are unevenly apart."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from filmgrid.data import images, videos
from filmgrid.data.animation_reader import animation_times
from filmgrid.data.provenance import read_provenance

ROUNDING = 0.0021
"""Seconds by which steps of an even clip may differ: Matroska counts in thousandths."""


def frame_times(path: Path, *, end: bool = False) -> Float64[np.ndarray, " n"] | None:
    """Seconds from the first frame to each, in the order they are shown; nothing is decoded.

    None of a clip whose frames are evenly apart, of a folder or a still, and of a file that does
    not say. An animation whose last frame is held is not even.

    Args:
        path: file or folder.
        end: whether the end of the last frame is told as well, after all others, where the file
            says it.

    Raises:
        MediaError: if it cannot be read.
    """
    images.check_exists(path)
    if path.is_dir():
        return None
    animated = images.is_picture(path)
    if animated:
        times = np.array(animation_times(path, read_provenance(path)))  # with the end
    else:
        times = _video_times(path)
    steps = np.diff(times)
    if len(steps) < 2 or steps.min() <= 0 or steps.max() - steps.min() <= ROUNDING:
        return None
    return (times if end or not animated else times[:-1]) - times[0]


def _video_times(path: Path) -> Float64[np.ndarray, " n"]:
    with videos.open_video(path) as (container, stream):
        found = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and packet.time_base is not None
        ]
    return np.sort(np.array(found))
