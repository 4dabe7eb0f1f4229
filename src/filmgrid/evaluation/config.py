"""What an evaluation is. Free of torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from filmgrid.evaluation.catalogue import (
    CATALOGUE,
    DEFAULT_METRICS,
    OFFLINE,
    WEIGHTS_OF,
    Metric,
    companion,
    find_metric,
)
from filmgrid.evaluation.selection import Start
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.settings import Settings

ALL_OFFLINE = "all-offline"
"""Stands for all metrics that need no downloaded weights and can be measured here."""


class EvaluateConfig(Settings):
    """Compare made clips with real ones, and say how much of each number is noise."""

    real: Path
    """Real clips: a folder of videos, frame folders, grids or .npy arrays, one file, or a
    dataset."""
    generated: Path
    """Made clips, in any of these forms."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """Names of metrics; all-offline stands for all that need no downloaded weights. filmgrid
    metrics explains each."""
    frames: int | None = Field(default=None, ge=1)
    """Use so many frames of each clip, the first ones unless --start says otherwise; by default
    all."""
    start: Start = "first"
    """Where --frames of a longer clip are taken; random draws by the seed and the clip's name."""
    clips: int | None = Field(default=None, ge=2)
    """Use so many clips of each side, chosen by the seed; by default all."""
    real_clips: int | None = Field(default=None, ge=2)
    """Use at most so many real clips, and not fewer than there are made clips of their names; by
    default --clips. With twice as many as made ones, the floor is measured at the number of made
    clips."""
    real_stride: int = Field(default=1, ge=1)
    """Frames of a real clip from one used frame to the next; made clips are used as they are."""
    real_names: str | None = None
    """Use only real clips whose names fit this pattern with one *, as */images; what the * stands
    for is then the name."""
    real_pictures: str = "*"
    """Pattern of the pictures in a folder of the real clips that are its frames."""
    real_list: Path | None = None
    """Use only real clips that this file names, one a line."""
    skip_short: bool = False
    """Leave real clips with too few frames out, and say how many, instead of refusing them."""
    size: str | None = None
    """Bring all frames to this size first: 64, or HEIGHTxWIDTH. Without it, sizes must agree."""
    fit: Literal["crop", "pad", "resize"] = "resize"
    """How frames of another size are brought to it."""
    layout: str | None = None
    """ROWSxCOLS of the grids that the clips were made as, where files do not tell: for seams."""
    grids: bool = False
    """Every picture is a grid of --layout, and not one of the frames of its folder. Grids that
    filmgrid made are known as such."""
    kept: tuple[int, ...] = ()
    """Frames that were given and had to stay, counted from 0: the metric kept checks them, and
    psnr, ssim, lpips and dists leave them out."""
    split: Literal["train", "held_out"] | None = None
    """Side of a dataset; by default both. Of real and made clips, those that are no dataset are
    used whole."""
    weights: tuple[str, ...] = ()
    """NAME=PLACE: trained weights, a path, a Hub id, or random:SEED for the same architecture with
    random weights. Names: i3d, videomae, inception, clip, c3d, lpips-alex, lpips-vgg,
    lpips-squeeze, dists, raft."""
    sha256: tuple[str, ...] = ()
    """NAME=HEX: what the SHA-256 of a file of weights must be."""
    floor: bool = True
    """Measure real clips against real clips, which takes half of them. Without it, Fréchet
    distances of fewer than 2,048 clips are refused."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """How often intervals are meant to cover."""
    repeats: int = Field(default=20, ge=2)
    """Random draws behind every distance and every real-vs-real floor."""
    seed: int = Field(default=0, ge=0)
    """Of all random draws."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run; auto is CUDA, else MPS, else the CPU."""
    workers: int | None = Field(default=None, ge=1)
    """Threads that score clips; by default as many as there are cores."""
    notes: tuple[str, ...] = ()
    """Sentences to keep with the result."""

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("no metric is named. filmgrid metrics lists them.")
        names = [name if name == ALL_OFFLINE else find_metric(name).name for name in value]
        return tuple(dict.fromkeys(names))

    @field_validator("size")
    @classmethod
    def _size_can_be_read(cls, value: str | None) -> str | None:
        return None if value is None else str(CellSize.parse(value))

    @field_validator("layout")
    @classmethod
    def _layout_can_be_read(cls, value: str | None) -> str | None:
        return None if value is None else str(Layout.parse(value))

    @field_validator("real_names")
    @classmethod
    def _pattern_has_one_star(cls, value: str | None) -> str | None:
        if value is not None and value.count("*") != 1:
            raise ValueError(f"{value!r} needs exactly one *, which stands for the name.")
        return value

    @field_validator("kept")
    @classmethod
    def _kept_are_frames(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(frame < 0 for frame in value):
            raise ValueError(f"{min(value)} is no frame; frames are counted from 0.")
        return tuple(sorted(set(value)))

    @field_validator("weights", "sha256")
    @classmethod
    def _weights_have_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            name, found, place = text.partition("=")
            if not found or not place or name not in WEIGHTS_OF.values():
                raise ValueError(
                    f"{text!r} is not NAME=PLACE with a NAME of "
                    f"{', '.join(dict.fromkeys(WEIGHTS_OF.values()))}."
                )
        names = [text.partition("=")[0] for text in value]
        if len(set(names)) < len(names):
            raise ValueError(f"{max(names, key=names.count)} is given twice. Give it once.")
        return value

    @model_validator(mode="after")
    def _what_is_needed_is_told(self) -> "EvaluateConfig":
        if self.grids and self.layout is None:
            raise ValueError("pictures can be read as grids only with their --layout, as 4x4.")
        if self.frames is None and (self.start != "first" or self.skip_short):
            raise ValueError("--start and --skip-short need the number of --frames that are used.")
        if self.size is None and self.fit != "resize":
            raise ValueError(
                f"--fit {self.fit} says how frames are brought to a size, and none is named. Add "
                "--size HEIGHTxWIDTH, or leave --fit out."
            )
        if self.frames is not None and self.kept and self.kept[-1] >= self.frames:
            raise ValueError(
                f"there is no frame {self.kept[-1]} to keep: --frames {self.frames} are counted "
                f"from 0 to {self.frames - 1}. Correct --kept."
            )
        if "kept" in self.metrics and not self.kept:
            raise ValueError("the metric kept needs the frames that had to stay, as --kept 0 15.")
        return self

    @model_validator(mode="after")
    def _weights_are_used(self) -> "EvaluateConfig":
        used = {name for metric in self.measured for name in _weights_of(metric)}
        for flag, given in (("--weights", self.weights), ("--sha256", self.sha256)):
            for name in (text.partition("=")[0] for text in given):
                if name not in used:
                    fit = next(
                        each.name for each in CATALOGUE.values() if name in _weights_of(each)
                    )
                    raise ValueError(
                        f"{flag} names {name}, which no metric that is measured uses. Add one that "
                        f"does to --metrics, such as {fit}, or leave it out."
                    )
        return self

    @property
    def measured(self) -> tuple[Metric, ...]:
        """What is measured: the metrics asked for, an unbiased distance beside each Fréchet one."""
        asked: dict[str, Metric] = {}
        for name in self.metrics:
            for metric in map(CATALOGUE.get, OFFLINE if name == ALL_OFFLINE else (name,)):
                assert metric is not None
                asked[metric.name] = metric
                beside = companion(metric)
                if beside is not None:
                    asked.setdefault(beside.name, beside)
        if not self.kept:
            asked.pop("kept", None)
        return tuple(asked.values())

    @property
    def is_asked_by_name(self) -> frozenset[str]:
        """Metrics asked for one by one: what they lack is an error and not a note."""
        return frozenset(self.metrics)

    def place_of(self, weights: str) -> str | None:
        """Where the trained weights of a name are, if that was said."""
        return dict(text.split("=", 1) for text in self.weights).get(weights)

    def sha256_of(self, weights: str) -> str | None:
        """What the SHA-256 of a file of weights must be, if that was said."""
        return dict(text.split("=", 1) for text in self.sha256).get(weights)


def _weights_of(metric: Metric) -> list[str]:
    """Names for ``--weights`` of what a metric needs."""
    return [WEIGHTS_OF[name] for name in metric.instruments if name in WEIGHTS_OF]
