"""The sequences of a dataset as training examples."""

from pathlib import Path

import numpy as np

from filmgrid.data.examples import Example
from filmgrid.data.manifest import Entry, Split, load_manifest
from filmgrid.data.sequences import SequenceFolder
from filmgrid.errors import DatasetError
from filmgrid.grid.spec import CellSize

CACHE_BYTES = 2**29
"""Decoded sequences that are kept in memory, since a training reads each many times."""


class FolderExamples:
    """Draws whole sequences, or windows of them for layouts with fewer cells.

    Args:
        folder: a dataset.
        split: side of it.
        cell: size that training expects.

    Raises:
        DatasetError: if the dataset is damaged, or its cells have another size.
    """

    def __init__(self, folder: Path, split: Split, cell: CellSize) -> None:
        self.sequences = SequenceFolder(folder, split, cache_bytes=CACHE_BYTES)
        for entry in self.sequences.entries:
            if entry.cell_size != cell:
                raise DatasetError(
                    f"The dataset {folder} has cells of {entry.cell_size} px, the training "
                    f"{cell}. Build it with --cell {cell.height}, or set cell in the training."
                )

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.sequences)

    @property
    def has_captions(self) -> bool:
        """Whether any sequence has a caption."""
        return any(entry.caption for entry in self.sequences.entries)

    @property
    def has_held_out(self) -> bool:
        """Whether the dataset keeps sequences for evaluation."""
        return any(entry.split == "held_out" for entry in load_manifest(self.sequences.folder))

    def check_length(self, entry: Entry, num_frames: int) -> None:
        """Refuse a sequence that has too few frames.

        Raises:
            DatasetError: with both numbers.
        """
        if len(entry.indices) < num_frames:
            raise DatasetError(
                f"The sequences of {self.sequences.folder} have {len(entry.indices)} frames, and a "
                f"layout of the training needs {num_frames}. Build the dataset with that layout, "
                "or train on a smaller one."
            )

    def draw(
        self, index: int, num_frames: int, cell: CellSize, rng: np.random.Generator
    ) -> Example:
        """Read a sequence; ``rng`` places a shorter window in it.

        Raises:
            DatasetError: if the layout in use has more cells than the sequence has frames.
        """
        self.check_length(self.sequences.entries[index], num_frames)
        sequence = self.sequences[index]
        start = int(rng.integers(len(sequence.frames) - num_frames + 1))
        return Example(sequence.frames[start : start + num_frames], sequence.caption)
