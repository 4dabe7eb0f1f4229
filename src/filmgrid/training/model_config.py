"""What a training gives weights to: the grid transformer, or low-rank changes. Free of torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.settings import Settings


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
    """Width of those blocks' stream."""
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
