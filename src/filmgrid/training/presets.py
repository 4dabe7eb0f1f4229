"""Named configurations, as functions; the recipe of every shipped model is one of them."""

from collections.abc import Callable
from pathlib import Path

from filmgrid.training.config import (
    LayoutShare,
    ModelConfig,
    NoiseConfig,
    TrainConfig,
    UpscalerConfig,
    WorldData,
)

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
    """The shipped model: grids of all layouts, three hours on two cores with bf16.

    It goes on from the run of ``mini-stills`` and its cells are doubled by ``upscaler``.
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


PRESETS: dict[str, Callable[[], TrainConfig | UpscalerConfig]] = {
    "mini": mini,
    "mini-stills": mini_stills,
    "tiny": tiny,
    "upscaler": upscaler,
}
