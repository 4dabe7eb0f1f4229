"""What can be asked of a generator: one frozen model for shell, YAML, Python and the web.

Free of torch: a request is checked before any weight is loaded.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from filmgrid.errors import ConfigError
from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.loading import Loading
from filmgrid.settings import Settings


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

START_SIGMAS = {
    Task.TEXT: 1.0,
    Task.IMAGE: 1.0,
    Task.KEYFRAMES: 1.0,
    Task.REDRAW: 1.0,
    Task.EDIT: 0.85,
    Task.EXTEND: 1.0,
    Task.BETWEEN: 1.0,
}
"""Where each task starts when no sigma is asked for."""


class GenerateRequest(Loading):
    """A sequence to generate. What is not said is chosen by the model's own facts."""

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

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.sigma is not None and self.strength is not None:
            raise ValueError(
                f"sigma {self.sigma} and strength {self.strength} both set the start. Give one."
            )
        cells = [parse_keyframe(text)[0] for text in self.keyframe]
        if self.image is not None and 0 in cells:
            raise ValueError(
                "image and a keyframe at cell 0 are both the first frame. Leave one out."
            )
        given = self.image is not None or bool(self.keyframe)
        if given and self.video is not None:
            raise ValueError(
                "image or keyframe and video cannot be used together. To replace frames of a "
                "video, give them as keyframes without it; to keep its frames, lock their cells."
            )
        if (self.redraw or self.lock) and self.video is None:
            raise ValueError("redraw and lock name cells of a video. Add --video FILE.")
        if (self.video_start or self.video_stride != 1) and self.video is None:
            raise ValueError(
                "video_start and video_stride choose frames of a video. Add --video FILE, or "
                "leave them out."
            )
        if self.fit and not given and self.video is None:
            raise ValueError(
                f"fit {self.fit} has nothing to fit. Add --image, --keyframe or --video, or leave "
                "it out."
            )
        usual = type(self).model_fields["resample_steps"].default
        if self.resample == 1 and self.resample_steps != usual:
            raise ValueError(
                f"resample_steps {self.resample_steps} belongs to resample, which is 1. Add "
                "--resample 2, or leave it out."
            )
        if self.redraw and self.lock:
            raise ValueError(
                "redraw and lock cannot be used together: cells that are not redrawn stay anyway."
            )
        self.check_task(given=given)
        self.check_length()
        return self

    def check_length(self) -> None:
        """Refuse settings of long sequences without a length, and what has no long form."""
        if self.between and (self.frames is not None or self.inferred_task != Task.BETWEEN):
            raise ValueError(
                f"between {self.between} says itself what is done and how long it becomes. Leave "
                "frames and task out."
            )
        if not self.is_long:
            if self.sampler == "gridit-release":
                raise ValueError(
                    "gridit-release makes sequences of a length of their own. Add frames."
                )
            for name in ("keep_rows", "spread", "loop", "segment", "anchor", "colour_lock"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name} belongs to sequences of a length of their own. Add frames."
                    )
            return
        if self.inferred_task == Task.REDRAW:
            raise ValueError(
                "redraw works on one grid. Leave frames out, or edit the video with all other "
                "frames locked."
            )
        if self.best_of > 1:
            raise ValueError(
                f"best_of {self.best_of} compares whole grids, and frames makes a longer sequence "
                "as it comes. Leave best_of out and try other seeds."
            )
        if self.anchor and (self.spread > 1 or self.between):
            other = "spread" if self.spread > 1 else "between"
            raise ValueError(
                f"anchor {self.anchor} stands in for frames that a grid goes on from, and with "
                f"{other} grids need these. Leave one out."
            )
        if self.loop and (self.spread > 1 or self.video is not None):
            other = "spread" if self.spread > 1 else "video"
            raise ValueError(f"loop goes from grid to grid without a video. Leave {other} out.")

    def check_task(self, *, given: bool) -> None:
        """Refuse a task without what it needs, or with what it has no use for."""
        task = self.inferred_task
        images = len(self.keyframe) + (self.image is not None)
        missing = {
            Task.TEXT: None,
            Task.IMAGE: None if images == 1 else "exactly one --image FILE",
            Task.KEYFRAMES: None if images else "--keyframe CELL=FILE",
            Task.REDRAW: None if self.video and self.redraw else "--video FILE and --redraw CELLS",
            Task.EDIT: None if self.video and not self.redraw else "--video FILE without --redraw",
            Task.EXTEND: None
            if self.video and not self.redraw
            else "--video FILE without --redraw",
            Task.BETWEEN: None
            if self.video and self.between and not self.redraw
            else "--video FILE and --between COUNT without --redraw",
        }[task]
        if missing:
            raise ValueError(f"The task {task} needs {missing}.")
        if task == Task.TEXT and (given or self.video is not None):
            raise ValueError(
                "The task text has no use for image, keyframe or video. Leave them out, or leave "
                "out the task to have it inferred."
            )
        if task == Task.TEXT and min(self.sigma or 1, self.strength or 1) < 1:
            raise ValueError(
                "sigma and strength below 1 start from given frames, and the task text has none. "
                "Add --video FILE or --image FILE, or leave them out."
            )
        if self.lock and task != Task.EDIT:
            raise ValueError(f"lock belongs to the task edit, not to {task}. Leave it out.")

    @property
    def inferred_task(self) -> Task:
        """The task asked for, or the one that fits what was given."""
        if self.task is not None:
            return self.task
        if self.between:
            return Task.BETWEEN
        if self.video is not None:
            return Task.REDRAW if self.redraw else Task.EDIT
        if self.keyframe:
            return Task.KEYFRAMES
        return Task.TEXT if self.image is None else Task.IMAGE

    @property
    def keyframes(self) -> dict[int, Path]:
        """Images by cell, the first frame among them."""
        images = dict(parse_keyframe(text) for text in self.keyframe)
        return images if self.image is None else {0: self.image, **images}

    @property
    def is_long(self) -> bool:
        """Whether it is made grid after grid, whatever its length."""
        return self.frames is not None or self.between > 0

    @property
    def segments(self) -> dict[int, str]:
        """Prompts by the frame that they begin at; the first is the prompt."""
        return {0: self.prompt, **dict(parse_segment(text) for text in self.segment)}

    @property
    def redraw_cells(self) -> list[int]:
        """Cells to make again."""
        return parse_cells(self.redraw)

    @property
    def locked_cells(self) -> list[int]:
        """Cells of an edit that stay."""
        return parse_cells(self.lock)


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


def parse_cells(text: str) -> list[int]:
    """Read ``"5,6"`` or ``"4-7,12"``: cells in rising order, each once.

    Raises:
        ConfigError: if it is not a list of cells.
    """
    cells: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,7})(?:\s*-\s*(\d{1,7}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ConfigError(
                f"{part!r} is not a cell nor a range of cells. Write for example 5,6 or 4-7,12."
            )
        cells.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return sorted(cells)


def parse_keyframe(text: str) -> tuple[int, Path]:
    """Read ``"5=photo.png"``.

    Raises:
        ConfigError: if it is not CELL=FILE.
    """
    match = re.fullmatch(r"\s*(\d{1,7})\s*=\s*(.+)", text)
    if match is None:
        raise ConfigError(f"{text!r} is not a keyframe. Write CELL=FILE, for example 5=photo.png.")
    return int(match[1]), Path(match[2])


def parse_segment(text: str) -> tuple[int, str]:
    """Read ``"64=a red star falls"``.

    Raises:
        ConfigError: if it is not FRAME=PROMPT.
    """
    match = re.fullmatch(r"\s*(\d{1,7})\s*=\s*(.+)", text, re.DOTALL)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a segment. Write FRAME=PROMPT, for example '64=a red star falls'."
        )
    return int(match[1]), match[2]


def parse_upscale(value: object) -> int | Path:
    """How much is enlarged: 1, 2 or 4 times, or by what is in a file or a folder.

    Raises:
        ValueError: if it is another number, or a file that could hold a program.
    """
    text = str(value)
    if text in ("1", "2", "4"):
        return int(text)
    if text.isdecimal():
        raise ValueError(
            f"{text} is no factor of the shipped network. Use 2 or 4, a .pth or .safetensors file, "
            "or the folder of a model that was trained with super_resolution."
        )
    path = Path(text).expanduser()
    if path.suffix not in ("", ".pth", ".safetensors") and not path.is_dir():
        raise ValueError(
            f"{text} is neither 2 nor 4, nor a .pth or .safetensors file, nor the folder of a "
            "model. (Other files of weights can hold programs.)"
        )
    return path


class UpscaleRequest(Settings):
    """A clip to enlarge."""

    source: Path
    """Video, animation, folder of frames, grid or picture."""
    out: Path
    """File or folder to write; the name chooses the format."""
    by: int | Path = 2
    """How much: 2 or 4 times by the shipped network; as much as that of a .pth or .safetensors
    file does, such as Real-ESRGAN's; or as a model that was trained with super_resolution: its
    folder."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps of such a model; by default its own."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of its noise, the same for all frames."""
    fps: float | None = Field(default=None, gt=0)
    """Frames per second of the output; by default the source's."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @field_validator("by", mode="before")
    @classmethod
    def _upscale_can_be_done(cls, value: object) -> object:
        return parse_upscale(value)


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
