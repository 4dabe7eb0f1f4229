"""What a training run is: one frozen model for the shell, YAML and Python. Free of torch."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from filmgrid.data.augment_config import AugmentConfig
from filmgrid.data.degrade_config import DegradeConfig, SuperResolutionConfig
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout, check_stride
from filmgrid.settings import Settings


class WorldData(Settings):
    """Scenes of the procedural world, as many as wanted."""

    kind: Literal["world"] = "world"
    split: Literal["train", "held_out", "all"] = "train"
    """train leaves out the combinations that are held out to measure on."""
    turntables: float = Field(default=0.5, ge=0, le=1)
    """Share of turntables among single images, and among sequences of the lengths that have any;
    the others are scenes of flat things."""
    turntable_frames: tuple[int, ...] = (24,)
    """Lengths of the sequences that may be turntables; single images always may."""
    size: int = Field(default=1_000_000_000, ge=1)
    """Different scenes before they repeat; few, to see what a small dataset does."""
    coarse: bool = False
    """Whether captions of sequences say only what a single image shows, as those of GRID's first
    stage, which a model for images wrote."""
    weight: float = Field(default=1.0, gt=0)
    """How often this source is drawn, relative to the others."""
    augment: AugmentConfig = AugmentConfig()
    """Changes to each sequence; the world needs none."""


class FolderData(Settings):
    """Sequences of a dataset that ``filmgrid dataset build`` made."""

    kind: Literal["folder"] = "folder"
    folder: Path
    """The dataset."""
    split: Literal["train", "held_out"] = "train"
    """Which side of it."""
    weight: float = Field(default=1.0, gt=0)
    """How often this source is drawn, relative to the others."""
    augment: AugmentConfig = AugmentConfig()
    """Changes to each sequence."""


Share = Annotated[float, Field(ge=0, lt=1)]
Data = Annotated[WorldData | FolderData, Field(discriminator="kind")]


class ModelConfig(Settings):
    """Size of the grid transformer that is trained from scratch."""

    patch: int = Field(default=8, ge=1)
    """Pixels per token side."""
    dim: int = Field(default=256, ge=32)
    """Width of the stream."""
    depth: int = Field(default=6, ge=1)
    """Number of blocks."""
    head_dim: int = Field(default=64, ge=8)
    """Width of an attention head; divides dim."""
    max_words: int = Field(default=31, ge=1)
    """Words of a prompt that are read."""
    text_depth: int = Field(default=2, ge=0)
    """Layers of the text encoder."""
    positions: Literal["frames", "grid"] = "frames"
    """frames: a token knows its frame and its place there; grid: its row and column in the whole
    grid, as in image models (GRID, GriDiT's release)."""
    mixing: Literal["joint", "factorised"] = "joint"
    """joint: all tokens of a grid attend to each other; factorised: blocks within frames and
    across frames in turn, as in video models of stacked frames."""
    predicts: Literal["clean", "velocity", "noise"] = "clean"
    """What the last layer paints; noise, with its variance, for the objective iddpm."""
    copies: bool = True
    """Whether patches of known frames may be copied."""
    detail: int = Field(default=0, ge=0)
    """Blocks after the others, on tokens of half the patch, within frames, that add detail."""
    detail_dim: int = Field(default=128, ge=32)
    motion: int = Field(default=0, ge=0)
    """Blocks of motion compensation, which carries frames over from known ones."""
    motion_dim: int = Field(default=128, ge=32)
    """Width of those blocks' stream."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.dim % self.head_dim or self.dim % 64 or self.head_dim % 16:
            raise ValueError(
                f"dim {self.dim} is not a multiple of 64 and of head_dim {self.head_dim}, or that "
                "is not one of 16. "
                "Use for example dim 256 with head_dim 64."
            )
        if self.motion and self.motion_dim % self.head_dim:
            raise ValueError(
                f"With motion compensation, motion_dim ({self.motion_dim}) must be a multiple of "
                f"head_dim ({self.head_dim})."
            )
        if self.detail and (self.patch % 2 or self.detail_dim % self.head_dim):
            raise ValueError(
                f"With detail blocks, patch ({self.patch}) must be even and detail_dim "
                f"({self.detail_dim}) a multiple of head_dim ({self.head_dim})."
            )
        if self.predicts == "noise" and (self.copies or self.detail or self.motion):
            named = "detail" if self.detail else "motion" if self.motion else "copies"
            raise ValueError(
                f"{named} paints clean patches, and this model predicts noise. Set copies false, "
                "detail 0 and motion 0."
            )
        return self


class LoraSettings(Settings):
    """Low-rank changes to the matrices of the blocks; all other weights stay as they are."""

    rank: int = Field(default=16, ge=1)
    """Rank of each change. GRID has 16 to 256 at a width of 3072."""
    alpha: float | None = Field(default=None, gt=0)
    """The change is scaled by alpha / rank; by default alpha is the rank."""
    dora: bool = False
    """Learn the length of each row of the matrices apart (DoRA, arXiv:2402.09353)."""
    start_from: str | None = None
    """LoRA of a pretrained pipeline that this one begins as: a file, a folder, a run or a Hub id,
    of the same rank; by default no change."""


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
    run; by default random weights. It must have the architecture of ``model``, or less of depth
    and detail: what it lacks begins as no change."""
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


class CurriculumConfig(Settings):
    """Trainings one after the other, each going on from what the one before has learned.

    GRID has two: a coarse stage of many sequences, low resolution and automatic captions, and a
    fine one of few sequences, high resolution and precise captions (section 3.3).
    """

    kind: Literal["curriculum"] = "curriculum"
    out: Path
    """Folder of the runs: ``stage-1``, ``stage-2`` and so on."""
    base: dict[str, Any] = Field(default={})
    """Settings of a training that all stages share."""
    stages: tuple[dict[str, Any], ...] = Field(min_length=1)
    """Settings of each, over those of base; within optim, loss and the like only what is named
    changes."""

    @model_validator(mode="after")
    def _every_stage_can_be_trained(self) -> Self:
        for number in range(1, len(self.stages) + 1):
            self.stage(number)
        return self

    def stage(self, number: int) -> TrainConfig:
        """Settings of a stage, counted from 1; where it begins is not known before it does."""
        for key in ("out", "kind"):
            if key in self.base or key in self.stages[number - 1]:
                raise ValueError(f"stage {number} sets {key}, which belongs to the curriculum.")
        try:
            settings = _merged(self.base, self.stages[number - 1])
            return TrainConfig(out=self.out / f"stage-{number}", **settings)
        except (ConfigError, ShapeError) as error:
            raise ValueError(f"stage {number}: {error}") from error


AnyConfig = TrainConfig | UpscalerConfig | CurriculumConfig
"""What ``filmgrid train`` can be asked for."""


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with changes; tables of both are merged, all else is replaced."""
    both = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **changes, **both}
