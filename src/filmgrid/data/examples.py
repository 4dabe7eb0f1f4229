"""What training asks of a source of sequences. Free of torch."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from filmgrid.grid.spec import CellSize
from filmgrid.types import FrameArray


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence to learn from: its frames and what they show, in words."""

    frames: FrameArray
    caption: str


class ExampleSource(Protocol):
    """Sequences by number: an endless world, or a dataset on disk."""

    @property
    def has_captions(self) -> bool:
        """Whether any sequence has a caption."""
        ...

    def __len__(self) -> int:
        """Number of different sequences."""
        ...

    def draw(
        self, index: int, num_frames: int, cell: CellSize, rng: np.random.Generator
    ) -> Example:
        """Give sequence ``index`` with ``num_frames`` frames; choices it leaves open use ``rng``.

        Args:
            index: in ``[0, len(self))``.
            num_frames: frames wanted, one per cell of the layout in use.
            cell: height and width of each frame in pixels.
            rng: belongs to this sample, so that the same sample is drawn again on resume.
        """
        ...
