"""What each command is asked with: its words and options, and their help.

What the commands themselves do is said in :data:`filmgrid.cli.COMMANDS`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import Field

from filmgrid.bars.config import BarsConfig
from filmgrid.bench.config import BenchConfig
from filmgrid.captioning.config import CaptionConfig
from filmgrid.data.config import DatasetConfig
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.errors import ConfigError, FilmgridError
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.request import GenerateRequest
from filmgrid.request.models import PlanRequest, ProbeRequest, VerifyRequest
from filmgrid.request.upscale import UpscaleRequest
from filmgrid.serving.config import ServeConfig
from filmgrid.settings import Settings


class Words(Settings):
    """Settings from the command line: a wrong one is our sentence, not the parser's box."""

    if not TYPE_CHECKING:  # type checkers see the fields as arguments

        def __init__(self, **values):
            try:
                super().__init__(**values)
            except ConfigError as error:  # the parser swallows ValueErrors, which this one is
                raise FilmgridError(str(error)) from error


class Generate(Words, GenerateRequest):
    """Words of ``filmgrid generate``."""

    prompt: tyro.conf.Positional[str] = ""
    """What the sequence shows."""
    out: str | None = None
    """File to write: .mp4 .mkv .mov .webm .gif .webp, .png for a grid, .json for a sprite sheet,
    or NAME/ for numbered PNG frames. By default sequence.mp4."""
    keyframe: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """CELL=FILE: an image that stays at this cell, counted from 0 in reading order; repeat it."""
    lora: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """LoRA to add: a file, a folder or a Hub id, with :WEIGHT behind it if it is not 1; repeat
    it."""
    segment: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """With frames: FRAME=PROMPT, what the sequence shows from this frame on; repeat it."""
    resume: bool = False
    """With frames: go on with a generation that was stopped, from its last finished grid."""
    pipelined: Literal["auto", "on", "off"] = "auto"
    """With frames: decode, enlarge and write finished frames while the next grid is sampled; the
    frames are the same. auto: on CUDA; on a CPU both would compete for its cores."""
    scale: int = 1
    """Enlarge the written frames so many times without smoothing, to look at small ones."""
    dry_run: bool = False
    """Say what it would cost, and generate nothing."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Plan(Words, PlanRequest):
    """Words of ``filmgrid plan``."""

    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class VerifyLora(Words, VerifyRequest):
    """Words of ``filmgrid verify-lora``."""

    lora: tyro.conf.Positional[tuple[str, ...]] = ()
    """Files, folders or Hub ids, with :WEIGHT behind one if it is not 1."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Probe(Words, ProbeRequest):
    """Words of ``filmgrid probe``."""

    model: tyro.conf.Positional[str] = "mini"
    """Name of a known model such as flux1-dev, a Hub id, or a folder."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Build(Words, DatasetConfig):
    """Words of ``filmgrid dataset build``."""

    sources: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """Videos, folders of frames, strips, or folders that hold any of these at any depth."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Caption(Words, CaptionConfig):
    """Words of ``filmgrid dataset caption``."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    dry_run: bool = False
    """Say what would be asked and what it would take, and ask nothing."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Render(Words, RenderConfig):
    """Words of ``filmgrid dataset render``."""

    meshes: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """Meshes (.obj, .glb, .gltf, .ply, .stl, .off), or folders that hold any at any depth."""


class Preview(Words):
    """Words of ``filmgrid dataset preview``."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    out: Path | None = None
    """Folder for the pictures; by default preview/ beside the dataset."""
    limit: int = 8
    """Number of sequences to draw."""
    split: Literal["train", "held_out"] | None = None
    """Side to draw from: train or held_out; by default both."""


class Stats(Words):
    """Words of ``filmgrid dataset stats``."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Info(Words):
    """Words of ``filmgrid info``."""

    file: tyro.conf.Positional[Path]
    """Video, picture, folder of frames, or model."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class ImportDit(Words):
    """Words of ``filmgrid import-dit``."""

    file: tyro.conf.Positional[Path]
    """Checkpoint as DiT's or GriDiT's trainer saves it, .pt."""
    vae: Path
    """Folder of the autoencoder that it was trained with, as diffusers saves it."""
    out: Path
    """Folder of the model that is made."""
    layout: str = "1x1"
    """ROWSxCOLS that it was trained on: 4x4 for GriDiT."""
    positions: Literal["saved", "2d", "frames"] = "saved"
    """Table of positions: the one in the file, rows and columns, or frames in the order of the
    tokens."""
    weights: Literal["ema", "model"] = "ema"
    """The averages, where there are any, or the weights that were trained."""


class Split(Words):
    """Words of ``filmgrid split``."""

    grid: tyro.conf.Positional[Path]
    """Picture of a grid; one that filmgrid made says itself how it is laid out."""
    out: str
    """NAME/ for numbered PNG frames, or a video or animation file."""
    layout: str | None = None
    """ROWSxCOLS, for pictures that do not say it."""
    gap: int = 0
    """Pixels between the cells."""
    margin: int | None = None
    """Pixels around the cells; by default as the gap."""
    fps: float | None = None
    """Frames per second, for videos."""


class Pack(Words):
    """Words of ``filmgrid pack``."""

    source: tyro.conf.Positional[Path]
    """Video, animation or folder of frames."""
    out: Path
    """Picture to write, .png."""
    layout: str | None = None
    """ROWSxCOLS; by default what the frames say they were made as."""
    gap: int = 0
    """Pixels between the cells."""
    margin: int | None = None
    """Pixels around the cells; by default as the gap."""
    start: int = 0
    """First frame."""
    stride: int = 1
    """Frames from one cell to the next."""


class Slices(Words):
    """Words of ``filmgrid slices``."""

    source: tyro.conf.Positional[Path]
    """Volume (.nii, .nii.gz, .mha, .nrrd), or a folder of DICOM files."""
    out: str
    """NAME/ for numbered PNG frames, or a video or animation file."""
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """How it is cut: from feet to head, front to back, or right to left."""
    window: str = "auto"
    """Values that become black and white: soft, lung, brain, bone, LOW,HIGH, or auto for nearly
    the whole range."""
    index: int = 0
    """Which volume, of files that hold several."""


class Volume(Words):
    """Words of ``filmgrid volume``."""

    source: tyro.conf.Positional[Path]
    """Frames: a folder, a video or a grid."""
    like: Path
    """Volume whose place, orientation and spacing the new one takes."""
    out: Path
    """Volume to write: .nii.gz, .nii, .mha or .nrrd."""
    plane: Literal["axial", "coronal", "sagittal"] | None = None
    """How it was cut; by default as the frames tell, else axial."""
    window: str | None = None
    """Values of black and white, as filmgrid slices takes them; by default as the frames tell."""
    spacing: float | None = None
    """Millimetres between slices; by default as in the other volume."""


class Upscale(Words, UpscaleRequest):
    """Words of ``filmgrid upscale``."""

    source: tyro.conf.Positional[Path]
    """Video, animation, folder of frames, grid or picture."""


class Thin(Words):
    """Words of ``filmgrid thin``."""

    source: tyro.conf.Positional[Path]
    """Volume (.nii, .nii.gz, .mha, .nrrd), or a folder of DICOM files."""
    out: Path
    """Volume to write: .nii.gz, .nii, .mha or .nrrd."""
    model: str = "mini"
    """Model that paints the new slices: a folder that filmgrid train made of such scans."""
    between: int = Field(default=1, ge=1, le=63)
    """Slices to make between each two."""
    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """Slices that become thinner: from feet to head, front to back, or right to left."""
    window: str = "auto"
    """Values that the new slices lie between: soft, lung, brain, bone, LOW,HIGH, or auto for
    nearly the whole range. As the model was trained."""
    index: int = 0
    """Which volume, of files that hold several."""
    cell: int | str | None = None
    """Size of the slices while they are painted and afterwards, 64 or HEIGHTxWIDTH; by default as
    they are, so that those that were there keep their values."""
    prompt: str = ""
    """What the scan shows, for models that read it."""
    layout: str | None = None
    """ROWSxCOLS of the grids."""
    steps: int | None = None
    """Sampling steps."""
    guidance: float | None = None
    """How strongly the prompt is followed."""
    seed: int = 0
    """Noise; the same seed repeats it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""


class Evaluate(Words, EvaluateConfig):
    """Words of ``filmgrid evaluate``."""

    floor: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True  # shown as --no-floor
    """Leave out the floor, real clips measured against real clips, which takes half of them;
    Fréchet distances of fewer than 2,048 clips are then refused."""
    out: Path | None = None
    """File to keep the evaluation in, .json, for filmgrid compare and filmgrid report."""
    report: Path | None = None
    """Report to write with pictures of the clips: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Bars(Words, BarsConfig):
    """Words of ``filmgrid evaluate MODEL``."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Name of a shipped model, or the folder of a trained one."""
    out: Path | None = None
    """File to keep the table in, .json."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Report(Words):
    """Words of ``filmgrid report``."""

    evaluation: tyro.conf.Positional[Path]
    """What filmgrid evaluate --out wrote."""
    out: Path
    """.html in one file, or .md with its pictures beside it."""


class Metrics(Words):
    """Words of ``filmgrid metrics``."""

    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Protocol(Words):
    """Words of ``filmgrid protocol``."""

    name: tyro.conf.Positional[str] = ""
    """Name of the protocol; without one, all are listed."""
    data: Path | None = None
    """Folder that holds the datasets, and trained weights in weights/."""
    generated: Path | None = None
    """Made clips; with them, what is there is measured."""
    metrics: tuple[str, ...] = ()
    """Measure these instead of the protocol's."""
    frames: int | None = None
    """Use so many frames instead of the protocol's."""
    clips: int | None = None
    """Use at most so many made clips instead of the protocol's."""
    real_stride: int | None = None
    """Frames of a real clip from one used frame to the next."""
    real_list: Path | None = None
    """Use only real clips that this file names, one a line, as trainlist01.txt of UCF-101."""
    weights: tuple[str, ...] = ()
    """NAME=PLACE of weights that do not lie in weights/ of the data folder; random:0 tries the way
    without any."""
    sha256: tuple[str, ...] = ()
    """NAME=HEX: what the SHA-256 of a file of weights must be."""
    repeats: int | None = None
    """Random draws behind every distance and every real-vs-real floor."""
    seed: int | None = None
    """Of all random draws."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run; auto is CUDA, else MPS, else the CPU."""
    workers: int | None = None
    """Threads that score clips; by default as many as there are cores."""
    out: Path | None = None
    """File to keep the evaluation in, .json, for filmgrid compare and filmgrid report."""
    report: Path | None = None
    """Report to write with pictures of the clips: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output; without made clips it has the prompts to make them."""


class Compare(Words):
    """Words of ``filmgrid compare``."""

    first: tyro.conf.Positional[Path]
    """Evaluation of the one run, from filmgrid evaluate --out."""
    second: tyro.conf.Positional[Path]
    """Evaluation of the other run, against the same real clips."""
    report: Path | None = None
    """Report to write: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Bench(Words, BenchConfig):
    """Words of ``filmgrid bench``."""

    subjects: tyro.conf.Positional[tuple[str, ...]] = ()
    """What is timed. Ours: MODEL:TASK[:LAYOUT], as mini:image or mini:extend:4x8. Pipelines of
    diffusers: NAME=HUB_ID_OR_FOLDER, NAME=random or NAME=tiny, and @FRAMESxHEIGHTxWIDTH for another
    size; NAME is flux, flux2-klein, cogvideox, animatediff, svd, ltx or wan. All are compared with
    the first."""
    memory: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True  # shown as --no-memory
    """Leave out the memory, whose measurement on the CPU takes a process of its own for each
    subject."""
    out: Path | None = None
    """File to keep the result in, .json."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Models(Words):
    """Words of ``filmgrid models``."""

    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Serve(Words, ServeConfig):
    """Words of ``filmgrid serve``."""


class Repro(Words):
    """Words of ``filmgrid repro``."""

    file: tyro.conf.Positional[Path]
    """Video, picture or folder that filmgrid made, or the job.json of a job of a server."""
    out: str | None = None
    """File to write, as of filmgrid generate. By default sequence.mp4."""
    scale: int = 1
    """Enlarge the written frames so many times without smoothing, to look at small ones."""
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    """Where to compute, if not where it was made."""
    precision: Literal["auto", "fp32", "bf16"] | None = None
    """Of the matrix products, if not as it was made."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""
