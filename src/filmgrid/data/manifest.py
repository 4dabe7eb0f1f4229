"""The list of a dataset's sequences: ``manifest.jsonl``, one entry a line."""

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from filmgrid.data.files import atomic_path
from filmgrid.errors import DatasetError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.settings import explain
from filmgrid.types import FrameArray

MANIFEST = "manifest.jsonl"

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")


class Entry(BaseModel):
    """One sequence: where its frames are, where they came from, what they show."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(min_length=1)
    """Name of the sequence, made from its content."""

    frames: str
    """File of its grid, relative to the dataset's folder."""

    source: str
    """Clip it was taken from, relative to where the search began; ``PATH#CELL`` in a mosaic."""

    indices: tuple[int, ...]
    """Frame number in the source for every cell, from 0."""

    fps: float | None = Field(default=None, gt=0)
    """Frames per second of the source, where it has time."""

    layout: str
    """ROWSxCOLS of its grid."""

    cell: tuple[int, int]
    """Height and width of a frame, in pixels."""

    caption: str = ""
    """What it shows."""

    split: Split = "train"
    """Whether it may be trained on or is kept for evaluation."""

    group: str
    """Sequences of one group are always on the same side of the split."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the pixels of its frames and their shape."""

    @field_validator("frames")
    @classmethod
    def _file_stays_inside(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not value or path.is_absolute() or ".." in path.parts or "\\" in value or ":" in value:
            raise ValueError(
                f"{value!r} is not a path inside the dataset. "
                "Write it relative to the dataset's folder, for example sequences/0.png."
            )
        return value

    @model_validator(mode="after")
    def _frames_fill_the_grid(self) -> "Entry":
        cells = Layout.parse(self.layout).num_cells
        if len(self.indices) != cells:
            raise ValueError(
                f"{len(self.indices)} frame indices do not fill a {self.layout} grid of "
                f"{cells} cells."
            )
        if any(step < 1 for step in np.diff(self.indices)) or min(self.indices) < 0:
            raise ValueError("frame indices must be 0 or more and rise from cell to cell.")
        if min(self.cell) < 1:
            raise ValueError(f"cell {list(self.cell)} has no pixels.")
        return self

    @property
    def grid_layout(self) -> Layout:
        """Layout of its grid."""
        return Layout.parse(self.layout)

    @property
    def cell_size(self) -> CellSize:
        """Height and width of a frame, in pixels."""
        return CellSize(*self.cell)

    @property
    def stride(self) -> int:
        """Source frames from one frame to the next; 1 for a single frame."""
        return self.indices[1] - self.indices[0] if len(self.indices) > 1 else 1

    @property
    def sequence_fps(self) -> float | None:
        """Frames per second at which the sequence plays as fast as its source."""
        return self.fps / self.stride if self.fps else None


def content_hash(frames: FrameArray) -> str:
    """SHA-256 of the shape and pixels of frames, however they are stored or laid out."""
    shape = "x".join(str(side) for side in frames.shape)
    return hashlib.sha256(shape.encode() + np.ascontiguousarray(frames).tobytes()).hexdigest()


def load_manifest(folder: Path) -> list[Entry]:
    """Read the entries of a dataset, in order.

    Args:
        folder: the dataset, which holds ``manifest.jsonl``.

    Raises:
        DatasetError: if there is no manifest, it is empty, a line is damaged, or a group is on
            both sides of the split; the message has the line's number.
    """
    path = folder / MANIFEST
    try:
        # Not splitlines, which also breaks at characters that captions may hold (U+2028).
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{folder} is not a dataset: it has no {MANIFEST}. "
            "Build one with `filmgrid dataset build SOURCES --out DIR`."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    entries: list[Entry] = []
    line_of: dict[str, int] = {}
    side_of: dict[str, Split] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            raise DatasetError(
                f"{path}, line {number}: {explain(error, Entry.model_fields)}"
            ) from error
        if entry.id in line_of:
            raise DatasetError(
                f"{path}, line {number}: id {entry.id} is already on line {line_of[entry.id]}. "
                "Remove one of the two."
            )
        if side_of.setdefault(entry.group, entry.split) != entry.split:
            raise DatasetError(
                f"{path}, line {number}: group {entry.group} is {entry.split} here and "
                f"{side_of[entry.group]} above. Put all of a group on one side."
            )
        line_of[entry.id] = number
        entries.append(entry)
    if not entries:
        raise DatasetError(f"{path} lists no sequence. Build the dataset again.")
    return entries


def save_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the entries of a dataset, in order, one a line; the list before stays until then."""
    lines = (entry.model_dump_json() + "\n" for entry in entries)
    with atomic_path(folder / MANIFEST) as part:
        part.write_text("".join(lines), encoding="utf-8")
