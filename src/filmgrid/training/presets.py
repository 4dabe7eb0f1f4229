"""Named configurations, as functions; the recipe of every shipped model is one of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from filmgrid.grid.prompts import Wording
from filmgrid.training.config import TrainConfig
from filmgrid.training.curriculum_config import AnyConfig, CurriculumConfig
from filmgrid.training.data_config import FolderData, WorldData
from filmgrid.training.learning_config import LayoutShare, LossConfig, NoiseConfig, OptimConfig
from filmgrid.training.model_config import ModelConfig
from filmgrid.training.upscaler_config import UpscalerConfig

GRID_PROMPTS = (
    "a big red circle moving right slowly on a navy background",
    "a small yellow star spinning clockwise on a black background",
    "a blue arrow circling anticlockwise on a grey background",
    "a green heart moving up and left quickly on a black background",
)


def mini_stills() -> TrainConfig:
    """What mini begins with: single images of the world, an hour on two cores."""
    return TrainConfig(
        out=Path("runs/mini-stills"),
        name="mini-stills",
        data=(WorldData(turntables=0.12),),
        layouts=(LayoutShare(layout="1x1"),),
        cell=32,
        batch=384,
        steps=2600,
        noise=NoiseConfig(mean=0.6, std=1.4),
        shift=3.0,
        keep_probability=0.0,
        licence="Apache-2.0",
    )


def mini() -> TrainConfig:
    """Grids of all layouts, three hours on two cores with bf16.

    It goes on from the run of ``mini-stills``, ``mini-turns`` and then ``mini-motions`` go on from
    it, and its cells are doubled by ``upscaler``.
    """
    return TrainConfig(
        out=Path("runs/mini"),
        name="mini",
        start_from="runs/mini-stills",
        data=(WorldData(turntables=0.6, turntable_frames=(4, 8, 24)),),
        layouts=(
            LayoutShare(layout="4x4", weight=0.46),
            LayoutShare(layout="4x6", weight=0.34),
            LayoutShare(layout="1x1", weight=0.13, batch=192),
            LayoutShare(layout="2x4", weight=0.04, batch=48),
            LayoutShare(layout="2x2", weight=0.02, batch=64),
            LayoutShare(layout="8x8", weight=0.02, start=0.5),
        ),
        cell=32,
        upscaler="upscaler",
        batch=32,
        steps=12_400,
        noise=NoiseConfig(mean=2.4, std=2.0),
        shift=6.0,
        keep_probability=0.3,
        save_every=200,
        licence="Apache-2.0",
        validation_prompts=GRID_PROMPTS,
    )


WORDS_ALONE: dict[str, Any] = {
    "loss": {"temporal": "none"},
    "noise": {"mean": 6, "std": 1.5},
    "keep_probability": 0,
    "caption_dropout": 0,
    "optim": {"muon_lr": 0.01, "adamw_lr": 6e-4, "warmup_steps": 20, "decay": 0.85},
    "ema": 0.98,
}
"""A stage at almost pure noise, where nothing but the words says what is to come."""


def mini_turns() -> CurriculumConfig:
    """What taught mini the sense of rotation, which ``mini`` alone never learned.

    At high noise a model can paint both senses at once and be nearly right; trained on all noise
    levels, mini did so for 20,000 steps. A few hundred steps of nothing but turntables at almost
    pure noise, where only the words say the sense, made it read them; then all layouts again. Two
    hours on two cores with bf16.
    """
    base = {
        "name": "mini",
        "start_from": "runs/mini",
        "cell": 32,
        "save_every": 100,
        "licence": "Apache-2.0",
        "seed": 5,
    }
    sense = {
        **WORDS_ALONE,
        "data": [{"kind": "world", "turntables": 1.0, "turntable_frames": [24]}],
        "layouts": [{"layout": "4x6"}],
        "batch": 21,
        "steps": 300,
    }
    everything = {
        "data": [{"kind": "world", "turntables": 0.75, "turntable_frames": [4, 8, 24]}],
        "layouts": [
            {"layout": "4x4", "weight": 0.36},
            {"layout": "4x6", "weight": 0.5},
            {"layout": "1x1", "weight": 0.07, "batch": 192},
            {"layout": "8x8", "weight": 0.03},
            {"layout": "2x4", "weight": 0.03, "batch": 48},
            {"layout": "2x2", "weight": 0.01, "batch": 64},
        ],
        "loss": {"temporal": "grid", "ramp": 0.01},
        "noise": {"mean": 3.2, "std": 2.5},
        "shift": 6.0,
        "keep_probability": 0.3,
        "optim": {"muon_lr": 0.014, "adamw_lr": 8e-4, "warmup_steps": 100, "decay": 0.85},
        "upscaler": "upscaler",
        "batch": 32,
        "steps": 2800,
        "ema": 0.998,
    }
    return CurriculumConfig(out=Path("runs/mini-turns"), base=base, stages=(sense, everything))


def mini_motions() -> CurriculumConfig:
    """What gave mini its latest gain: flat things at pure noise, then all noise levels alike.

    ``mini`` and ``mini-turns`` spend nine in ten of their samples above a noise level of 0.5,
    where the layout is decided; here three in ten are below, where outlines are. An hour on two
    cores with bf16.
    """
    base = {
        "name": "mini",
        "start_from": "runs/mini-turns/stage-2",
        "cell": 32,
        "save_every": 100,
        "validate_every": 0,
        "licence": "Apache-2.0",
        "seed": 9,
    }
    words = {
        **WORDS_ALONE,
        "data": [{"kind": "world", "turntables": 0.0}],
        "layouts": [{"layout": "4x4"}],
        "batch": 32,
        "steps": 250,
    }
    everything = {
        "data": [{"kind": "world", "turntables": 0.7, "turntable_frames": [4, 8, 24]}],
        "layouts": [
            {"layout": "4x4", "weight": 0.58},
            {"layout": "4x6", "weight": 0.22},
            {"layout": "1x1", "weight": 0.1, "batch": 192},
            {"layout": "8x8", "weight": 0.04},
            {"layout": "2x4", "weight": 0.05, "batch": 48},
            {"layout": "2x2", "weight": 0.01, "batch": 64},
        ],
        "loss": {"temporal": "grid", "ramp": 0.01},
        "noise": {"mean": 1.0, "std": 2.3},
        "shift": 6.0,
        "keep_probability": 0.35,
        "optim": {"muon_lr": 0.014, "adamw_lr": 8e-4, "warmup_steps": 50, "decay": 0.85},
        "upscaler": "upscaler",
        "batch": 32,
        "steps": 1300,
        "ema": 0.998,
    }
    return CurriculumConfig(out=Path("runs/mini-motions"), base=base, stages=(words, everything))


def mini_carries() -> TrainConfig:
    """Motion compensation grown onto mini and trained alone: half an hour on two cores with bf16.

    All other weights stay, so that what is made from words alone is what it was. The shipped mini
    is not of this recipe. On 24 scenes that no training saw, 1,000 steps without and 900 with the
    photometric loss took interpolation from 1.0 to 1.6 dB over blending, and left images that are
    brought to life and longer grids as they were, within what 24 scenes tell apart.
    """
    return TrainConfig(
        out=Path("runs/mini-carries"),
        name="mini",
        start_from="mini",
        model=ModelConfig(motion=2),
        train_only="motion",
        data=(WorldData(turntables=0.3, turntable_frames=(4, 8, 24)),),
        layouts=(
            LayoutShare(layout="4x4", weight=0.8),
            LayoutShare(layout="4x6", weight=0.1),
            LayoutShare(layout="2x4", weight=0.05, batch=64),
            LayoutShare(layout="8x8", weight=0.03),
        ),
        cell=32,
        upscaler="upscaler",
        batch=24,
        steps=1900,
        loss=LossConfig(temporal="none", photometric=2.0),
        noise=NoiseConfig(mean=1.0, std=2.0),
        shift=6.0,
        keep_probability=1.0,
        optim=OptimConfig(muon_lr=0.014, adamw_lr=0.002, warmup_steps=20, decay=0.6),
        ema=0.99,
        seed=21,
        save_every=200,
        compile=False,
        licence="Apache-2.0",
    )


def tiny() -> TrainConfig:
    """A run of a minute that shows every part at work; it learns colours, not shapes."""
    return TrainConfig(
        out=Path("runs/tiny"),
        name="tiny",
        layouts=(LayoutShare(layout="2x2"),),
        model=ModelConfig(dim=64, depth=2, head_dim=32, text_depth=1),
        cell=32,
        batch=8,
        steps=60,
        save_every=20,
        validate_every=60,
        compile=False,
        workers=0,
    )


def upscaler() -> UpscalerConfig:
    """The shipped upscaler: twice the size of frames of the world, ten minutes on two cores."""
    return UpscalerConfig(out=Path("runs/upscaler"))


SIZES = {"s": (384, 12), "b": (768, 12), "l": (1024, 24), "xl": (1152, 28)}
"""Width and depth of DiT's sizes (arXiv:2212.09748, table 1)."""


def sequence(size: str) -> TrainConfig:
    """A grid transformer from scratch on a dataset in ``data/sequences``, with captions or without.

    Cells of 64 px in 4x4 grids, half of them with known frames, so that what is learned can be
    continued to any length.
    """
    return TrainConfig(
        **_of_size(f"sequence-{size}", size),
        batch=32,
        steps=100_000,
        keep_probability=0.5,
        noise=NoiseConfig(mean=1.6, std=1.8),
        ema=0.9995,
    )


def _of_size(name: str, size: str, **model: Any) -> dict[str, Any]:
    """What trainings from scratch on a dataset in ``data/sequences`` share."""
    dim, depth = SIZES[size]
    return {
        "out": Path("runs") / name,
        "name": name,
        "data": (FolderData(folder=Path("data/sequences")),),
        "layouts": (LayoutShare(layout="4x4"),),
        "model": ModelConfig(dim=dim, depth=depth, head_dim=64, **model),
        "cell": 64,
        "save_every": 1000,
        "validate_every": 5000,
    }


def iddpm(size: str) -> TrainConfig:
    """A grid transformer from scratch with the objective and optimiser of GriDiT's release.

    To compare with ``sequence``: it has the same size, data and number of steps.
    """
    return TrainConfig(
        **_of_size(f"iddpm-{size}", size, predicts="noise", copies=False), **_RELEASE, batch=32
    )


def gridit() -> TrainConfig:
    """GriDiT's first stage: all weights of DiT-XL/2, trained on into 4x4 grids of 128 px cells.

    As its release does it, but for the flip of whole grids, and with warm-up and average counted
    in optimiser steps (6,000 and 10,000 of its backward passes are 375 and 625 of them). It gives
    no number of steps; its 1,400 epochs depend on the data.
    """
    return TrainConfig(
        out=Path("runs/gridit"),
        name="gridit",
        start_from="dit-xl-2-512",
        data=(FolderData(folder=Path("data/sequences")),),
        layouts=(LayoutShare(layout="4x4"),),
        cell=128,
        caption_dropout=1.0,
        wording=Wording.NONE,
        batch=2,
        accumulation=16,
        num_steps=50,
        save_every=1000,
        validate_every=5000,
        **_RELEASE,
    )


_RELEASE: dict[str, Any] = {
    "objective": "iddpm",
    "loss": LossConfig(temporal="none"),
    "keep_probability": 0.0,
    "steps": 100_000,
    "ema": 0.9984,
    "shift": 3.0,
    "optim": OptimConfig(
        matrices="adamw",
        adamw_lr=1e-4,
        adamw_betas=(0.9, 0.999),
        weight_decay=0.0,
        warmup_steps=375,
        decay=0.0,
        clip_norm=1e6,
    ),
}
"""How GriDiT's release trains; nothing clips its gradients."""


def grid_video(rank: int) -> CurriculumConfig:
    """GRID's video model: a LoRA of FLUX.1-dev, 10,000 steps on grids of 16 and 64 frames.

    The paper says neither how the steps are shared between the stages (here four to one), nor
    the cells of its coarse stage (here half as large), nor how fast the temporal loss comes in
    (here over the first half).
    """
    coarse = {"data": _folder("data/video-coarse"), "cell": 128, "steps": 8000}
    fine = {"data": _folder("data/video-fine"), "cell": 256, "steps": 2000, "loss": {"ramp": 1e-3}}
    layouts = [{"layout": "4x4"}, {"layout": "8x8"}]
    return _curriculum(f"grid-video-r{rank}", rank, [coarse, fine], {"layouts": layouts})


def grid_multi_view(rank: int) -> CurriculumConfig:
    """GRID's turntables: a LoRA of FLUX.1-dev, 1,500 steps on 24 views; see ``grid_video``."""
    coarse = {"data": _folder("data/views-coarse"), "cell": 128, "steps": 1200}
    fine = {"data": _folder("data/views-fine"), "cell": 256, "steps": 300, "loss": {"ramp": 1e-3}}
    shared = {"layouts": [{"layout": "4x6"}], "wording": "multi-view"}
    return _curriculum(f"grid-multi-view-r{rank}", rank, [coarse, fine], shared)


def _curriculum(
    name: str, rank: int, stages: list[dict[str, Any]], shared: dict[str, Any]
) -> CurriculumConfig:
    """What GRID's trainings of FLUX.1-dev share.

    Source: section 3.1, and its release where the paper is silent: gradient checkpointing, the
    average of the weights, embedded guidance.
    """
    base = {
        "name": name,
        "start_from": "flux1-dev",
        "lora": {"rank": rank},
        "keep_probability": 0,
        "caption_dropout": 0,
        "wording_probability": 1,
        "noise": {"kind": "uniform"},
        "loss": {"temporal": "grid", "temporal_weight": 0.5, "ramp": 0.5},
        "optim": {"adamw_lr": 1e-4, "adamw_betas": [0.9, 0.999], "warmup_steps": 0, "decay": 0},
        "batch": 4,
        "ema": 0.99,
        "embedded_guidance": 1.0,
        "gradient_checkpointing": True,
        "compile": False,
        "num_steps": 20,
        "guidance_scale": 3.5,
        "save_every": 250,
        "validate_every": 500,
    }
    return CurriculumConfig(out=Path("runs") / name, base=base | shared, stages=tuple(stages))


def _folder(place: str) -> list[dict[str, Any]]:
    return [{"kind": "folder", "folder": place}]


PRESETS: dict[str, Callable[[], AnyConfig]] = {
    "mini": mini,
    "mini-stills": mini_stills,
    "mini-turns": mini_turns,
    "mini-motions": mini_motions,
    "mini-carries": mini_carries,
    "tiny": tiny,
    "upscaler": upscaler,
    **{f"sequence-{size}": partial(sequence, size) for size in SIZES},
    **{f"iddpm-{size}": partial(iddpm, size) for size in SIZES},
    "gridit": gridit,
    "grid-video-r16": partial(grid_video, 16),
    "grid-video-r256": partial(grid_video, 256),
    "grid-multi-view-r16": partial(grid_multi_view, 16),
    "grid-multi-view-r256": partial(grid_multi_view, 256),
}
