"""The conversation that a model is shown: instructions, exemplars, then the sequence."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from filmgrid.captioning.answers import UnusableError, read_answer, schema_of
from filmgrid.captioning.config import CaptionConfig
from filmgrid.data.manifest import Entry, content_hash
from filmgrid.data.media import read_grid
from filmgrid.data.mosaics import pack_image
from filmgrid.data.pictures import with_longest_side
from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.settings import explain
from filmgrid.types import FrameArray, ImageArray

COARSE = (
    "You caption pictures for the training of an image model. {seen} "
    "Say in one sentence what is seen, as one would of a photograph: the subject, what it does, "
    "and where. Answer with that sentence alone.{length}"
)
FINE = (
    "You caption sequences of frames for the training of a video model. {seen} "
    "Look at the first frame, then at what differs from each frame to the next. Say only what "
    "can be seen; directions are those of the picture (left, right, up, down, towards the "
    "camera), and order in time matters: what happens first, what then. Never mention frames, "
    "cells, grids or pictures: the caption describes the scene as it happens. Answer with one "
    "JSON object and nothing else, its keys in this order:\n{fields}{length}"
)
SEEN_GRID = (
    "Each picture is a grid of {rows} rows and {cols} columns; its {cells} cells are the frames "
    "of one sequence in reading order, from left to right and then from top to bottom."
)
SEEN_FRAMES = "The pictures of each message are frames of one sequence, evenly spaced, in order."
SEEN_ONE = "Each picture is a single image."
LENGTH = "\nThe caption has at most {words} words."
ASK = "Caption this sequence."
KNOWN = "{ask} What is known of it: {hint}"
AGAIN = "That cannot be used. {why} Answer again, as you were asked to."


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: its words, and pictures that stand before them."""

    role: Literal["system", "user", "assistant"]
    text: str
    pictures: tuple[ImageArray, ...] = ()


class _Shown(BaseModel):
    """One exemplar of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: str | None = None
    file: str | None = None
    layout: str | None = None
    hint: str = ""
    answer: dict[str, str]

    @model_validator(mode="after")
    def _shows_something(self) -> "_Shown":
        if (self.sequence is None) == (self.file is None):
            raise ValueError("give either sequence, an id of the dataset, or file, a grid picture.")
        if (self.file is None) != (self.layout is None):
            raise ValueError("layout says how the picture of file is laid out, as 4x4. Give both.")
        return self


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A caption written by hand."""

    frames: FrameArray
    layout: Layout
    hint: str
    answer: dict[str, str]


def load_exemplars(
    path: Path, find: Callable[[str], tuple[FrameArray, Layout]], config: CaptionConfig
) -> list[Exemplar]:
    """Read exemplars and their pictures.

    Args:
        path: YAML list; each entry has ``sequence`` (an id of the dataset) or ``file`` (a grid
            picture beside the YAML, and its ``layout``), ``answer`` (the fields of the style) and
            perhaps ``hint``.
        find: frames and layout of a sequence of the dataset.
        config: whose style the answers must have.

    Raises:
        ConfigError: if it cannot be read, or an answer is not as the style wants it.
        MediaError: if a picture cannot be read.
    """
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())[:160]
        raise ConfigError(f"The exemplars {path} cannot be read: {text}.") from error
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{path} has no exemplars: it must be a list of entries with answer.")
    exemplars = []
    for number, each in enumerate(listed, start=1):
        place = f"{path}, exemplar {number}"
        try:
            shown = _Shown.model_validate(each)
            said = json.dumps(shown.answer) if config.style == "fine" else None
            answer = read_answer(said or shown.answer.get("caption", ""), config.style)
        except ValidationError as error:
            raise ConfigError(f"{place}: {explain(error, _Shown.model_fields)}") from error
        except UnusableError as error:
            raise ConfigError(f"{place}, answer: {error}") from error
        if shown.sequence is not None:
            frames, layout = find(shown.sequence)
        else:
            assert shown.file is not None and shown.layout is not None
            layout = Layout.parse(shown.layout)
            frames = read_grid(path.parent / shown.file, layout).frames
        exemplars.append(Exemplar(frames, layout, shown.hint, answer))
    return exemplars


class Conversation:
    """What is said to the model about every sequence.

    Args:
        config: how sequences are shown, and what is asked.
        exemplars: answers written by hand.
    """

    def __init__(self, config: CaptionConfig, exemplars: list[Exemplar]) -> None:
        self.config = config
        self.schema: dict[str, Any] | None = schema_of(config.style)
        self._exemplars = exemplars
        self._versions: dict[Layout, str] = {}

    def version(self, layout: Layout) -> str:
        """Changes with every word and picture that is said before the sequence."""
        if layout in self._versions:
            return self._versions[layout]
        said = hashlib.sha256()
        for turn in self._before(layout):
            said.update(repr((turn.role, turn.text)).encode())
            for picture in turn.pictures:
                said.update(content_hash(picture[None]).encode())
        config = self.config
        shown = (config.show, config.frames if config.show == "frames" else 0, config.side)
        said.update(repr((self.schema, config.max_words, config.temperature, shown)).encode())
        return self._versions.setdefault(layout, said.hexdigest()[:16])

    def turns(self, frames: FrameArray, layout: Layout, hint: str) -> list[Turn]:
        """All messages about one sequence."""
        return [*self._before(layout), self._ask(frames, layout, hint)]

    def hint_of(self, entry: Entry) -> str:
        """What is known of a sequence."""
        if self.config.hint is None:
            return ""
        source = PurePosixPath(entry.source.partition("#")[0])
        fields = {"stem": source.stem, "parent": source.parent.name, "group": entry.group}
        return self.config.hint.format(**fields, caption=entry.caption).strip()

    def _before(self, layout: Layout) -> list[Turn]:
        config = self.config
        if layout.num_cells == 1:
            seen = SEEN_ONE
        elif config.show == "frames":
            seen = SEEN_FRAMES
        else:
            seen = SEEN_GRID.format(rows=layout.rows, cols=layout.cols, cells=layout.num_cells)
        length = LENGTH.format(words=config.max_words) if config.max_words else ""
        fields = ""
        if self.schema is not None:
            listed = self.schema["properties"].items()
            fields = "\n".join(
                f"- {name}: {' '.join(said['description'].split())}" for name, said in listed
            )
        text = (FINE if config.style == "fine" else COARSE).format(
            seen=seen, length=length, fields=fields
        )
        turns = [Turn("system", f"{text}\n{config.instructions}".strip())]
        for each in self._exemplars:
            turns.append(self._ask(each.frames, each.layout, each.hint))
            plain = each.answer["caption"]
            said = json.dumps(each.answer, ensure_ascii=False) if self.schema else plain
            turns.append(Turn("assistant", said))
        return turns

    def _ask(self, frames: FrameArray, layout: Layout, hint: str) -> Turn:
        config = self.config
        if config.show == "grid":
            shown = [pack_image(frames, layout)]
        else:
            count = min(config.frames, len(frames))
            shown = [
                frames[at] for at in np.linspace(0, len(frames) - 1, count).round().astype(int)
            ]
        text = KNOWN.format(ask=ASK, hint=hint) if hint else ASK
        return Turn("user", text, tuple(with_longest_side(image, config.side) for image in shown))
