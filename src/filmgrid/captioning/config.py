"""How a dataset gets its captions: one frozen model for the shell and Python. Free of torch."""

import string
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from filmgrid.settings import Settings

Style = Literal["coarse", "fine"]
HINT_FIELDS = ("stem", "parent", "group", "caption")


class CaptionConfig(Settings):
    """Caption the sequences of a dataset with a vision-language model.

    Raises:
        ConfigError: if a key is unknown or missing, or a value does not fit.
    """

    dataset: Path
    """Folder of the dataset."""

    model: str
    """Name of the model at the endpoint, such as gpt-4o; with local, a Hub id or a folder."""

    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint, such as http://localhost:11434/v1; by default
    OPENAI_BASE_URL, or else OpenAI's own. The key is OPENAI_API_KEY."""

    local: bool = False
    """Run the model here, by transformers, instead of asking an endpoint."""

    style: Style = "fine"
    """fine: subject, setting, motion and camera, then a caption that says how the frames follow
    each other (GRID's second stage); coarse: what is seen, in a sentence (its first)."""

    exemplars: Path | None = None
    """YAML of captions written by hand, which are shown to the model as answers of its own."""

    instructions: str = ""
    """More to tell the model, such as what all sequences have in common."""

    hint: str | None = None
    """What is known of a sequence, as text with {stem}, {parent}, {group} or {caption}."""

    max_words: int | None = Field(default=None, ge=4)
    """Longest caption, in words; a longer one is sent back."""

    show: Literal["grid", "frames"] = "grid"
    """What the model sees: the grid as one picture, or single frames, each a picture."""

    frames: int = Field(default=8, ge=1)
    """With show frames: how many, evenly spaced from the first to the last."""

    side: int = Field(default=1024, ge=64)
    """Longest side of a picture, in pixels: larger ones shrink, smaller ones grow by a whole
    factor."""

    split: Literal["train", "held_out"] | None = None
    """Side to caption; by default both."""

    replace: bool = False
    """Caption also sequences that have words already."""

    limit: int | None = Field(default=None, ge=1)
    """Caption at most so many sequences, to look at some first."""

    concurrency: int = Field(default=8, ge=1)
    """Requests under way at a time."""

    retries: int = Field(default=6, ge=0)
    """Further tries after a busy or failing server, with growing pauses."""

    timeout: float = Field(default=120.0, gt=0)
    """Seconds to wait for an answer."""

    attempts: int = Field(default=3, ge=1)
    """Answers to ask for until one can be used; each is told what was wrong with the last."""

    max_tokens: int = Field(default=500, ge=16)
    """Longest answer, in tokens."""

    temperature: float = Field(default=0.0, ge=0)
    """Of the model's choice of words."""

    price_in: float | None = Field(default=None, ge=0)
    """Price of a million tokens that are sent, in any currency, to say what it costs."""

    price_out: float | None = Field(default=None, ge=0)
    """Price of a million tokens that are answered."""

    cache: Path | None = None
    """SQLite file of all answers; by default captions.sqlite in the dataset."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """With local: where to compute."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """With local: of the weights; auto is bf16 where the machine multiplies it in hardware."""

    @field_validator("hint")
    @classmethod
    def _hint_has_known_fields(cls, value: str | None) -> str | None:
        for _, name, _, _ in string.Formatter().parse(value or ""):
            if name is not None and name not in HINT_FIELDS:
                known = ", ".join(f"{{{each}}}" for each in HINT_FIELDS)
                raise ValueError(f"{{{name}}} is not known in a hint. Use {known}.")
        return value

    @model_validator(mode="after")
    def _local_or_not(self) -> Self:
        if self.local and self.base_url is not None:
            raise ValueError("local runs the model here, and base_url asks another. Give one.")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("A cost needs both price_in and price_out.")
        return self

    @property
    def cache_file(self) -> Path:
        """Where answers are kept."""
        return self.cache or self.dataset / "captions.sqlite"
