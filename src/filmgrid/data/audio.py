"""The sound of a clip, carried over to a video that was made of its frames, as it is."""

import heapq
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from filmgrid.data.files import atomic_path

log = logging.getLogger(__name__)
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}


def carry_sound(source: Path, video: Path) -> bool:
    """Put the sound of a file into a video, from its beginning to the video's end.

    Packets are copied and not coded again. A container that cannot hold the sound, such as .webm
    and AAC, is left without, and that is said.

    Args:
        source: file that may have sound.
        video: a video that was written from it, which is replaced as a whole.

    Returns:
        Whether there is sound now.

    Raises:
        MediaError: if the place cannot be written or the disk is full.
    """
    try:
        with av.open(str(source)) as heard, av.open(str(video)) as seen:
            if not heard.streams.audio:
                return False
            with atomic_path(video) as part:
                _mux(heard, seen, part, video)
    except (av.error.FFmpegError, ValueError):
        log.info(f"The sound of {source} does not fit into {video.name}, which has none. Use .mkv.")
        return False
    return True


def _mux(heard: Any, seen: Any, part: Path, video: Path) -> None:
    """Copy the packets of both in the order of their times."""
    name = FORMATS[video.suffix.lower()]
    options = {"movflags": "+faststart"} if name in ("mp4", "mov") else {"fflags": "+bitexact"}
    with av.open(str(part.absolute()), "w", format=name, options=options) as made:
        made.metadata.update(seen.metadata)
        pictures, sound = seen.streams.video[0], heard.streams.audio[0]
        streams = {each: made.add_stream_from_template(each) for each in (pictures, sound)}
        end = float(seen.duration or 0) / av.time_base
        parts = (_packets(seen, pictures), _packets(heard, sound))
        for packet in heapq.merge(*parts, key=_time):
            if packet.stream is sound and _time(packet) >= end:
                continue
            packet.stream = streams[packet.stream]
            made.mux(packet)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    return (packet for packet in container.demux(stream) if packet.size)  # the last has nothing


def _time(packet: Any) -> float:
    at = packet.pts if packet.dts is None else packet.dts  # Matroska has no other for some
    return float((at or 0) * packet.time_base)
