"""What a model is asked to answer, and what can be used of what it did."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from filmgrid.captioning.config import Style
from filmgrid.settings import explain


class Answer(BaseModel):
    """One sentence, as models for images write them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    caption: str
    """The caption alone: one or two sentences in the present tense."""


class FineAnswer(BaseModel):
    """What must be looked at before the caption is written, in this order."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    subject: str
    """Who or what it is about, with colours and parts: a noun phrase."""

    setting: str
    """Where it is: background, light."""

    motion: str
    """What changes from the first frame to the last, in order, with directions as seen; for a
    turntable the sense of rotation as seen from above."""

    camera: str
    """How the camera moves, or that it stands still."""

    caption: str
    """All of it as one or two sentences in the present tense, for a text-to-video model."""


class UnusableError(Exception):
    """An answer that says nothing usable; the text tells the model why."""


def schema_of(style: Style) -> dict[str, Any] | None:
    """JSON schema of the answers in this style; ``None`` for plain text."""
    return FineAnswer.model_json_schema() if style == "fine" else None


def read_answer(text: str, style: Style, max_words: int | None = None) -> dict[str, str]:
    """Fields of an answer, ``caption`` among them, with its white space straightened.

    Args:
        text: what the model wrote; JSON may stand between other words.
        style: that it was asked for.
        max_words: of the caption.

    Raises:
        UnusableError: if it is not what was asked for.
    """
    fields = {"caption": text.strip().strip('"')} if style == "coarse" else _fields(text)
    try:
        answer = (FineAnswer if style == "fine" else Answer).model_validate(fields)
    except ValidationError as error:
        raise UnusableError(explain(error, FineAnswer.model_fields)) from error
    straight = {name: " ".join(value.split()) for name, value in answer.model_dump().items()}
    words = len(straight["caption"].split())
    if not words:
        raise UnusableError("The caption is empty.")
    if max_words is not None and words > max_words:
        raise UnusableError(f"The caption has {words} words, and at most {max_words} are wanted.")
    return straight


def _fields(text: str) -> Any:
    """The first JSON object of a text."""
    start = text.find("{")
    if start < 0:
        raise UnusableError("There is no JSON object in it.")
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except json.JSONDecodeError as error:
        raise UnusableError(f"Its JSON is broken: {error}.") from error
