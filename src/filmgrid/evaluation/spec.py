"""What an extractor states about itself, so that two reports can be compared. Free of torch.

A number such as FVD means nothing without its weights and its preprocessing: the same clips,
cropped instead of squashed, score differently. So everything that changes a feature is written
down here, and :attr:`Statement.fingerprint` is the hash of all of it.
"""

import hashlib
import json
from typing import Any, Literal

import numpy as np
from jaxtyping import Int
from pydantic import Field, model_validator

from filmgrid.errors import ShapeError
from filmgrid.settings import Settings

Triple = tuple[float, float, float]
"""One number per colour."""

Options = dict[str, bool | int | float | str]
"""Named settings of one extractor."""


class FrameChoice(Settings):
    """Which frames of a clip are looked at."""

    count: int | None = Field(default=None, ge=1)
    """Frames taken from each clip; None takes all, every ``stride``-th."""
    start: Literal["first", "centre", "random", "even"] = "first"
    """Where the taken frames lie: from the first on, in the middle, from a random frame on, or
    spread evenly from the first to the last."""
    stride: int = Field(default=1, ge=1)
    """Distance between taken frames; 1 takes consecutive ones. Does not count for even."""
    seed: int = Field(default=0, ge=0)
    """Seed of the random start; clip number i of a set draws from (seed, i)."""
    at_least: int = Field(default=1, ge=1)
    """Fewest frames that the features are defined on, after the choice."""

    @model_validator(mode="after")
    def _fits(self) -> "FrameChoice":
        if self.count is None and self.start != "first":
            raise ValueError(f"start {self.start!r} needs a count of frames to take.")
        if self.count is not None and self.count < self.at_least:
            raise ValueError(f"{self.count} frames are fewer than the {self.at_least} needed.")
        return self

    def needing(self, frames: int) -> "FrameChoice":
        """The same choice, refusing clips that leave fewer frames than this."""
        choice: Any = self.model_dump() | {"at_least": max(self.at_least, frames)}
        return FrameChoice(**choice)

    def indices(self, length: int, clip: int = 0) -> Int[np.ndarray, " frames"]:
        """Indices of the frames that are taken from one clip.

        Args:
            length: frames of the clip.
            clip: number of the clip in its set, for the random start.

        Raises:
            ShapeError: if the clip is too short.
        """
        if self.count is None:
            taken = np.arange(0, length, self.stride)
            if len(taken) < self.at_least:
                raise ShapeError(self._too_short(length, (self.at_least - 1) * self.stride + 1))
            return taken
        needed = self.count if self.start == "even" else (self.count - 1) * self.stride + 1
        if length < needed:
            raise ShapeError(self._too_short(length, needed))
        if self.start == "even":
            return np.linspace(0, length - 1, self.count).round().astype(np.int64)
        free = length - needed
        first = {"first": 0, "centre": free // 2}.get(self.start)
        if first is None:
            first = int(np.random.default_rng((self.seed, clip)).integers(free + 1))
        return first + self.stride * np.arange(self.count)

    def _too_short(self, length: int, needed: int) -> str:
        return f"{length} frames, and {needed} are needed. Leave it out, or use longer clips"


class Resize(Settings):
    """One step on the way to the size that the features are made for."""

    mode: Literal["squash", "crop", "inside"]
    """squash ignores the aspect; crop scales the shorter side and cuts the middle out; inside
    leaves it to the extractor's formula, or to the program that the weights come with."""
    size: int | None = Field(default=None, ge=1)
    """Side of the square that comes out, in pixels."""
    short_side: int | None = Field(default=None, ge=1)
    """Shorter side before the crop, in pixels; None for size."""
    filter: Literal["bilinear", "bicubic"] = "bilinear"
    """Interpolation between pixels."""
    align_corners: bool = False
    """Whether the centres of the corner pixels stay in the corners."""
    antialias: bool = False
    """Whether the filter widens when frames shrink, as Pillow's does."""
    rounding: Literal["none", "pillow", "down"] = "none"
    """How resized levels become whole again: not at all, to the nearest after the width and again
    after the height, as Pillow's do, or down at the end."""
    long_side: Literal["floor", "ceil"] = "floor"
    """How the longer side becomes whole before the crop."""

    @model_validator(mode="after")
    def _fits(self) -> "Resize":
        if (self.size is None) != (self.mode == "inside"):
            raise ValueError(f"resize mode {self.mode!r} does not fit size {self.size}.")
        if self.short_side is not None and (
            self.mode != "crop" or self.size is None or self.short_side < self.size
        ):
            raise ValueError("short_side belongs to mode crop, and is at least size.")
        return self


class Preprocessing(Settings):
    """From 8-bit sRGB frames to what the features are computed on."""

    frames: FrameChoice = FrameChoice()
    """Which frames are looked at."""
    resize: tuple[Resize, ...] = ()
    """How they are brought to size, step by step; without a step they keep theirs."""
    values: Literal["uint8", "float32"] = "float32"
    """uint8 hands the bytes on as they are; black, white, mean and std then do not count."""
    black: float = 0.0
    """What level 0 becomes."""
    white: float = 1.0
    """What level 255 becomes."""
    colours: Literal["rgb", "bgr"] = "rgb"
    """Order of the colours."""
    mean: Triple = (0.0, 0.0, 0.0)
    """Subtracted afterwards, per colour, in that order."""
    std: Triple = (1.0, 1.0, 1.0)
    """Divided by at last, per colour, in that order."""


class Weights(Settings):
    """Where the numbers of an extractor come from."""

    source: Literal["none", "seed", "file", "folder", "hub"] = "none"
    """none: a formula. seed: random numbers. The others are published or trained weights."""
    name: str = ""
    """Hub id, name of the file or folder, or the seed."""
    path: str | None = None
    """Where the file or folder was found."""
    revision: str | None = None
    """Commit on the Hub."""
    sha256: str | None = None
    """SHA-256 of the file; of a folder or random weights: see the extractor."""


class Statement(Settings):
    """Everything that decides what the features of a clip are."""

    name: str
    """Of the extractor."""
    version: int = 1
    """Counts up whenever our own definition changes a number."""
    weights: Weights = Weights()
    """Where its numbers come from."""
    preprocessing: Preprocessing = Preprocessing()
    """What is done to frames first."""
    layer: str
    """Which numbers of the network, or of the formula, are the features."""
    dim: int = Field(ge=1)
    """Numbers per feature vector."""
    unit: Literal["clip", "frame"] = "clip"
    """Whether a clip gives one vector, or one per frame."""
    options: Options = Field(default_factory=dict)
    """Further settings that change the numbers."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of this statement, 64 hexadecimal digits.

        Keys sorted, no spaces, ASCII. Weights count by their own SHA-256 where they have one, so
        that a copy under another name or path is the same instrument.
        """
        facts: dict[str, Any] = self.model_dump(mode="json")
        facts["weights"].pop("path")
        if self.weights.sha256 is not None:
            facts["weights"] = {"sha256": self.weights.sha256}
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()
