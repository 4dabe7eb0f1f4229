"""What can be asked of an evaluation on the world. Free of torch."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.settings import Settings

QUICK = 32
"""Sequences of each figure in a quick evaluation."""


class BarsConfig(Settings):
    """Measure a model on the world: each figure beside its bars."""

    model: str
    """Name of a shipped model, or the folder of a trained one."""
    quick: bool = False
    """32 sequences a figure; the default."""
    full: bool = False
    """200 prompts or 100 sequences a figure, as the bars are meant."""
    count: int | None = Field(default=None, ge=1)
    """So many sequences a figure, instead of quick or full."""
    only: tuple[str, ...] = ()
    """Names of the figures to measure; by default all."""
    base: str | None = None
    """A model trained on stills alone, that the stills of this one are compared with."""
    work: Path = Path("runs/bars")
    """Folder that keeps what was judged, so that an evaluation that was stopped goes on."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps; by default the model's."""
    guidance: float | None = Field(default=None, ge=0)
    """Guidance; by default the model's."""
    edit_sigma: float = Field(default=0.85, ge=0, le=1)
    """Noise level that edits start from."""
    restore_sigma: float = Field(default=0.6, ge=0, le=1)
    """Noise level that restorations start from."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the scenes and of the noise."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.quick + self.full + (self.count is not None) > 1:
            raise ValueError("quick, full and count each say how many sequences. Give one of them.")
        return self

    def count_of(self, full: int) -> int:
        """Sequences of a figure that has so many in a full evaluation."""
        return self.count or (full if self.full else QUICK)
