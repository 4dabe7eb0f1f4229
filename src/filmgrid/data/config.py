"""What a dataset is made of: one frozen model for the shell, YAML and Python.

Free of torch, numpy and Pillow, so that help screens come at once.
"""

import re
import string
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from filmgrid.grid.spec import CellSize, Layout
from filmgrid.settings import Settings

Fit = Literal["crop", "pad", "resize"]
TEMPLATE_FIELDS = ("stem", "parent", "group")


class DatasetConfig(Settings):
    """Which sources become which sequences, and where they go.

    Every combination that cannot work is refused here, before a file is opened.

    Raises:
        ConfigError: if a key is unknown or missing, or a value does not fit.
    """

    # One help line each: help screens keep line breaks.
    sources: tuple[Path, ...]
    """Videos, folders of frames, strips, or folders that hold any of these at any depth."""

    out: Path
    """Folder of the new dataset; it must be new or empty, unless overwrite is set."""

    layout: str = "4x4"
    """ROWSxCOLS of the grid that one sequence fills."""

    cell: int | str = 64
    """Size of a frame in the grid, in pixels: 64, or HEIGHTxWIDTH."""

    stride: int = Field(default=1, ge=1)
    """Source frames from one frame of a sequence to the next; 1 takes every frame."""

    step: int | None = Field(default=None, ge=1)
    """Source frames from the start of one sequence to the next; by default they do not overlap."""

    held_out_step: int | None = Field(default=None, ge=1)
    """As step, for held-out sequences; by default they do not overlap, so that each counts once."""

    tail: Literal["drop", "back"] = "drop"
    """Frames after the last whole sequence: drop them, or add a sequence moved back over them."""

    fit: Fit | None = None
    """How frames of another size become cells: crop, pad or resize; by default they may not."""

    mosaic: str | None = None
    """ROWSxCOLS of clips inside every frame of the sources, if each frame is a grid of clips."""

    mosaic_gap: int = Field(default=0, ge=0)
    """Pixels between the clips of a mosaic."""

    mosaic_margin: int | None = Field(default=None, ge=0)
    """Pixels around a mosaic; by default as many as between its clips."""

    strip_width: int | None = Field(default=None, ge=1)
    """Width of one frame in pixels, if images are strips: frames side by side."""

    captions: Path | None = None
    """A metadata.jsonl (lines of file_name, text) kept away from the sources it names."""

    caption_template: str | None = None
    """Caption of sources without another, made from {stem}, {parent} and {group}."""

    group: str | None = None
    r"""Regular expression whose (...) in a source's path is its group: 'person(\d+)_'."""

    group_divide: int | None = Field(default=None, ge=1)
    """Divide a numeric group by this, without the rest: with 8, files 0-7 are group 0."""

    held_out_fraction: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the groups to hold out; a group stays on its side when sources are added."""

    held_out_groups: tuple[str, ...] = ()
    """Groups to hold out by name, instead of by share; without group, a source is its own."""

    seed: int = 0
    """Draws the held-out groups; nothing else is random."""

    max_sequences_per_clip: int | None = Field(default=None, ge=1)
    """Stop reading a source after so many sequences of each of its clips."""

    skip_bad: bool = False
    """Go on when a source cannot be used, and say so in the report, instead of stopping."""

    overwrite: bool = False
    """Replace the dataset that is already in the output folder."""

    @field_validator("sources", mode="before")
    @classmethod
    def _at_least_one_source(cls, value: object) -> object:
        if isinstance(value, str | Path):
            return (value,)
        if not value:
            raise ValueError("there is none. Give videos, folders of frames, or strips.")
        return value

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
        CellSize.parse(value)
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
    def _options_agree(self) -> "DatasetConfig":
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
        if self.held_out_step and not (self.held_out_fraction or self.held_out_groups):
            raise ValueError(
                "held_out_step means nothing when nothing is held out. "
                "Add held_out_fraction or held_out_groups."
            )
        return self

    @property
    def grid_layout(self) -> Layout:
        """Layout of one sequence."""
        return Layout.parse(self.layout)

    @property
    def cell_size(self) -> CellSize:
        """Height and width of one frame of a sequence, in pixels."""
        return CellSize.parse(self.cell)

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

    def for_held_out(self) -> "DatasetConfig":
        """The same, with the step of held-out sequences."""
        return self.model_copy(update={"step": self.held_out_step})
