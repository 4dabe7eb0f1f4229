"""Cut sources into windows of frames, holding no more than one window of a clip at a time."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from filmgrid.data.config import DatasetConfig
from filmgrid.data.fit import fit_frames
from filmgrid.data.media import iter_frames, read_strip
from filmgrid.data.mosaics import cut_image
from filmgrid.data.sources import Source
from filmgrid.types import FrameArray, ImageArray


@dataclass(frozen=True, slots=True)
class Window:
    """The frames of one sequence and their numbers in the clip."""

    indices: tuple[int, ...]
    frames: FrameArray


@dataclass(slots=True)
class _Held:
    index: int
    frame: ImageArray | None
    used: bool = False


@dataclass(slots=True)
class Cutter:
    """Takes the frames of one clip in order and gives a window whenever one is whole.

    Args:
        config: cell, fit, stride, step, tail and limit of the sequences.
    """

    config: DatasetConfig
    num_frames: int = 0
    """Frames taken so far."""
    num_windows: int = 0
    """Windows given so far."""
    num_used: int = 0
    """Frames that are in at least one window."""
    moved_back: bool = False
    """Whether the last window was moved back so as to end with the clip."""
    _span: int = field(init=False)
    _step: int = field(init=False)
    _held: deque[_Held] = field(init=False)
    _last_used: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self._span, self._step = self.config.span, self.config.window_step
        self._held = deque(maxlen=self._span)

    @property
    def is_done(self) -> bool:
        """Whether the limit of windows is reached, so that no more frames are needed."""
        return self.num_windows == self.config.max_sequences_per_clip

    @property
    def num_tail(self) -> int:
        """Frames after the last one that was used."""
        return self.num_frames - 1 - self._last_used

    @property
    def num_between(self) -> int:
        """Frames passed over by stride and step."""
        return self.num_frames - self.num_used - self.num_tail

    def notes(self) -> list[str]:
        """What was left out of the clip, or moved, and why."""
        if self.num_frames < self._span:
            return [
                f"shorter than one sequence: {_count(self.num_frames, 'frame')}, "
                f"{self._span} needed"
            ]
        notes: list[str] = []
        if self.num_between:
            notes.append(f"{_count(self.num_between, 'frame')} passed over by stride and step")
        if self.is_done:
            notes.append("stopped at the limit of sequences, later frames not read")
        elif self.num_tail:
            notes.append(f"{_count(self.num_tail, 'tail frame')} dropped")
        if self.moved_back:
            notes.append("last sequence moved back to end with the source")
        return notes

    def push(self, frame: ImageArray) -> Window | None:
        """Take the next frame; give the window that it completes."""
        index = self.num_frames
        self._held.append(_Held(index, self._fit(frame) if self._needs(index) else None))
        self.num_frames += 1
        start = self.num_frames - self._span
        if start < 0 or start % self._step or self.is_done:
            return None
        return self._window()

    def finish(self) -> Window | None:
        """End the clip; give the window that ends with it, if the tail is to be covered."""
        if self.config.tail == "drop" or self.is_done or self.num_frames < self._span:
            return None
        if self.num_tail == 0:
            return None
        self.moved_back = True
        return self._window()

    def _fit(self, frame: ImageArray) -> ImageArray:
        return fit_frames(frame[None], self.config.cell_size, self.config.fit)[0]

    def _needs(self, index: int) -> bool:
        if self.config.tail == "back":
            return True
        starts = range(index, index - self._span, -self.config.stride)
        return any(start >= 0 and start % self._step == 0 for start in starts)

    def _window(self) -> Window:
        members = list(self._held)[:: self.config.stride]
        frames: list[ImageArray] = []
        for member in members:
            assert member.frame is not None
            frames.append(member.frame)
            self.num_used += not member.used
            member.used = True
        self.num_windows += 1
        self._last_used = members[-1].index
        return Window(tuple(member.index for member in members), np.stack(frames))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def cut_source(
    source: Source, cutters: Mapping[str, Cutter], config: DatasetConfig
) -> Iterator[tuple[str, Window]]:
    """Read a source once, and give the windows of all its clips as they become whole.

    Args:
        source: what to read.
        cutters: a cutter by the name of each clip, in the order of a mosaic's cells.
        config: how clips lie in the frames.

    Raises:
        MediaError: if the source cannot be read.
        ShapeError: if its frames do not divide into clips, or do not fit a cell.
    """
    with closing(_moments(source, config)) as moments:
        for moment in moments:
            for (clip, cutter), frame in zip(cutters.items(), moment, strict=True):
                window = cutter.push(frame)
                if window is not None:
                    yield clip, window
            if all(cutter.is_done for cutter in cutters.values()):
                break
    for clip, cutter in cutters.items():
        window = cutter.finish()
        if window is not None:
            yield clip, window


def _moments(source: Source, config: DatasetConfig) -> Generator[FrameArray]:
    """One frame of every clip at a time."""
    if source.kind == "strip":
        assert config.strip_width is not None
        for frame in read_strip(source.path, config.strip_width).frames:
            yield frame[None]
        return
    mosaic = config.mosaic_layout
    for frame in iter_frames(source.path):
        yield frame[None] if mosaic is None else cut_image(frame, mosaic)
