"""What a benchmark is: subjects, rounds, sizes. Free of torch."""

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.request import Task
from filmgrid.settings import Settings

PEERS = ("flux", "flux2-klein", "z-image", "cogvideox", "animatediff", "svd", "ltx", "wan")
"""Pipelines of diffusers that can be timed beside ours."""

ONE_GRID = [task for task in Task if task != Task.BETWEEN]
TASKS = {**{str(task): task for task in ONE_GRID}, "interpolate": Task.KEYFRAMES}
"""Tasks by the words that subjects use."""

Weights = Literal["trained", "random", "tiny"]
"""Trained, random in the published size, or random in a tiny size that says nothing of a peer."""


@dataclass(frozen=True, slots=True)
class ClipSize:
    """Frames, height and width in pixels."""

    frames: int
    height: int
    width: int

    @classmethod
    def parse(cls, text: str) -> "ClipSize":
        """Read ``"49x480x720"``.

        Raises:
            ConfigError: if it is not FRAMESxHEIGHTxWIDTH.
        """
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})", text)
        if match is None:
            raise ConfigError(
                f"{text!r} is not FRAMESxHEIGHTxWIDTH. Write for example 49x480x720, or "
                "1x1024x1024 for one image."
            )
        return cls(int(match[1]), int(match[2]), int(match[3]))

    def __str__(self) -> str:
        """FRAMESxHEIGHTxWIDTH."""
        return f"{self.frames}x{self.height}x{self.width}"


@dataclass(frozen=True, slots=True)
class Ours:
    """A task of a model of ours.

    Args:
        text: as it was named.
        model: as :class:`~filmgrid.generator.Generator` takes it.
        task: what is done.
        layout: of its grid, if it was named.
    """

    text: str
    model: str
    task: Task
    layout: Layout | None


@dataclass(frozen=True, slots=True)
class Theirs:
    """A pipeline of diffusers.

    Args:
        text: as it was named.
        name: one of :data:`PEERS`.
        place: a Hub id, a folder, ``random`` or ``tiny``.
        clip: size that was asked for; by default the published one.
    """

    text: str
    name: str
    place: str
    clip: ClipSize | None

    @property
    def weights(self) -> Weights:
        """What its weights are."""
        return "random" if self.place == "random" else "tiny" if self.place == "tiny" else "trained"


def parse_subject(text: str) -> Ours | Theirs:
    """Read ``MODEL[:TASK][:LAYOUT]`` or ``NAME=PLACE[@FRAMESxHEIGHTxWIDTH]``.

    Raises:
        ConfigError: if it is neither.
    """
    name, equals, place = text.partition("=")
    if equals and not re.search(r"[/\\:]", name):
        return _parse_peer(text, name, place)
    model, *rest = text.split(":")
    if len(model) == 1 and rest:  # C:\models\mine
        model += ":" + rest.pop(0)
    if model in PEERS:
        raise ConfigError(
            f"{model} needs weights. Write {model}=HUB_ID_OR_FOLDER, {model}=random for its "
            f"published size with random weights, or {model}=tiny to try the harness."
        )
    task, layout = Task.TEXT, None
    for place_in_text, word in enumerate(rest):
        if place_in_text == 0 and word in TASKS:
            task = TASKS[word]
        elif re.fullmatch(r"\d+\s*[x×X*]\s*\d+", word) and layout is None:
            layout = Layout.parse(word)
        else:
            raise ConfigError(
                f"{word!r} in {text} is neither a task nor a layout. Write MODEL:TASK:LAYOUT, "
                f"for example mini:image:4x4, with a task of {', '.join(TASKS)}."
            )
    if not model:
        raise ConfigError(f"{text!r} names no model. Write for example mini:text.")
    return Ours(text, model, task, layout)


class BenchConfig(Settings):
    """Time and weigh tasks, models and pipelines of diffusers side by side in one run."""

    subjects: tuple[str, ...]
    """MODEL:TASK[:LAYOUT] of ours, such as mini:image or mini:extend:4x8; or a pipeline of
    diffusers as NAME=HUB_ID_OR_FOLDER, NAME=random or NAME=tiny, with @FRAMESxHEIGHTxWIDTH after
    it for another size than the published one. Names: flux, flux2-klein, cogvideox, animatediff,
    svd, ltx, wan. The first is what the others are compared with."""
    rounds: int = Field(default=5, ge=1)
    """Times that each subject is timed, in turn with all others."""
    warmup: int = Field(default=1, ge=0)
    """Times that each runs before, besides the one that counts its operations."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps of all; by default each one's own."""
    layout: str | None = None
    """ROWSxCOLS of our subjects that name none; by default the model's."""
    cell: int | str | None = None
    """Size of a frame of ours in pixels: 64, or HEIGHTxWIDTH; by default the model's."""
    memory: bool = True
    """Whether memory is measured; on the CPU this takes a process of its own for each subject."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @field_validator("subjects")
    @classmethod
    def _subjects_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one, such as mini:text or flux=tiny.")
        for text in value:
            parse_subject(text)
            if value.count(text) > 1:
                raise ValueError(f"{text} is named twice. Name it once, with more rounds.")
        return value

    @field_validator("layout")
    @classmethod
    def _layout_can_be_read(cls, value: str | None) -> str | None:
        return None if value is None else str(Layout.parse(value))

    @field_validator("cell")
    @classmethod
    def _cell_can_be_read(cls, value: int | str | None) -> int | str | None:
        if value is not None:
            CellSize.parse(value)
        return value

    @property
    def parsed(self) -> tuple[Ours | Theirs, ...]:
        """The subjects, read."""
        return tuple(map(parse_subject, self.subjects))


def _parse_peer(text: str, name: str, rest: str) -> Theirs:
    if name not in PEERS:
        near = difflib.get_close_matches(name, PEERS, n=1)
        fix = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"{name!r} in {text} is no pipeline that can be timed. {fix}There are "
            f"{', '.join(PEERS)}."
        )
    place, at, size = rest.rpartition("@")
    if not at:
        place, size = rest, ""
    if not place:
        raise ConfigError(
            f"{text} names no weights. Write {name}=HUB_ID_OR_FOLDER, {name}=random or {name}=tiny."
        )
    return Theirs(text, name, place, ClipSize.parse(size) if at else None)
