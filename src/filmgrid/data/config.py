"""What a dataset is made of: one frozen model for the shell, YAML and Python. Free of torch."""

import re
import string
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from filmgrid.grid.spec import CellSize, Layout

Fit = Literal["crop", "pad", "resize"]
TEMPLATE_FIELDS = ("stem", "parent", "group")


def explain(error: ValidationError) -> str:
    """Say in one line what a pydantic model did not accept, where, and what arrived instead."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{place}: {message}" if place else message
    if first["type"] == "extra_forbidden":
        return f"{place} is not a known key. Check its spelling, or leave it out."
    if first["type"] == "missing":
        return f"{place} is missing."
    return f"{place}: {message} (got {first['input']!r})."


def parse_cell(text: int | str) -> CellSize:
    """Read ``64`` (square) or ``"48x64"`` (48 high, 64 wide), in pixels.

    Raises:
        ValueError: if it is neither, or a side is 0.
    """
    match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[x×X*]\s*(\d{1,5}))?\s*", str(text))
    size = match and CellSize(int(match[1]), int(match[2] or match[1]))
    if not size or min(size) < 1:
        raise ValueError(
            f"{text!r} is not the size of a cell. Write a number of pixels such as 64, "
            "or HEIGHTxWIDTH such as 48x64."
        )
    return size


class DatasetConfig(BaseModel):
    """Which sources become which sequences, and where they go.

    Every combination that cannot work is refused here, before a file is opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sources: tuple[Path, ...] = Field(min_length=1)
    """Videos, folders of frames, strips, or folders that hold any of these at any depth."""

    out: Path
    """Folder of the new dataset; it must not exist or be empty, unless overwrite is set."""

    layout: str = "4x4"
    """ROWSxCOLS of the grid that one sequence fills."""

    cell: int | str = 64
    """Size of a frame in the grid, in pixels: 64, or HEIGHTxWIDTH."""

    stride: int = Field(default=1, ge=1)
    """Source frames from one frame of a sequence to the next; 1 takes every frame."""

    step: int | None = Field(default=None, ge=1)
    """Source frames from the start of one sequence to the start of the next; by default
    frames x stride, so that sequences do not overlap."""

    tail: Literal["drop", "back"] = "drop"
    """What becomes of the frames after the last whole sequence: dropped, or covered by one
    more sequence that is moved back so as to end with the source (it overlaps the one before)."""

    fit: Fit | None = None
    """How frames of another size become cells: crop the middle, pad to the shape, or resize
    (which distorts). Without it other sizes are refused."""

    mosaic: str | None = None
    """ROWSxCOLS of clips inside every frame of the sources, if each frame is a grid of clips."""

    mosaic_gap: int = Field(default=0, ge=0)
    """Pixels between the clips of a mosaic."""

    mosaic_margin: int | None = Field(default=None, ge=0)
    """Pixels around a mosaic; by default as many as between its clips."""

    strip_width: int | None = Field(default=None, ge=1)
    """Width of one frame, in pixels, if images are strips: frames side by side."""

    captions: Path | None = None
    """A metadata.jsonl kept away from the sources; each line has file_name (a source, or a
    folder of sources, relative to where the search began) and text."""

    caption_template: str | None = None
    """Caption of sources that have no other, made from {stem}, {parent} and {group}."""

    group: str | None = None
    """Regular expression with one pair of parentheses, searched in the path of a source
    relative to where the search began (a clip of a mosaic is PATH#CELL); what it captures is
    the group, and a group is never split. By default every clip is its own group."""

    group_divide: int | None = Field(default=None, ge=1)
    """Divide a numeric group by this, without the rest: with 8, files 0-7 are group 0."""

    held_out_fraction: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the groups to hold out, drawn by a hash of seed and group: adding sources
    moves no group to the other side."""

    held_out_groups: tuple[str, ...] = ()
    """Groups to hold out by name, instead of by share."""

    seed: int = 0
    """Draws the held-out groups; nothing else is random."""

    max_sequences_per_clip: int | None = Field(default=None, ge=1)
    """Stop reading a source after so many sequences of each of its clips."""

    skip_bad: bool = False
    """Go on when a source cannot be used, and say so in the report, instead of stopping."""

    overwrite: bool = False
    """Replace the dataset that is already in the output folder."""

    @field_validator("layout")
    @classmethod
    def _layout_can_be_read(cls, value: str) -> str:
        return str(Layout.parse(value))

    @field_validator("mosaic")
    @classmethod
    def _mosaic_can_be_read(cls, value: str | None) -> str | None:
        return None if value is None else str(Layout.parse(value))

    @field_validator("cell")
    @classmethod
    def _cell_can_be_read(cls, value: int | str) -> int | str:
        parse_cell(value)
        return value

    @field_validator("caption_template")
    @classmethod
    def _template_can_be_filled(cls, value: str | None) -> str | None:
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(value or "")]
        except ValueError as error:
            raise ValueError(
                f"{value!r} is not a template ({error}). Write {{{{ for a plain brace."
            ) from error
        for name in names:
            if name is not None and name not in TEMPLATE_FIELDS:
                known = ", ".join(f"{{{known}}}" for known in TEMPLATE_FIELDS)
                raise ValueError(f"{{{name}}} is not known in a caption. Use {known}.")
        return value

    @field_validator("group")
    @classmethod
    def _group_captures_once(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            captures = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}.") from error
        if captures != 1:
            raise ValueError(
                f"{value!r} captures {captures} groups, not one. Put exactly one pair of "
                r"parentheses around what names the group, for example 'person(\d+)_', and "
                "write (?:...) for any other."
            )
        return value

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        if self.mosaic and self.strip_width:
            raise ValueError(
                "mosaic and strip_width cannot be used together: frames are either cut out of "
                "mosaics or out of strips. Build two datasets, or leave one out."
            )
        if not self.mosaic and (self.mosaic_gap or self.mosaic_margin is not None):
            raise ValueError(
                "mosaic_gap and mosaic_margin mean nothing without mosaic. "
                "Add mosaic as ROWSxCOLS, for example 6x8."
            )
        if self.group_divide is not None and self.group is None:
            raise ValueError(
                "group_divide needs group, a regular expression that captures a number, "
                r"for example '(\d+)\.jpg$'."
            )
        if self.held_out_fraction and self.held_out_groups:
            raise ValueError(
                "held_out_fraction and held_out_groups cannot be used together. "
                "Hold out a share of the groups, or name them."
            )
        return self

    @property
    def grid_layout(self) -> Layout:
        """Layout of one sequence."""
        return Layout.parse(self.layout)

    @property
    def cell_size(self) -> CellSize:
        """Height and width of one frame of a sequence, in pixels."""
        return parse_cell(self.cell)

    @property
    def mosaic_layout(self) -> Layout | None:
        """Layout of the clips inside every frame, if the sources are mosaics."""
        if self.mosaic is None:
            return None
        return Layout.parse(self.mosaic, self.mosaic_gap, self.mosaic_margin)

    @property
    def span(self) -> int:
        """Source frames from the first to the last frame of a sequence, both counted."""
        return (self.grid_layout.num_cells - 1) * self.stride + 1

    @property
    def window_step(self) -> int:
        """Source frames from the start of one sequence to the start of the next."""
        return self.step or self.grid_layout.num_cells * self.stride
