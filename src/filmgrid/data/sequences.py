"""Read a dataset's sequences, one at a time: what training and evaluation see."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from filmgrid.data.manifest import Entry, Split, content_hash, load_manifest
from filmgrid.data.media import read_image
from filmgrid.data.mosaics import cut_image
from filmgrid.errors import DatasetError, MediaError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence: its frames in reading order, its words, and where it comes from."""

    frames: FrameArray
    caption: str
    layout: Layout
    entry: Entry


class SequenceFolder:
    """The sequences of one side of a dataset, in the order of its manifest.

    Only the manifest is read at first; frames are read when a sequence is asked for. May be
    sent to worker processes, each of which then keeps its own cache.

    Args:
        folder: a dataset that ``build_dataset`` made.
        split: ``"train"``, ``"held_out"``, or ``None`` for both.
        cache_bytes: keep the frames of the first sequences asked for in memory, up to so many
            bytes of pixels, instead of decoding them again; 0 keeps none.

    Raises:
        DatasetError: if there is no such split, it is empty, or the manifest is damaged.
    """

    def __init__(self, folder: Path, split: Split | None = None, *, cache_bytes: int = 0) -> None:
        self.folder = Path(folder)
        self.split: Split | None = split
        self._cache: dict[int, FrameArray] = {}
        self._room = cache_bytes
        self.entries = select_split(load_manifest(self.folder), split)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.entries)

    def __getitem__(self, index: int) -> Sequence:
        """Read a sequence.

        Raises:
            DatasetError: if its file is missing, damaged, or of another size than it should be.
        """
        entry = self.entries[index]
        if index in self._cache:
            frames = self._cache[index].copy()
        else:
            frames = self._read(entry)
            # Every epoch asks for all, so that dropping the oldest for the newest gains nothing.
            if frames.nbytes <= self._room:
                self._cache[index] = frames.copy()
                self._room -= frames.nbytes
        return Sequence(frames, entry.caption, entry.grid_layout, entry)

    def __iter__(self) -> Iterator[Sequence]:
        """Read all, in order."""
        return (self[index] for index in range(len(self)))

    def _read(self, entry: Entry) -> FrameArray:
        path = self.folder / entry.frames
        try:
            grid = read_image(path)
        except MediaError as error:
            raise DatasetError(f"Sequence {entry.id} cannot be read: {error}") from error
        layout = entry.grid_layout
        size = layout.grid_size(entry.cell_size)
        if grid.shape[:2] != size:
            raise DatasetError(
                f"{path} is {grid.shape[0]}x{grid.shape[1]}, but the manifest says a {layout} "
                f"grid of {entry.cell_size} cells, {size}. Build the dataset again."
            )
        return cut_image(grid, layout)

    def verify(self) -> None:
        """Read every file again and compare its pixels with the hash in the manifest.

        Raises:
            DatasetError: naming the first that is missing or was changed.
        """
        for entry in self.entries:
            if content_hash(self._read(entry)) != entry.sha256:
                raise DatasetError(
                    f"{self.folder / entry.frames} was changed since the dataset was built. "
                    "Build the dataset again."
                )


def select_split(entries: list[Entry], split: str | None) -> list[Entry]:
    """The entries of one side, in order; all of them for ``None``.

    Raises:
        DatasetError: if there is no such side, or nothing on it.
    """
    if split is None:
        return entries
    known = get_args(Split)
    if split not in known:
        raise DatasetError(f"There is no split {split!r}. Use {' or '.join(known)}.")
    chosen = [entry for entry in entries if entry.split == cast(Split, split)]
    if not chosen:
        raise DatasetError(
            f"The dataset has no {split} sequence among its {len(entries)}. Build it with other "
            "held-out groups, or use the other split."
        )
    return chosen
