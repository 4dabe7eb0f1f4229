"""What a training run is: one frozen model for the shell, YAML and Python. Free of torch."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.data.degrade_config import DegradeConfig, SuperResolutionConfig
from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout, check_stride
from filmgrid.settings import Settings
from filmgrid.training.data_config import Data, WorldData
from filmgrid.training.learning_config import LayoutShare, LossConfig, NoiseConfig, OptimConfig
from filmgrid.training.model_config import LoraSettings, ModelConfig


class TrainConfig(Settings):
    """Everything that decides what a training run does; saved with every checkpoint."""

    out: Path
    """Folder of the run. If it holds checkpoints of the same run, training goes on from there."""
    name: str = "mini"
    """Name of the model, for people."""
    data: tuple[Data, ...] = Field(default=(WorldData(),), min_length=1)
    """Where sequences come from."""
    model: ModelConfig = ModelConfig()
    """Architecture."""
    start_from: str | None = None
    """Model whose weights the training begins with: a shipped one, or the folder of one or of a
    run; by default random weights. It must have the architecture of ``model``, or less of
    depth, detail and motion: what it lacks begins as no change, motion as next to none."""
    lora: LoraSettings | None = None
    """Train low-rank changes to the weights of start_from instead of all weights. Checkpoints
    hold the LoRA, as diffusers reads it; those of a grid transformer also hold the model with its
    changes merged."""
    quantize: Literal["none", "nf4", "int8", "fp8"] = "none"
    """Weights of a pretrained transformer in fewer bits, below the LoRA: nf4 by bitsandbytes, int8
    and fp8 by torchao."""
    shard: bool = False
    """Let the processes of a run share the weights out, block by block (FSDP2), instead of each
    holding all of them."""
    gradient_checkpointing: bool = False
    """Compute the blocks of a pretrained transformer again in the backward pass instead of
    remembering what they held: a third slower, in a fraction of the memory."""
    caching: bool = True
    """Of a pretrained pipeline: encode the prompts and frames of datasets once, before the
    training, and let go of the text encoders."""
    cache: Path | None = None
    """Folder for what is encoded, which runs may share; by default cache in out."""
    embedded_guidance: float = Field(default=1.0, ge=1)
    """Guidance that a model with guidance embedded, as FLUX.1-dev, is told in training."""
    train_only: Literal["all", "detail", "motion"] = "all"
    """Train the detail blocks or motion compensation alone; all other weights stay as they are. A
    step costs about half, and what the model can do already is not unlearned."""
    layouts: tuple[LayoutShare, ...] = Field(default=(LayoutShare(),), min_length=1)
    """Layouts to train on, and when; the first is the model's default."""
    cell: int = Field(default=32, ge=1)
    """Height and width of a cell, in pixels."""
    super_resolution: SuperResolutionConfig | None = None
    """Train what enlarges frames, instead of what makes them; cells are then the large frames, or
    crops of them. A layout of one cell enlarges each frame on its own; one of more, each frame
    beside its neighbours."""
    objective: Literal["flow", "iddpm"] = "flow"
    """flow: velocity at noise levels that noise says; iddpm: noise and its variance at the 1000
    timesteps of DDPM, all alike, which DiT and GriDiT were trained with. Fine-tunes their
    checkpoints, all weights; a grid transformer needs model.predicts noise for it."""
    loss: LossConfig = LossConfig()
    """What is minimised."""
    noise: NoiseConfig = NoiseConfig()
    """Noise levels."""
    keep_probability: float = Field(default=0.4, ge=0, le=1)
    """Share of sequences in which some cells stay clean, to be conditioned on."""
    degrade: DegradeConfig = DegradeConfig()
    """Sequences that are shown degraded; none by default."""
    caption_dropout: float = Field(default=0.1, ge=0, le=1)
    """Share of sequences whose caption is left out, for guidance."""
    wording: Wording = Wording.PREFIX
    """How prompts describe the layout."""
    wording_probability: float = Field(default=0.5, ge=0, le=1)
    """Share of captions that describe the layout; the others are the content alone."""
    optim: OptimConfig = OptimConfig()
    """Optimisers."""
    steps: int = Field(default=1000, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=32, ge=1)
    """Sequences of the default layout per process and backward pass; of smaller layouts there
    are more, so that a batch always has as many cells."""
    accumulation: int = Field(default=1, ge=1)
    """Backward passes per optimiser step."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the average of the weights, which is what gets sampled and saved."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""
    compile: bool = True
    """Compile the network; costs a minute per layout at the start, gains 1.2 to 1.5 times."""
    workers: int = Field(default=1, ge=0)
    """Processes that prepare batches; 0 prepares them in the training process."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two lines of the log."""
    save_every: int = Field(default=500, ge=1)
    """Steps between two checkpoints; there is always one at the end."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Newest checkpoints that are kept."""
    track: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)
    """Where curves and sample grids go besides the terminal and the folder of the run."""
    validate_every: int = Field(default=500, ge=0)
    """Steps between two rounds of sample grids; 0 makes none."""
    validation_prompts: tuple[str, ...] = Field(default=(), max_length=4)
    """Prompts of the sample grids, at most 4; by default captions of the data."""
    num_steps: int = Field(default=25, ge=1)
    """Sampling steps of the sample grids, and the model's default."""
    guidance_scale: float = Field(default=3.0, ge=0)
    """Guidance of the sample grids, and the model's default."""
    shift: float = Field(default=5.0, gt=0)
    """Shift of the sigma schedule in sampling, and the model's default; about exp(noise.mean)."""
    fps: float = Field(default=8.0, gt=0)
    """Frames per second that sequences of this model are shown at."""
    upscaler: str | None = None
    """Upscaler that doubles what the model paints wherever it is used, so that its cells are
    twice ``cell``: ``upscaler``, the shipped one, or a folder."""
    licence: str = "unknown"
    """Licence of the weights, an SPDX name where there is one."""
    push_to: str | None = None
    """Repository on the Hub, owner/name, that the finished model is pushed to with its card."""
    push_private: bool = True
    """Whether that repository, if it is made, is for its owner alone."""
    seed: int = Field(default=0, ge=0)
    """Decides weights, data order and noise; the same seed repeats the run on this machine."""

    @model_validator(mode="after")
    def _cells_hold_whole_tokens(self) -> Self:
        check_stride(self.cell_size, self.model.patch)
        return self

    @model_validator(mode="after")
    def _the_objective_has_its_levels(self) -> Self:
        if self.objective == "flow" and self.model.predicts == "noise":
            raise ValueError(
                "model.predicts noise is trained by the objective iddpm, and this one is flow. "
                "Set objective iddpm, or predict clean."
            )
        if self.objective == "iddpm":
            fields = type(self).model_fields
            names = ("noise", "degrade")
            other = [name for name in names if getattr(self, name) != fields[name].default]
            if other:
                raise ValueError(
                    f"The objective iddpm draws all timesteps alike, and {other[0]} sets other "
                    f"levels. Leave {other[0]} out, or use the objective flow."
                )
        return self

    @model_validator(mode="after")
    def _lora_changes_something(self) -> Self:
        if self.lora is not None and self.start_from is None:
            raise ValueError(
                "lora changes the weights of a model, and none is named. Set start_from, for "
                "example to mini, or leave lora out to train all weights."
            )
        return self

    @model_validator(mode="after")
    def _what_is_shared_out_is_whole(self) -> Self:
        if self.shard and self.quantize != "none":
            raise ValueError(
                f"shard shares out weights in 16 or 32 bits, and quantize is {self.quantize}. "
                "Leave one of them out."
            )
        return self

    @model_validator(mode="after")
    def _motion_has_frames_to_carry_over(self) -> Self:
        if self.model.motion and self.keep_probability == 0:
            raise ValueError(
                "model.motion carries over what cells that stay show, and keep_probability is 0. "
                "Set it, for example to 0.5, or model.motion to 0."
            )
        return self

    @model_validator(mode="after")
    def _there_is_what_alone_trains(self) -> Self:
        part = self.train_only
        if part == "all":
            return self
        there = bool(getattr(self.model, part))
        if not there or self.lora is not None:
            raise ValueError(
                f"train_only trains model.{part}, and "
                + ("lora is set too" if there else f"model.{part} is 0")
                + f". Set model.{part}, for example to 2, and leave lora out."
            )
        return self

    @model_validator(mode="after")
    def _some_layout_is_always_on(self) -> Self:
        reached = 0.0
        for share in sorted(self.layouts, key=lambda share: share.start):
            if share.start > reached:
                break
            reached = max(reached, share.end)
        if reached < 1:
            raise ValueError(
                f"no layout is trained on after {reached:g} of the training. Let the start and "
                "end of the layouts cover all of it, from 0 to 1."
            )
        return self

    @model_validator(mode="after")
    def _crops_fit_the_frames(self) -> Self:
        asked = self.super_resolution
        if asked is None:
            return self
        if self.upscaler is not None or self.lora is not None:
            other = "lora" if self.upscaler is None else "upscaler"
            raise ValueError(
                f"super_resolution trains all of a network that paints large frames, and {other} "
                "is set too. Leave it out."
            )
        side = self.frame_size.height
        if self.cell % asked.factor or side % asked.factor or side < self.cell:
            raise ValueError(
                f"Crops of {self.cell} px cannot be cut out of frames of {side} px that are "
                f"{asked.factor} times as large as small ones. Use multiples of {asked.factor}, "
                "crops no larger than the frames."
            )
        return self

    @property
    def cell_size(self) -> CellSize:
        """Height and width of a cell, in pixels."""
        return CellSize(self.cell, self.cell)

    @property
    def frame_size(self) -> CellSize:
        """Height and width of the data's frames, in pixels."""
        asked = self.super_resolution
        side = self.cell if asked is None or asked.frame is None else asked.frame
        return CellSize(side, side)

    @property
    def default_layout(self) -> Layout:
        """The first layout."""
        return Layout.parse(self.layouts[0].layout)
