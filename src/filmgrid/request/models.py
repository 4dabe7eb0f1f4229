"""What can be asked about a model: its costs, what LoRAs do to it, how it holds a grid.

Free of torch.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import Layout
from filmgrid.loading import Loading
from filmgrid.request import GenerateRequest
from filmgrid.settings import Settings


class PlanRequest(Settings):
    """What a generation would take, before anything is downloaded."""

    model: str = "mini"
    """Name of a shipped model or of a known one such as flux1-dev, a Hub id, or a folder."""
    layout: str | None = None
    """ROWSxCOLS of the grid."""
    frames: int | None = Field(default=None, ge=1, le=4096)
    """Frames of a sequence, instead of a layout: the squarest grid of so many cells is taken."""
    cell: int | str | None = None
    """Size of a frame in pixels: 256, or HEIGHTxWIDTH."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps."""
    guidance: float | None = Field(default=None, ge=0)
    """Guidance; 1 turns it off, which halves the time of models that make a second pass."""
    coding: Literal["auto", "cells", "grid"] = "auto"
    """How frames are coded to latents: one by one, or all of a grid as one picture."""
    batch: int = Field(default=1, ge=1)
    """Sequences computed at once."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Say too what a step of the training of a LoRA of this rank takes."""
    gradient_checkpointing: bool = True
    """With lora_rank: compute blocks again in the backward pass instead of remembering them."""
    quantize: Literal["none", "nf4", "int8", "fp8"] = "none"
    """With lora_rank: weights below the LoRA in fewer bits."""

    @model_validator(mode="after")
    def _one_of_layout_and_frames(self) -> Self:
        if self.layout is not None and self.frames is not None:
            raise ValueError(
                f"layout {self.layout} and frames {self.frames} both say how many cells there "
                "are. Give one of them."
            )
        return self

    def to_request(self, layout: str | None) -> GenerateRequest:
        """The generation that is planned."""
        return GenerateRequest(
            prompt="a prompt",
            model=self.model,
            layout=layout,
            cell=self.cell,
            steps=self.steps,
            guidance=self.guidance,
            coding=self.coding,
            best_of=self.batch,
            batch=self.batch,
        )


class VerifyRequest(Loading):
    """Whether LoRAs fit a model, what they move, and whether single images stay as they were."""

    model: str = "flux1-dev"
    """Name of a known model such as flux1-dev, a Hub id, or a folder."""
    prompts: tuple[str, ...] = Field(
        default=("a red ball rolls over a wooden table",), min_length=1
    )
    """What is drawn with the LoRAs and without, as single images and as grids."""
    layout: str | None = None
    """ROWSxCOLS of the grids; by default what the LoRA was trained on, if its file says so."""
    cell: int | str | None = None
    """Size of a frame in pixels: 256, or HEIGHTxWIDTH."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps."""
    seed: int = Field(default=0, ge=0)
    """Of the noise, the same with and without."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it runs."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products."""
    out: Path | None = None
    """Folder for the pictures that were compared."""

    def generation(self, prompt: str, layout: Layout) -> GenerateRequest:
        """What is drawn for a prompt at a layout."""
        return GenerateRequest(
            prompt=prompt,
            model=self.model,
            layout=str(layout),
            cell=self.cell,
            steps=self.steps,
            seed=self.seed,
        )


class ProbeRequest(Loading):
    """How well a model holds a grid before it is trained on any."""

    model: str = "mini"
    """Name of a known model such as flux1-dev, a Hub id, or a folder."""
    prompts: tuple[str, ...] = Field(
        default=(
            "a red star moving to the right on a black background",
            "a blue heart moving to the left on a grey background",
            "a 3D model of a white rocket with red fins rotating clockwise",
            "a 3D model of a red mug with a white handle rotating anticlockwise",
        ),
        min_length=1,
    )
    """What is drawn. A named direction (to the right, to the left, upwards, downwards, clockwise,
    anticlockwise) is looked for in the frames; {layout} becomes the layout."""
    layouts: tuple[str, ...] = ()
    """ROWSxCOLS to try; by default the model's own."""
    wordings: tuple[Wording, ...] = ()
    """Of the layout in the prompt, to try; by default the model's own."""
    cell: int | str | None = None
    """Size of a frame in pixels: 256, or HEIGHTxWIDTH."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps."""
    seed: int = Field(default=0, ge=0)
    """Of the noise, the same for all prompts."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it runs."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products."""
    out: Path = Path("probe")
    """Folder for the pictures: one sheet for each layout and wording, and where attention went."""

    def generation(self, prompt: str, layout: Layout, wording: Wording) -> GenerateRequest:
        """What is drawn for a prompt at a layout in a wording."""
        return GenerateRequest(
            prompt=prompt,
            model=self.model,
            layout=str(layout),
            wording=wording,
            cell=self.cell,
            steps=self.steps,
            seed=self.seed,
        )
