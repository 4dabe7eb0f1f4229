"""What a dataset holds, in numbers: how much, how long the captions, what moves, what repeats."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict

from filmgrid.data.manifest import SPLITS, Entry, Split
from filmgrid.data.record import SEQUENCES
from filmgrid.data.sequences import Sequence, SequenceFolder
from filmgrid.data.twins import Twins
from filmgrid.types import FrameArray

Key = TypeVar("Key", bound=Hashable)

MOVING_LEVELS = 16
"""A pixel moves where some colour channel changes by more than this, of 255, between frames."""

STILL_SHARE = 0.001
"""A sequence stands still if a smaller share of its pixels moves."""


class Spread(BaseModel):
    """How a number is spread over sequences."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    smallest: float
    """The smallest value."""
    median: float
    """The value in the middle."""
    largest: float
    """The largest value."""


class SideStats(BaseModel):
    """One side of the split, or the whole dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sequences: int
    """Sequences."""
    groups: dict[str, int]
    """Sequences of every group."""
    clips: int
    """Clips they were taken from."""
    frames: int
    """Frames in all sequences."""
    source_frames: int
    """Different frames of the clips among them; fewer where sequences overlap."""
    captions: dict[str, int]
    """Sequences by caption; without one, by the empty text."""
    caption_bytes: Spread
    """Length of the captions in bytes of UTF-8, which the mini model reads as tokens."""
    moving: Spread
    """Share of the pixels, 0 to 1, that change from a frame to the next."""
    still: tuple[str, ...]
    """Ids of the sequences in which next to nothing moves."""
    colour_mean: tuple[float, float, float]
    """Mean of red, green and blue, 0 to 255."""
    colour_std: tuple[float, float, float]
    """Standard deviation of red, green and blue over all pixels."""


class DatasetStats(BaseModel):
    """Numbers of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    folder: Path
    """The dataset."""
    file_bytes: int
    """Size of all its files."""
    layouts: dict[str, int]
    """Sequences by layout."""
    cells: dict[str, int]
    """Sequences by size of a frame, in pixels."""
    strides: dict[int, int]
    """Sequences by stride."""
    all: SideStats
    """Both sides together."""
    sides: dict[Split, SideStats]
    """The sides of the split that have sequences."""
    equal_sequences: int
    """Sequences whose pixels equal those of an earlier one."""
    mirrored_sequences: int
    """Sequences that are the mirror image of an earlier one."""
    shared_frames: int
    """Held-out frames that are also trained on; evenly coloured frames do not count."""
    mirrored_frames: int
    """Held-out frames whose mirror image is trained on; evenly coloured frames do not count."""

    def text(self) -> str:
        """The numbers for people."""
        lines = [
            f"{self.folder}: {self.all.sequences} sequences, {self.file_bytes / 1e6:.1f} MB, "
            f"layout {_listed(self.layouts)}, cells of {_listed(self.cells)} px, "
            f"stride {_listed(self.strides)}.",
            "",
            *_table({"all": self.all, **self.sides}),
            "",
        ]
        for split, side in self.sides.items():
            lines.append(f"Sequences by {split} group: {_listed(side.groups, 8)}")
        if any(self.all.captions):
            lines.append(f"Sequences by caption: {_listed(self.all.captions, 8)}")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes())])

    def notes(self) -> list[str]:
        """What is likely to be a mistake."""
        notes: list[str] = []
        if self.all.still:
            shown = ", ".join(self.all.still[:3]) + (", …" if len(self.all.still) > 3 else "")
            notes.append(f"Next to nothing moves in {len(self.all.still)} sequence(s): {shown}.")
        if self.equal_sequences:
            notes.append(f"{self.equal_sequences} sequence(s) have the pixels of an earlier one.")
        if self.mirrored_sequences:
            notes.append(
                f"{self.mirrored_sequences} sequence(s) are the mirror image of an earlier one."
            )
        if self.shared_frames:
            notes.append(
                f"{self.shared_frames} held-out frame(s) are also trained on, so a score on them "
                "says little. Put sources that share material into one group."
            )
        if self.mirrored_frames:
            notes.append(
                f"{self.mirrored_frames} held-out frame(s) are the mirror image of a frame that is "
                "trained on. Put a clip and its mirrored twin into one group."
            )
        return notes


def dataset_stats(
    folder: Path, on_progress: Callable[[int, int], None] | None = None
) -> DatasetStats:
    """Read a dataset once and count.

    Args:
        folder: a dataset that ``build_dataset`` made.
        on_progress: called with the number of sequences read and of all.

    Raises:
        DatasetError: if the dataset or one of its files is damaged.
    """
    sequences = SequenceFolder(folder)
    entries = sequences.entries
    sides: dict[Split, _Side] = {side: _Side() for side in SPLITS}
    twins = Twins()
    for index, sequence in enumerate(sequences):
        sides[sequence.entry.split].take(sequence)
        twins.take(sequence)
        if on_progress is not None:
            on_progress(index + 1, len(sequences))
    return DatasetStats(
        folder=sequences.folder,
        file_bytes=_file_bytes(sequences.folder),
        layouts=_counts(entry.layout for entry in entries),
        cells=_counts(str(entry.cell_size) for entry in entries),
        strides=_counts(entry.stride for entry in entries),
        all=(sides["train"] + sides["held_out"]).stats(),
        sides={split: side.stats() for split, side in sides.items() if side.entries},
        equal_sequences=len(entries) - len({entry.sha256 for entry in entries}),
        mirrored_sequences=twins.num_mirrored_sequences,
        shared_frames=twins.num_shared_frames,
        mirrored_frames=twins.num_mirrored_frames,
    )


def moving_share(frames: FrameArray) -> float:
    """Share of pixels, 0 to 1, that change by more than ``MOVING_LEVELS`` to the next frame."""
    if len(frames) < 2:
        return 0.0
    before, after = frames[:-1], frames[1:]
    change = np.maximum(before, after) - np.minimum(before, after)  # stays within 8 bits
    return float((change > MOVING_LEVELS).any(axis=-1).mean())


@dataclass(slots=True)
class _Side:
    """Sums over the sequences of one side."""

    entries: list[Entry] = field(default_factory=list)
    moving: list[float] = field(default_factory=list)
    levels: Int64[np.ndarray, "3 256"] = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    """Pixels by level of red, green and blue."""

    def take(self, sequence: Sequence) -> None:
        self.entries.append(sequence.entry)
        self.moving.append(moving_share(sequence.frames))
        for channel in range(3):
            pixels = sequence.frames[..., channel].ravel()
            self.levels[channel] += np.bincount(pixels, minlength=256)

    def __add__(self, other: "_Side") -> "_Side":
        return _Side(
            self.entries + other.entries, self.moving + other.moving, self.levels + other.levels
        )

    def stats(self) -> SideStats:
        entries, level = self.entries, np.arange(256)
        num_pixels = self.levels[0].sum()
        means = self.levels @ level / num_pixels
        deviations = np.sqrt(np.maximum(self.levels @ level**2 / num_pixels - means**2, 0))
        return SideStats(
            sequences=len(entries),
            groups=_counts(entry.group for entry in entries),
            clips=len({entry.source for entry in entries}),
            frames=sum(len(entry.indices) for entry in entries),
            source_frames=len({(entry.source, i) for entry in entries for i in entry.indices}),
            captions=_counts(entry.caption for entry in entries),
            caption_bytes=_spread([len(entry.caption.encode()) for entry in entries]),
            moving=_spread(self.moving),
            still=tuple(
                entry.id
                for entry, share in zip(entries, self.moving, strict=True)
                if share < STILL_SHARE
            ),
            colour_mean=(float(means[0]), float(means[1]), float(means[2])),
            colour_std=(float(deviations[0]), float(deviations[1]), float(deviations[2])),
        )


def _spread(values: list[float] | list[int]) -> Spread:
    return Spread(smallest=min(values), median=median(values), largest=max(values))


def _counts(values: Iterable[Key]) -> dict[Key, int]:
    return dict(Counter(values).most_common())


def _file_bytes(folder: Path) -> int:
    files = [*folder.glob("*"), *(folder / SEQUENCES).glob("*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def _table(columns: dict[str, SideStats]) -> list[str]:
    rows: dict[str, list[str]] = {"": [name.replace("_", " ") for name in columns]}
    for stats in columns.values():
        for name, value in _rows(stats):
            rows.setdefault(name, []).append(value)
    width = 2 + max(len(value) for values in rows.values() for value in values)
    return [f"{name:<22}" + "".join(f"{v:>{width}}" for v in row) for name, row in rows.items()]


def _rows(stats: SideStats) -> Iterator[tuple[str, str]]:
    captions, moving = stats.caption_bytes, stats.moving
    yield "sequences", str(stats.sequences)
    yield "groups", str(len(stats.groups))
    yield "clips", str(stats.clips)
    yield "frames", str(stats.frames)
    yield "different frames", str(stats.source_frames)
    yield "with caption", str(stats.sequences - stats.captions.get("", 0))
    yield "caption bytes", f"{captions.smallest:g} to {captions.largest:g}"
    yield "moving pixels", f"{moving.smallest:.1%} to {moving.largest:.1%}"
    yield "  median", f"{moving.median:.1%}"
    yield "mean red, green, blue", _colour(stats.colour_mean)
    yield "  deviation", _colour(stats.colour_std)


def _colour(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:.0f}" for value in values)


def _listed(counts: Mapping[str, int] | Mapping[int, int], most: int = 4) -> str:
    """The most frequent, with how often they occur where there are several."""
    if len(counts) == 1:
        return str(next(iter(counts)))
    shown = [f"{name} ({count})" for name, count in list(counts.items())[:most]]
    return ", ".join(shown) + (f", … ({len(counts)} in all)" if len(counts) > most else "")
