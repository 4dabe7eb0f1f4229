"""What is trained, and what is compared with what."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from filmgrid.data.augment_config import AugmentConfig
from filmgrid.models.mini import GridTransformer
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import WorldData
from filmgrid.training.learning_config import LayoutShare, LossConfig, NoiseConfig
from filmgrid.training.model_config import LoraSettings, ModelConfig

SEEDS = (0, 1, 2)
STEPS, STILL_STEPS, SECOND_STEPS = 900, 900, 360
"""Of a training on grids, of the stills before it, and of GRID's second stage."""
DATASET = 12_800
"""Scenes of the whole dataset, each seen about twice."""
FINE = 1_000
"""Scenes of GRID's second stage, as in the paper."""
SMALL = ModelConfig(dim=128, depth=4, text_depth=1)
PLAIN = SMALL.model_copy(update={"copies": False})
"""Without our pointer into clean cells, where papers are compared that know none."""


@dataclass(frozen=True)
class Arm:
    """One way to do it.

    Args:
        name: of its results.
        settings: of its training, apart from folder and seed.
        after: the arm whose weights it starts from.
        trained_as: the arm whose model it uses, where only sampling differs.
        scores: what is measured of it.
        conditioning: how known cells are given to it.
    """

    name: str
    settings: Callable[[], dict[str, Any]] = dict
    after: str | None = None
    trained_as: str | None = None
    scores: tuple[str, ...] = ("denoise", "text")
    layout: str = "4x4"
    conditioning: str = "auto"

    def config(self, work: Path, seed: int) -> TrainConfig:
        """The training of this arm with a seed."""
        told: dict[str, Any] = {
            "name": self.name,
            "data": (flat(),),
            "model": PLAIN,
            "layouts": (LayoutShare(layout=self.layout),),
            "cell": 32,
            "upscaler": "upscaler",
            "batch": 32 * 16 // cells_of(self.layout),
            "steps": STEPS,
            "keep_probability": 0.0,
            "loss": LossConfig(temporal="none"),
            "validate_every": 0,
            "keep_checkpoints": 1,
            "compile": False,
        }
        told |= self.settings()
        if self.after is not None:
            told["start_from"] = str(work / self.after / f"seed-{seed}")
        return TrainConfig(out=work / self.name / f"seed-{seed}", seed=seed, **told)


@dataclass(frozen=True)
class Question:
    """A comparison: the first arm is what the others are compared with.

    Args:
        name: of its table.
        arms: by the words of the table.
        readings: columns of the table.
    """

    name: str
    arms: dict[str, Arm]
    readings: tuple[str, ...] = ("psnr", "colour", "shape", "verb", "path")


def flat(**changes: Any) -> WorldData:
    """Flat things that move."""
    return WorldData(turntables=0.0, **{"size": DATASET, **changes})


def cells_of(layout: str) -> int:
    rows, cols = layout.split("x")
    return int(rows) * int(cols)


@cache
def steps_at_equal_compute(**changes: Any) -> int:
    """Steps of another network that cost what those of the plain one do."""
    return round(STEPS * _flops(PLAIN) / _flops(PLAIN.model_copy(update=changes)))


def _flops(model: ModelConfig) -> int:
    network = GridTransformer(**model.model_dump())
    # With gradients attention is made of matrix products, which the counter sees.
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        network(torch.zeros(1, 16, 3, 32, 32), torch.ones(1, 16), torch.zeros(1, 20, 12).long())
    return counter.get_total_flops()


def _changed(**changes: Any) -> dict[str, Any]:
    return {"model": PLAIN.model_copy(update=changes)}


def _stacked(**data: Any) -> dict[str, Any]:
    steps = steps_at_equal_compute(mixing="factorised")
    return {**_changed(mixing="factorised"), "steps": steps, "data": (flat(**data),)}


STILLS = Arm(
    "stills",
    lambda: {
        "layouts": (LayoutShare(layout="1x1"),),
        "batch": 256,
        "steps": STILL_STEPS,
        "noise": NoiseConfig(mean=0.6),
        "shift": 3.0,
        "data": (flat(size=1_000_000_000),),
    },
    scores=(),
)


def lora(rank: int) -> Arm:
    """GRID: a base of stills, changed at low rank."""
    return Arm(f"lora-{rank}", lambda: {"lora": LoraSettings(rank=rank)}, after="stills")


GRID = Arm("grid")
"""From random weights on the whole dataset: what most others are compared with."""
STACKED = Arm("stacked", _stacked)
TUNED = Arm("tuned", after="stills")
"""All weights trained on, from the base of stills."""

LORA = Question(
    "lora",
    {
        "all weights, from the stills": TUNED,
        "rank 11 of 128 (256 of 3072)": lora(11),
        "rank 1 of 128 (16 of 3072)": lora(1),
        "all weights, from nothing": GRID,
    },
)


def _coarse(steps: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"data": (flat(coarse=True),), "steps": steps}


def _fine(temporal: str) -> Callable[[], dict[str, Any]]:
    loss = LossConfig.model_validate({"temporal": temporal})
    return lambda: {"data": (flat(size=FINE),), "steps": SECOND_STEPS, "loss": loss}


def first_stage(layout: str) -> Arm:
    """GRID's first stage: many sequences, captions that say nothing of time."""
    name = f"stage-1-{cells_of(layout)}"
    return Arm(name, _coarse(STEPS), after="stills", layout=layout, scores=())


def _stages(layout: str) -> Question:
    """GRID's two stages and its temporal loss, at one length."""
    first = first_stage(layout)

    def second(what: str, settings: Callable[[], dict[str, Any]]) -> Arm:
        return Arm(f"{what}-{cells_of(layout)}", settings, after=first.name, layout=layout)

    throughout = Arm(
        f"fine-{cells_of(layout)}",
        lambda: {"steps": STEPS + SECOND_STEPS},
        after="stills",
        layout=layout,
    )
    return Question(
        f"stages-{cells_of(layout)}",
        {
            "stages 1 and 2": second("stage-2", _fine("none")),
            "stage 1 alone": second("stage-1-more", _coarse(SECOND_STEPS)),
            "with the temporal loss": second("temporal", _fine("grid")),
            "with the release's": second("release", _fine("grid-release")),
            "fine captions throughout": throughout,
        },
    )


STAGES = {layout: _stages(layout) for layout in ("4x4", "8x8")}
FIRST_STAGES = tuple(first_stage(layout) for layout in STAGES)

SHARES = {1: 128, 3: 384, 10: 1280, 30: 3840}
"""Percent of the dataset, and the scenes that are left."""


def _data_of(size: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"data": (flat(size=size),)}


def _stacked_data_of(size: int) -> Callable[[], dict[str, Any]]:
    return lambda: _stacked(size=size)


SHAPE_OF_DATA = Question("grid-or-stacked", {"one grid": GRID, "stacked frames": STACKED})
EFFICIENCY = {
    percent: Question(
        f"data-{percent}",
        {
            "one grid": Arm(f"grid-{percent}", _data_of(size)),
            "stacked frames": Arm(f"stacked-{percent}", _stacked_data_of(size)),
        },
    )
    for percent, size in SHARES.items()
}

GIVEN = ("image", "interpolation")
KEPT = Arm("kept", lambda: {"keep_probability": 0.4}, scores=("denoise", "text", *GIVEN))
KEEPING = Question(
    "keeping",
    {
        "trained with kept cells": KEPT,
        "not, known cells noised again": Arm(
            "renoised", trained_as="grid", scores=GIVEN, conditioning="replacement"
        ),
        "not, known cells pasted clean": Arm(
            "pasted", trained_as="grid", scores=GIVEN, conditioning="paste"
        ),
        "trained, with our pointer": Arm(
            "pointer",
            lambda: {"keep_probability": 0.4, "model": SMALL},
            scores=("denoise", "text", *GIVEN),
        ),
    },
    readings=("last colour", "last shape", "image verb", "between"),
)

POSITIONS = Question(
    "positions",
    {
        "frame, row, column": GRID,
        "row and column of the grid": Arm("grid-2d", lambda: _changed(positions="grid")),
    },
)
TARGET = Question(
    "target",
    {
        "clean cells": GRID,
        "velocity": Arm("velocity", lambda: _changed(predicts="velocity")),
    },
)


def _flips(name: str, **augment: float) -> Arm:
    """Without captions, which name sides; on few scenes, where a flip can help."""
    data = flat(size=SHARES[10], augment=AugmentConfig(**augment))
    return Arm(
        name, lambda: {"data": (data,), "caption_dropout": 1.0}, scores=("denoise", "smooth")
    )


FLIPS = Question(
    "flips",
    {
        "each frame": _flips("flip-frames", flip=0.5),
        "the whole grid": _flips("flip-grid", flip_grid=0.5),
        "none": _flips("flip-none"),
    },
    readings=("psnr", "unseen", "off path"),
)

QUESTIONS = (
    LORA,
    *STAGES.values(),
    SHAPE_OF_DATA,
    *EFFICIENCY.values(),
    KEEPING,
    POSITIONS,
    TARGET,
    FLIPS,
)
ARMS = {
    arm.name: arm
    for arm in (STILLS, *FIRST_STAGES, *(arm for each in QUESTIONS for arm in each.arms.values()))
}
"""Every arm once, those that others start from before these."""
