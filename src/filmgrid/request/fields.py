"""The fields of a request, and what each may hold. Free of torch."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.loading import Loading
from filmgrid.request.text import parse_cells, parse_keyframe, parse_segment, parse_upscale


class Task(StrEnum):
    """What is known of the sequence, and what is asked for."""

    TEXT = "text"
    """Text to sequence; with a 1x1 layout, to one image."""
    IMAGE = "image"
    """Image to sequence: the image is the first frame and stays."""
    KEYFRAMES = "keyframes"
    """Interpolation: images at any cells stay, the cells between are made."""
    REDRAW = "redraw"
    """Some cells of a sequence are made again, the others stay."""
    EDIT = "edit"
    """Restoration, style, editing, motion clone: the whole sequence changes a little."""
    EXTEND = "extend"
    """A sequence goes on: its frames fill the first cells and stay."""
    BETWEEN = "between"
    """New frames between those of a sequence of any length, which stay."""


Solver = Literal["euler", "ddim", "dpm-solver++"]
"""How to get from one noise level to the next."""


class GenerateFields(Loading):
    """Each field of a :class:`~filmgrid.request.GenerateRequest` by itself."""

    prompt: str = ""
    """What the sequence shows."""
    negative: str = ""
    """What it should not show, for models whose guidance takes a second pass."""
    model: str = "mini"
    """Name of a shipped model or of a known one such as flux1-dev, a Hub id, or a folder."""
    task: Task | None = None
    """What to do; by default inferred from image, keyframe, video and redraw."""
    image: Path | None = None
    """First frame of the sequence; it stays bit for bit."""
    keyframe: tuple[str, ...] = ()
    """CELL=FILE: an image that stays at this cell, counted from 0 in reading order."""
    video: Path | None = None
    """Video, animation, folder of frames or grid to redraw, edit or extend."""
    video_start: int = Field(default=0, ge=0)
    """First frame of the video that is used."""
    video_stride: int = Field(default=1, ge=1)
    """Frames of the video from one used frame to the next."""
    between: int = Field(default=0, ge=0, le=63)
    """Frames to make between each two of the video, which stay: slow motion, or thinner slices."""
    redraw: str = ""
    """Cells of the video to make again, such as 5,6 or 4-7,12; all others stay."""
    lock: str = ""
    """Cells of the video that stay while the others are edited, such as 0,15."""
    fit: Literal["crop", "pad", "resize"] | None = None
    """How given frames of another size become cells; without it they are refused."""
    layout: str | None = None
    """ROWSxCOLS of the grid, one frame per cell."""
    frames: int | None = Field(default=None, ge=1, le=1_000_000)
    """Length of the sequence, instead of one grid of it: made grid after grid, in constant memory.
    Keyframes and locked cells are then counted in frames; a video that goes on is its beginning."""
    keep_rows: int | None = Field(default=None, ge=1)
    """With frames: rows of a grid that the next one begins with; by default half of them."""
    spread: int = Field(default=1, ge=1)
    """With frames: first grids of frames so far apart, then grids that fill between them; 1 goes
    on from grid to grid."""
    loop: bool = False
    """With frames: end where the sequence began, so that it plays without a seam."""
    segment: tuple[str, ...] = ()
    """With frames: FRAME=PROMPT, what the sequence shows from this frame on."""
    sampler: Literal["auto", Solver, "gridit-release"] = "auto"
    """auto is euler. ddim: at the timesteps of diffusers' DDIM, for models that predict noise;
    dpm-solver++: of second order, for any model; gridit-release: with frames, the sampler of
    GriDiT's release with its defects, to compare."""
    anchor: int = Field(default=0, ge=0)
    """With frames: so many first frames of the sequence are shown to every later grid, in the
    place of the oldest of those that it goes on from, against looks that drift."""
    colour_lock: float = Field(default=0.0, ge=0, le=1)
    """With frames: how far the colours of later grids are brought back to those of the first."""
    cell: int | str | None = None
    """Size of a frame in pixels: 64, or HEIGHTxWIDTH."""
    sigma: float | None = Field(default=None, ge=0, le=1)
    """Noise level to start from: 1 forgets the given frames where they do not stay, 0 changes
    nothing."""
    strength: float | None = Field(default=None, ge=0, le=1)
    """The same in the convention of diffusers, an index into the steps; instead of sigma."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps of the whole way from noise."""
    respaced: bool = False
    """Walk from a start below 1 in all the steps, instead of leaving out those above it."""
    resample: int = Field(default=1, ge=1, le=100)
    """Beside frames that stay: walk every stretch of resample_steps steps so many times, noised
    anew before each, so that new frames fit them; 1 walks once. 2 costs nearly twice the time."""
    resample_steps: int = Field(default=5, ge=1)
    """With resample: steps of a stretch, fewer than those of the whole walk."""
    guidance: float | None = Field(default=None, ge=0)
    """How strongly the prompt is followed; 1 turns guidance off and halves the time."""
    shift: float | None = Field(default=None, gt=0)
    """Shift of the steps towards high noise; 1 is none."""
    wording: Wording | None = None
    """How the prompt describes the layout to the model."""
    conditioning: Literal["auto", "learned", "replacement"] = "auto"
    """How frames that stay are shown to the model: learned gives them their own noise level 0,
    replacement noises them like the rest; auto is what the model was trained for."""
    coding: Literal["auto", "cells", "grid"] = "auto"
    """How pretrained models code frames to latents: one by one, or all of a grid as one picture."""
    upscale: int | Path = 1
    """Enlarge the finished frames, those that stay too: 2 or 4 times by the shipped network; by the
    network of a .pth or .safetensors file, such as Real-ESRGAN's; or by the folder of a model that
    was trained with super_resolution."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Noise of the sequence; the same seed repeats it."""
    best_of: int = Field(default=1, ge=1, le=1024)
    """Make so many sequences, from seed on, and give the one of best health."""
    batch: int = Field(default=4, ge=1)
    """Sequences computed at once, when there are several; costs memory."""
    fps: float | None = Field(default=None, gt=0)
    """Frames per second of the output."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @field_validator("layout")
    @classmethod
    def _layout_can_be_read(cls, value: str | None) -> str | None:
        return None if value is None else str(Layout.parse(value))

    @field_validator("cell")
    @classmethod
    def _cell_can_be_read(cls, value: int | str | None) -> int | str | None:
        if value is not None:
            CellSize.parse(value)
        return value

    @field_validator("upscale", mode="before")
    @classmethod
    def _upscale_can_be_done(cls, value: object) -> object:
        return parse_upscale(value)

    @field_validator("redraw", "lock")
    @classmethod
    def _cells_can_be_read(cls, value: str) -> str:
        parse_cells(value)
        return value

    @field_validator("segment")
    @classmethod
    def _segments_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        starts = [parse_segment(text)[0] for text in value]
        if starts != sorted(set(starts)):
            raise ValueError("Segments begin in rising order, each at a frame of its own.")
        return value

    @field_validator("keyframe")
    @classmethod
    def _keyframes_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        cells = [parse_keyframe(text)[0] for text in value]
        for cell in cells:
            if cells.count(cell) > 1:
                raise ValueError(f"Cell {cell} has two keyframes. Give each cell one image.")
        return value
