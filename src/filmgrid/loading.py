"""How a pretrained model is brought into memory: one option for each switch. Free of torch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from filmgrid.errors import ConfigError
from filmgrid.settings import Settings

Fit = Literal["12gb", "16gb", "24gb", "48gb", "80gb"]


class Loading(Settings):
    """Where weights lie, in which numbers, and what is added to them. For pretrained pipelines."""

    transformer: Path | None = None
    """The network from a single file instead of the model's own: .safetensors as it was released,
    as other programs save it, or as diffusers does, or .gguf. The rest is the model's."""
    lora: tuple[str, ...] = ()
    """LoRAs to add: a file, a folder or a Hub id, with :WEIGHT behind it if it is not 1."""
    offload: Literal["none", "model", "group", "sequential"] = "none"
    """Keep weights in the machine's memory and bring to the GPU one network at a time (model),
    a layer at a time while the one before computes (group), or a layer at a time (sequential)."""
    quantize: Literal["none", "nf4", "int8", "fp8"] = "none"
    """Weights of the transformer in fewer bits: nf4 by bitsandbytes, int8 and fp8 by torchao."""
    attention: str = "auto"
    """Attention backend of diffusers, such as native, flash, _flash_3, sage or xformers."""
    compile: bool = False
    """Compile the blocks that repeat: a minute once, then faster steps."""
    step_cache: float | None = Field(default=None, gt=0)
    """Skip the blocks of a step whose first block hardly changed, by at most this much (0.05 to
    0.12): faster, and not the same picture."""
    devices: int = Field(default=1, ge=1, le=64)
    """Devices that share every pass of one network (context parallel of diffusers): sooner done,
    where one sequence is large enough to keep them all busy. Each holds the whole network."""
    fit_memory: Fit | None = None
    """Choose offload and quantize for a GPU of this size."""

    @property
    def loading(self) -> "Loading":
        """How the model is brought into memory, and nothing of what else is asked for."""
        return Loading(**{name: getattr(self, name) for name in Loading.model_fields})

    @property
    def lora_places(self) -> list[str]:
        """Where the LoRAs are."""
        return [parse_lora(text).place for text in self.lora]

    @model_validator(mode="after")
    def _bits_are_chosen_once(self) -> Self:
        if self.transformer and self.transformer.suffix == ".gguf" and self.quantize != "none":
            raise ValueError(
                f"The weights in {self.transformer} are in few bits already, and quantize is "
                f"{self.quantize}. Leave quantize out."
            )
        return self

    @field_validator("lora")
    @classmethod
    def _loras_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_lora(text)
        return value


@dataclass(frozen=True, slots=True)
class LoraChoice:
    """A LoRA and how much of it.

    Args:
        place: a file, a folder, or an id on the Hub.
        weight: 1 is as it was trained.
    """

    place: str
    weight: float = 1.0


def parse_lora(text: str) -> LoraChoice:
    """Read ``PLACE`` or ``PLACE:WEIGHT``.

    Raises:
        ConfigError: if there is no place, or the weight is no number.
    """
    place, colon, weight = text.rpartition(":")
    if not colon or re.fullmatch(r"[\\/].*", weight) or (len(place) == 1 and place.isalpha()):
        return LoraChoice(text)  # none, or the colon of a Windows drive
    try:
        return LoraChoice(place, float(weight))
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a LoRA: {weight!r} is no weight. Write PLACE:WEIGHT, such as "
            "lora.safetensors:0.8."
        ) from None
