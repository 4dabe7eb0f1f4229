"""Sequences in: videos, animations, folders of frames, pictures, grids, mosaics and strips."""

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np

from filmgrid.data import images, videos
from filmgrid.data.animation_reader import animation_length, iter_animation
from filmgrid.data.files import natural_key
from filmgrid.data.images import read_image as read_image
from filmgrid.data.mosaics import cut_image, cut_strip
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.errors import ConfigError, MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray, ImageArray

Kind = Literal["video", "animation", "image", "frames"]


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file or folder holds, found out without reading all of it.

    ``height`` and ``width`` are those of the frames that :func:`iter_frames` gives: turned
    upright, and without the padding that filmgrid added for an even size. ``num_frames`` is
    ``None`` where only reading to the end would tell (mkv, webm); ``fps`` is the average rate.
    """

    path: Path
    kind: Kind
    width: int
    height: int
    num_frames: int | None
    fps: float | None
    codec: str | None
    provenance: Provenance | None


@dataclass(frozen=True)
class Clip:
    """Frames of one sequence, at ``fps`` frames per second where that is known."""

    frames: FrameArray
    fps: float | None
    source: Path


def probe(path: Path) -> MediaInfo:
    """Say what a file or folder holds; its content decides, not its name.

    Raises:
        MediaError: if it holds no frame that can be read.
    """
    images.check_exists(path)
    kind, provenance = _kind(path), read_provenance(path)
    # Fails early on zero-frame and damaged files, and knows rotation and padding.
    first = next(iter_frames(path, stop=1))
    fps, codec = None, None
    if kind == "video":
        with videos.open_video(path) as (_, stream):
            num_frames = stream.frames or None
            fps, codec = videos.frame_rate(stream), stream.codec_context.name
    elif kind == "frames":
        num_frames = len(_frame_files(path))
        fps = provenance.fps if provenance else None
    else:
        with images.open_picture(path) as image:
            codec = (image.format or "").lower() or None
        num_frames = 1
        if kind == "animation":
            num_frames, fps = animation_length(path, provenance)
    return MediaInfo(path, kind, first.shape[1], first.shape[0], num_frames, fps, codec, provenance)


def count_frames(path: Path, names: str = "*") -> int:
    """Number of frames, from what the file says of itself where it does, else by reading it.

    Args:
        path: file or folder.
        names: pattern of the pictures of a folder that are its frames.

    Raises:
        MediaError: if it holds no frame that can be read.
    """
    images.check_exists(path)
    kind = _kind(path)
    if kind == "frames":
        return len(_frame_files(path, names))
    if kind == "video":
        with videos.open_video(path) as (_, stream):
            if stream.frames:
                return stream.frames
    if kind == "animation":
        return animation_length(path, read_provenance(path))[0]
    return sum(1 for _ in iter_frames(path))


def iter_frames(
    path: Path,
    *,
    start: int = 0,
    stop: int | None = None,
    stride: int = 1,
    names: str = "*",
) -> Iterator[ImageArray]:
    """Read frames one at a time from anything that holds some, in constant memory.

    A video, an animation (gif, webp, apng, or the pages of a TIFF stack), a folder of pictures
    in natural order (``img2`` before ``img10``; other files and hidden ones are no frames), or
    one still picture. What filmgrid padded for an even size is cut off again.

    Args:
        path: file or folder.
        start: index of the first frame, from 0.
        stop: index before which to stop, as in a Python slice; ``None`` reads to the end.
        stride: every how many frames one is taken, at least 1.
        names: pattern of the pictures of a folder that are its frames, as ``left_*.png``.

    Raises:
        ConfigError: if ``start``, ``stop`` and ``stride`` select nothing.
        MediaError: if the file cannot be read, ends before ``start``, or changes its size.
    """
    if start < 0 or stride < 1 or (stop is not None and stop <= start):
        raise ConfigError(
            f"start {start}, stop {stop}, stride {stride} select no frames. Use a start of 0 or "
            "more, a stop beyond it, and a stride of at least 1."
        )
    images.check_exists(path)
    wanted = range(start, sys.maxsize if stop is None else stop, stride)
    shape: tuple[int, ...] | None = None
    with closing(_read(path, wanted, names)) as frames:
        for place, frame in zip(wanted, frames, strict=False):
            shape = shape or frame.shape
            if frame.shape != shape:
                raise MediaError(
                    f"{path} mixes sizes: {_name(path, start, names)} is {shape[0]}x{shape[1]}, "
                    f"{_name(path, place, names)} is {frame.shape[0]}x{frame.shape[1]}. Bring all "
                    "frames of a sequence to one size first."
                )
            yield frame
    if shape is None:
        raise MediaError(
            f"{path} holds no frames: nothing was recorded in it. Give another file."
            if start == 0
            else f"{path} holds no frame {start}: it ends before. Use a smaller start."
        )


def read_clip(
    path: Path,
    *,
    start: int = 0,
    stop: int | None = None,
    stride: int = 1,
    names: str = "*",
) -> Clip:
    """Read frames into memory; arguments and errors as :func:`iter_frames`.

    The clip's ``fps`` is the file's divided by ``stride``, so that it plays as fast as before.
    """
    taken = iter_frames(path, start=start, stop=stop, stride=stride, names=names)
    frames = np.stack(list(taken))
    fps = probe(path).fps
    return Clip(frames, fps / stride if fps else None, path)


def read_mosaic(path: Path, layout: Layout) -> list[Clip]:
    """Read a video whose every frame is a grid of clips, as many mosaics of results are.

    Returns:
        One clip per cell, in reading order.

    Raises:
        MediaError: if the file cannot be read.
        ShapeError: if its frames do not divide into ``layout``'s cells.
    """
    with _naming(path):
        moments = np.stack([cut_image(frame, layout) for frame in iter_frames(path)], axis=1)
    fps = probe(path).fps
    return [Clip(frames, fps, path) for frames in moments]


def read_strip(path: Path, frame_width: int) -> Clip:
    """Read a still picture whose frames stand side by side, left to right.

    Raises:
        ConfigError: if ``frame_width`` is less than one pixel.
        MediaError: if the file cannot be read.
        ShapeError: if the picture is not a whole number of frames wide.
    """
    with _naming(path):
        return Clip(cut_strip(read_image(path), frame_width), None, path)


def read_grid(path: Path, layout: Layout | None = None) -> Clip:
    """Read the frames of a grid picture or sprite sheet.

    Args:
        path: the picture.
        layout: its cells; by default as the file itself tells, if filmgrid made it.

    Raises:
        MediaError: if the file cannot be read, or carries no layout where none is given.
        ShapeError: if the picture does not divide into the cells.
    """
    image, told = read_image(path), read_provenance(path)
    fps = told.fps if told else None
    with _naming(path):
        if layout is not None:
            return Clip(cut_image(image, layout), fps, path)
        if told is None or told.grid is None or told.kind not in ("grid", "sprites"):
            raise MediaError(
                f"{path} does not say how it is laid out. Name it with --layout ROWSxCOLS, for "
                "example --layout 4x4."
            )
        return Clip(cut_image(image, told.grid)[: told.num_frames], fps, path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file it was that does not divide into cells."""
    try:
        yield
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error


def _kind(path: Path) -> Kind:
    if path.is_dir():
        return "frames"
    if not images.is_picture(path):
        return "video"
    with images.open_picture(path) as image:
        animated = images.is_animated(image)
    if animated:
        return "animation"
    told = read_provenance(path)  # an animation of ours whose frames are all equal has only one
    return "animation" if told is not None and told.kind == "sequence" else "image"


def _read(path: Path, wanted: range, names: str) -> Generator[ImageArray]:
    kind = _kind(path)
    told = None if kind == "image" else read_provenance(path)
    if kind == "frames":
        for file in _frame_files(path, names)[wanted.start : wanted.stop : wanted.step]:
            yield read_image(file)
    elif kind == "animation":
        yield from iter_animation(path, wanted, told)
    elif kind == "image":
        if 0 in wanted:
            yield read_image(path)
    else:
        for frame in videos.iter_video(path, wanted):
            height, width = frame.shape[:2]
            if told is not None:
                height, width = told.unpadded(height, width)
            yield frame[:height, :width]


def _frame_files(folder: Path, names: str = "*") -> list[Path]:
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in images.SUFFIXES
        and not path.name.startswith(".")
        and fnmatchcase(path.name, names)
    ]
    if not files:
        called = "" if names == "*" else f" called {names}"
        raise MediaError(
            f"{folder} holds no pictures{called}. Name a folder of PNG or JPEG frames, or a video "
            "file."
        )
    return sorted(files, key=lambda path: natural_key(path.name))


def _name(path: Path, index: int, names: str) -> str:
    return _frame_files(path, names)[index].name if path.is_dir() else f"frame {index}"
