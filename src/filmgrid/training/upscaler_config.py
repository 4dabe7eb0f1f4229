"""What a training of the network that doubles frames is. Free of torch."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.settings import Settings
from filmgrid.training.data_config import Data, FolderData, WorldData


class UpscalerConfig(Settings):
    """A training of the network that doubles frames; saved with its checkpoint."""

    kind: Literal["upscaler"] = "upscaler"
    out: Path
    """Folder of the run. If it holds a checkpoint of the same run, training goes on from there."""
    data: tuple[Data, ...] = Field(default=(WorldData(),), min_length=1)
    """Where frames come from."""
    sides: tuple[int, ...] = Field(default=(64, 128, 256), min_length=1)
    """Sides of the sharp frames in pixels, even; they are cut into tiles of the smallest. A
    dataset on disk has one size, and it must be the only one here."""
    side_weights: tuple[float, ...] = (0.6, 0.25, 0.15)
    """How often each is drawn."""
    width: int = Field(default=48, ge=1)
    """Channels inside the network."""
    depth: int = Field(default=6, ge=0)
    """Residual blocks."""
    noise: float = Field(default=8.0, ge=0)
    """Largest standard deviation of noise on the small frames, in levels of 255; each tile has
    its own, and half of them none. It makes up for what generated frames are short of."""
    blur: float = Field(default=0.6, ge=0)
    """Largest standard deviation of their blur, in pixels; half of the tiles have none."""
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of AdamW."""
    warmup_steps: int = Field(default=50, ge=0)
    """Steps over which it rises from 0."""
    decay: float = Field(default=0.6, ge=0, le=1)
    """Share of the training, at its end, over which it falls to 0."""
    steps: int = Field(default=2000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=32, ge=1)
    """Tiles per step."""
    save_every: int = Field(default=200, ge=1)
    """Steps between two checkpoints."""
    log_every: int = Field(default=20, ge=1)
    """Steps between two lines of the log."""
    workers: int = Field(default=1, ge=0)
    """Processes that prepare batches; 0 prepares them in the training process."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    seed: int = Field(default=0, ge=0)
    """Decides weights, data order and degradation."""

    @model_validator(mode="after")
    def _sides_are_whole_tiles(self) -> Self:
        least = min(self.sides)
        if least < 2 or any(side % least or side % 2 for side in self.sides):
            raise ValueError(
                f"The sides {self.sides} cannot be cut into tiles of {least} px, or are odd. Use "
                "even multiples of the smallest, such as 64 128 256."
            )
        if len(self.sides) != len(self.side_weights) or min(self.side_weights) <= 0:
            raise ValueError(
                f"{len(self.sides)} sides have {len(self.side_weights)} weights. Give each side "
                "one, above 0."
            )
        if len(self.sides) > 1 and any(isinstance(data, FolderData) for data in self.data):
            raise ValueError(
                f"A dataset on disk has frames of one size, and sides has {len(self.sides)}. Give "
                "only the side of its cells."
            )
        return self
