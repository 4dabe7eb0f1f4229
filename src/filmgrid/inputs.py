"""The pictures that a request brings with it: read, measured, fitted, and pasted back. Torch-free.

Frames that stay are never trusted to the model: whatever it makes of them, the given pixels are
put into the result bit for bit.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from filmgrid.data.fit import FitMode, fit_frames
from filmgrid.data.media import count_frames, iter_frames, probe, read_clip, read_grid, read_image
from filmgrid.data.pictures import from_picture
from filmgrid.data.times import frame_times
from filmgrid.errors import MediaError, ShapeError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.request import GenerateRequest, Task
from filmgrid.types import FrameArray, ImageArray


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of a picture or video before it is read.

    Args:
        name: for messages.
        size: of a frame, in pixels.
        num_frames: None where only reading to the end would tell.
        fps: frames per second, where it has time.
        layout: if it is one picture that holds a grid.
    """

    name: str
    size: CellSize
    num_frames: int | None = 1
    fps: float | None = None
    layout: Layout | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Pictures in memory, 8-bit.

    Args:
        images: by cell.
        video: frames in order.
        fps: of the video.
    """

    images: Mapping[int, ImageArray] = field(default_factory=dict)
    video: FrameArray | None = None
    fps: float | None = None

    def describe(self) -> "Described":
        """Measure what is here."""
        images = {
            cell: Given(f"The image at cell {cell}", CellSize(*image.shape[:2]))
            for cell, image in self.images.items()
        }
        if self.video is None:
            return Described(images)
        size = CellSize(*self.video.shape[1:3])
        return Described(images, Given("The video", size, len(self.video), self.fps))

    def fitted(
        self, request: GenerateRequest, task: Task, layout: Layout, cell: CellSize
    ) -> "Inputs":
        """The pictures in the size of a cell, and of the video the frames that are used.

        Raises:
            ShapeError: if a size does not fit, or the video is too short.
        """
        mode: FitMode | None = request.fit
        images = {
            place: fit_frames(image[None], cell, mode)[0] for place, image in self.images.items()
        }
        if self.video is None:
            return Inputs(images)
        frames = self.video
        if task == Task.EXTEND:
            frames = frames[len(frames) - min(len(frames), known_cells(layout)) :]
        else:
            check_length("The video", len(frames), layout)
            frames = frames[: layout.num_cells]
        return Inputs(images, fit_frames(np.ascontiguousarray(frames), cell, mode), self.fps)

    def strided(self, request: GenerateRequest) -> "Inputs":
        """Of the video only the frames from ``video_start`` on, ``video_stride`` apart."""
        if self.video is None:
            return self
        return replace(self, video=self.video[request.video_start :: request.video_stride])

    def paste(
        self, made: UInt8[np.ndarray, "b n h w 3"], request: GenerateRequest, task: Task
    ) -> UInt8[np.ndarray, "b n h w 3"]:
        """Put the given frames that stay into made ones, bit for bit."""
        stay = dict(self.images)
        if self.video is not None:
            cells: range | list[int] = range(len(self.video))
            if task == Task.REDRAW:
                cells = [cell for cell in cells if cell not in request.redraw_cells]
            elif task == Task.EDIT:
                cells = request.locked_cells
            stay |= {cell: self.video[cell] for cell in cells}
        pasted = made.copy()
        for cell, frame in stay.items():
            pasted[:, cell] = frame
        return pasted


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a request's pictures before they are read."""

    images: Mapping[int, Given] = field(default_factory=dict)
    video: Given | None = None


def describe_files(request: GenerateRequest) -> Described:
    """Measure the files that a request names, without reading all of them.

    Raises:
        MediaError: if one is missing or not what it should be.
    """
    images = {cell: _describe(path) for cell, path in sorted(request.keyframes.items())}
    if request.video is None:
        return Described(images)
    video = _describe(request.video)
    if request.is_long and video.num_frames is None:
        video = replace(video, num_frames=count_frames(request.video))
    return Described(images, video)


def read_files(request: GenerateRequest, task: Task, layout: Layout) -> Inputs:
    """Read the files that a request names, and of a video no more than is used.

    Args:
        request: names the files, the start and the stride.
        task: an extension needs the last frames, all others the first.
        layout: of the sequence.

    Raises:
        MediaError: if one is missing, damaged, or not what it should be.
    """
    images = dict(read_images(request).images)
    if request.video is None:
        return Inputs(images)
    if _describe(request.video).layout is not None:
        return Inputs(images, *_read_video(request.video)).strided(request)
    start, stride = request.video_start, request.video_stride
    if task == Task.EXTEND:
        last = deque(iter_frames(request.video, start=start, stride=stride), known_cells(layout))
        return Inputs(images, np.stack(last), probe(request.video).fps)
    stop = start + (layout.num_cells - 1) * stride + 1
    clip = read_clip(request.video, start=start, stop=stop, stride=stride)
    return Inputs(images, clip.frames, clip.fps)


def read_images(request: GenerateRequest) -> Inputs:
    """Read the pictures that a request names for single frames.

    Raises:
        MediaError: if one is missing or damaged.
    """
    return Inputs({cell: read_image(path) for cell, path in request.keyframes.items()})


class Source:
    """Frames of a request's video by number, read once and in order, fitted to a cell.

    Args:
        request: names the file, the start and the stride.
        cell: size of a cell.
        inputs: the video, if it is not in a file.
    """

    def __init__(self, request: GenerateRequest, cell: CellSize, inputs: Inputs | None) -> None:
        self.cell = cell
        self.fit: FitMode | None = request.fit
        start, stride = request.video_start, request.video_stride
        if inputs is not None or request.video is None:
            video = None if inputs is None else inputs.video
            self._frames = iter(() if video is None else video[start::stride])
        elif _describe(request.video).layout is not None:
            self._frames = iter(_read_video(request.video)[0][start::stride])
        else:
            self._frames = iter_frames(request.video, start=start, stride=stride)
        self._kept: dict[int, ImageArray] = {}
        self._read = self._first = 0

    def frame(self, number: int) -> ImageArray:
        """One frame; those before the last that was forgotten are gone.

        Raises:
            ShapeError: if its size does not fit.
            MediaError: if the file ends before.
        """
        while self._read <= number:
            image = next(self._frames, None)
            if image is None:
                raise MediaError(
                    f"The video ends after {self._read} frames, before the {number + 1} that it "
                    "says it has. Ask for fewer frames."
                )
            if self._read >= self._first:
                fitted = fit_frames(np.ascontiguousarray(image[None]), self.cell, self.fit)
                self._kept[self._read] = fitted[0]
            self._read += 1
        return self._kept[number]

    def forget(self, before: int) -> None:
        """Drop frames with lower numbers, read or not."""
        self._first = max(self._first, before)
        self._kept = {number: image for number, image in self._kept.items() if number >= before}


def times_of(request: GenerateRequest, num_frames: int) -> tuple[float, ...] | None:
    """When each frame of an edited clip is shown, in seconds from the first.

    Frames between two are evenly apart; those that go on follow at the usual distance. A single
    grid that goes on begins anywhere in the clip, and has no times of it.

    Args:
        request: that names the clip.
        num_frames: of the sequence that is made.

    Returns:
        None where frames are evenly apart, or the request says so by its ``fps``. After the
        last frame of an animation comes its end as well.

    Raises:
        MediaError: if the clip cannot be read.
    """
    if request.video is None or request.fps is not None:
        return None
    if not request.is_long and request.inferred_task not in (Task.EDIT, Task.REDRAW):
        return None
    found = frame_times(request.video)
    if found is None:
        return None
    used = found[request.video_start :: request.video_stride]
    apart = request.between + 1
    numbers = np.arange(num_frames) / apart
    times = np.interp(numbers, np.arange(len(used)), used)
    beyond = np.maximum(0, numbers - (len(used) - 1))
    times = times - times[0] + beyond * np.median(np.diff(used))
    ends = apart == request.video_stride == 1 and num_frames == len(used)
    whole = frame_times(request.video, end=True) if ends else None
    if whole is not None and len(whole) > len(found):  # for how long the last one is held
        times = np.append(times, whole[-1] - used[0])
    return tuple(times.tolist())


def gather(images: Mapping[int, Any], video: Any) -> Inputs:
    """Take pictures as Python users have them.

    Args:
        images: paths, Pillow images or 8-bit arrays ``h w 3``, by cell.
        video: a path, a list of Pillow images, or an 8-bit array ``n h w 3``.

    Raises:
        MediaError: if a file cannot be read.
        ShapeError: if an array has another shape or dtype.
    """
    read = {
        int(cell): read_image(Path(image)) if isinstance(image, (str, Path)) else _array(image, 3)
        for cell, image in images.items()
    }
    if video is None:
        return Inputs(read)
    if isinstance(video, (str, Path)):
        return Inputs(read, *_read_video(Path(video)))
    if isinstance(video, np.ndarray):
        return Inputs(read, _array(video, 4))
    return Inputs(read, np.stack([_array(frame, 3) for frame in video]))


def known_cells(layout: Layout) -> int:
    """Most cells that an extension keeps: all rows but the last, or all cells but one."""
    return layout.num_cells - (layout.cols if layout.rows > 1 else 1)


def check_length(name: str, num_frames: int, layout: Layout) -> None:
    """Refuse a video that does not fill a grid.

    Raises:
        ShapeError: with what fits.
    """
    if num_frames < layout.num_cells:
        raise ShapeError(
            f"{name} gives {num_frames} frames and a {layout} grid needs {layout.num_cells}. Use "
            f"a layout with at most {num_frames} cells, a smaller video stride, or the task "
            "extend."
        )


def _describe(path: Path) -> Given:
    info = probe(path)
    told = info.provenance
    if told is not None and told.kind in ("grid", "sprites") and told.grid is not None:
        cell = told.grid.cell_size(info.height, info.width)
        frames = told.num_frames or told.grid.num_cells
        return Given(str(path), cell, frames, told.fps, told.grid)
    return Given(str(path), CellSize(info.height, info.width), info.num_frames, info.fps)


def _read_video(path: Path) -> tuple[FrameArray, float | None]:
    clip = read_grid(path) if _describe(path).layout is not None else read_clip(path)
    return clip.frames, clip.fps


def _array(image: Any, ndim: int) -> np.ndarray:
    array = image if isinstance(image, np.ndarray) else from_picture(image)
    if array.dtype != np.uint8 or array.ndim != ndim or array.shape[-1] != 3:
        axes = "height, width, 3" if ndim == 3 else "frames, height, width, 3"
        raise ShapeError(
            f"An array of shape {array.shape} and dtype {array.dtype} is no 8-bit picture. Give "
            f"uint8 with axes {axes}; from floats in [0, 1]: (array * 255).round().astype('uint8')."
        )
    return array
