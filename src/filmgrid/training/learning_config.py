"""What a training minimises, on which layouts and noise, and what moves the weights. Torch-free."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from filmgrid.grid.spec import Layout
from filmgrid.settings import Settings

Share = Annotated[float, Field(ge=0, lt=1)]


class LayoutShare(Settings):
    """A layout to train on, and how often."""

    layout: str = "4x4"
    """ROWSxCOLS."""
    weight: float = Field(default=1.0, gt=0)
    """How often, relative to the other layouts."""
    start: float = Field(default=0, ge=0, lt=1)
    """Share of the training after which it begins."""
    end: float = Field(default=1, gt=0, le=1)
    """Share of the training after which it ends; single images before grids teach words and
    looks at a sixteenth of the cost."""
    batch: int | None = Field(default=None, ge=1)
    """Sequences of this layout per process and backward pass; by default as many as have the
    cells of a batch of the default layout."""

    @field_validator("layout")
    @classmethod
    def _layout_can_be_read(cls, value: str) -> str:
        return str(Layout.parse(value))


class LossConfig(Settings):
    """Base loss and temporal loss."""

    temporal: Literal["grid", "grid-release", "none"] = "grid"
    """grid: frame differences with the row wrap, weight rising from 0 (GRID's paper);
    grid-release: constant weight, no row wrap (GRID's released code)."""
    temporal_weight: float | None = Field(default=None, ge=0)
    """Final weight of the temporal loss; by default 0.5 for grid and 0.1 for grid-release."""
    ramp: float = Field(default=0.5, gt=0, le=1)
    """Share of the training over which the weight rises from 0, linearly; grid only."""
    photometric: float = Field(default=1.0, ge=0)
    """Weight of what patches that were carried over miss, where a model has motion compensation;
    without it motion is learned only as far as its pixels are chosen already."""
    sigma_floor: float = Field(default=0.3, ge=0, le=1)
    """Velocity errors at sigmas below this weigh less, since there the clean prediction is
    divided by sigma: their weight is (sigma / floor) squared."""

    @property
    def weight(self) -> float:
        """Final weight of the temporal loss."""
        if self.temporal_weight is not None:
            return self.temporal_weight
        return {"grid": 0.5, "grid-release": 0.1, "none": 0.0}[self.temporal]


class NoiseConfig(Settings):
    """How noise levels are drawn."""

    kind: Literal["logit-normal", "uniform"] = "logit-normal"
    """logit-normal: ``sigmoid(N(mean, std))``, as GRID's release; uniform: as its paper. Those of a
    pretrained pipeline are then shifted as its schedule is."""
    mean: float = 1.6
    """For the default layout; above 0 emphasises high noise. A grid of pixels needs much: it
    repeats its content in every cell, so that even at sigma 0.98 the words are not needed to see
    what it shows. For other layouts it moves with the logarithm of the shift of the schedule."""
    std: float = Field(default=1.4, gt=0)
    """1 with mean 0 is the logit-normal of GRID's release."""


class OptimConfig(Settings):
    """Which optimisers move what, and how fast."""

    matrices: Literal["auto", "muon", "adamw"] = "auto"
    """What moves the matrices of the blocks, or of a LoRA: auto is Muon for a grid transformer
    whose weights all train, and AdamW for a LoRA. The rest is AdamW's."""
    adamw_bits: Literal[8, 32] = 32
    """Bits of a number that AdamW remembers; 8, by torchao, takes a quarter of the memory."""
    muon_lr: float = Field(default=0.02, gt=0)
    """Learning rate of the matrices, per unit of spectral norm."""
    muon_momentum: float = Field(default=0.95, ge=0, lt=1)
    """Momentum of Muon, in Nesterov's form."""
    adamw_lr: float | None = Field(default=None, gt=0)
    """Learning rate of AdamW; by default 1.2e-3 for a grid transformer of ours and its LoRAs, and
    1e-4 for LoRAs of pretrained pipelines."""
    adamw_betas: tuple[Share, Share] = (0.9, 0.98)
    """Decay rates of AdamW's moments."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay of the matrices."""
    warmup_steps: int = Field(default=50, ge=0)
    """Steps over which learning rates rise from 0."""
    decay: float = Field(default=0.4, ge=0, le=1)
    """Share of the training, at its end, over which learning rates fall to 0."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
