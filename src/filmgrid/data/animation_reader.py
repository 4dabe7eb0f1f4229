"""Animations in: frame by frame with Pillow, and as many as were written."""

from collections.abc import Iterator
from itertools import accumulate, pairwise, repeat
from pathlib import Path

from filmgrid.data.images import check_pixels, open_picture, to_rgb
from filmgrid.data.provenance import Provenance
from filmgrid.types import ImageArray

_MAX_MERGED = 100_000  # frames that one small file may stand for: more is a decompression bomb


def iter_animation(path: Path, wanted: range, told: Provenance | None) -> Iterator[ImageArray]:
    """Frames of an animation, or pages of a stack, one at a time.

    Encoders merge frames that equal the one before into a longer one. In files of ours, which
    tell their rate or the duration of each frame, this is undone.

    Args:
        path: the file.
        wanted: indices of the frames to give.
        told: what the file carries, if it is ours.

    Raises:
        MediaError: if it is damaged, or a page has too many pixels.
    """
    counts = _counts(_durations(path), told) if told is not None else None
    with open_picture(path) as image:
        start = 0
        for stored, count in enumerate(counts or [1] * getattr(image, "n_frames", 1)):
            image.seek(stored)
            check_pixels(path, image.height, image.width)  # pages may differ in size
            end = start + count
            num_wanted = sum(index in wanted for index in range(start, min(end, wanted.stop)))
            if num_wanted:
                yield from repeat(to_rgb(path, image), num_wanted)
            if end >= wanted.stop:
                return
            start = end


def animation_length(path: Path, told: Provenance | None) -> tuple[int, float | None]:
    """Number of frames that :func:`iter_animation` gives, and how many are shown per second.

    Raises:
        MediaError: if it is damaged.
    """
    durations = _durations(path)
    counts = _counts(durations, told)
    if counts is not None and told is not None:
        return sum(counts), told.fps
    total = sum(durations)
    return len(durations), len(durations) / total if total > 0 else None


def animation_times(path: Path, told: Provenance | None) -> list[float]:
    """Seconds from the beginning to each frame that :func:`iter_animation` gives, and to the end.

    Raises:
        MediaError: if it is damaged.
    """
    durations = _durations(path)
    counts = _counts(durations, told)
    if counts is not None and told is not None and told.durations is not None:
        return [shown / 1000 for shown in accumulate(told.durations, initial=0)]
    if counts is not None and told is not None and told.fps is not None:
        return [index / told.fps for index in range(sum(counts) + 1)]
    return list(accumulate(durations, initial=0.0))


def _counts(durations: list[float], told: Provenance | None) -> list[int] | None:
    """How many frames each stored one stands for; ``None`` if the file is not as we wrote it."""
    if told is None or told.kind != "sequence" or told.fps is None or told.num_frames is None:
        return None
    if told.durations is not None:
        begins = {shown: at for at, shown in enumerate(accumulate(told.durations, initial=0))}
        ends = [begins.get(round(1000 * seconds), 0) for seconds in accumulate(durations)]
    else:
        ends = [round(seconds * told.fps) for seconds in accumulate(durations)]
    if len(ends) == 1:
        ends = [told.num_frames]  # WebP keeps no duration for a single frame
    counts = [end - start for start, end in pairwise([0, *ends])]
    as_written = ends[-1] == told.num_frames <= _MAX_MERGED and min(counts) > 0
    return counts if as_written else None


def _durations(path: Path) -> list[float]:
    """Seconds for which each stored frame is shown; 0 where it does not say."""
    with open_picture(path) as image:
        durations = []
        for stored in range(getattr(image, "n_frames", 1)):
            image.seek(stored)
            if image.format == "WEBP":  # the only one that tells the duration on decoding
                image.load()
            durations.append(image.info.get("duration", 0) / 1000)
        return durations
