"""Named configurations, as functions; the recipe of every shipped model is one of them."""

from collections.abc import Callable
from pathlib import Path

from filmgrid.training.config import LayoutShare, ModelConfig, ShapesData, TrainConfig


def mini() -> TrainConfig:
    """The shipped model: captioned moving shapes, an hour on two CPU cores with bf16."""
    return TrainConfig(
        out=Path("runs/mini"),
        name="mini",
        data=(ShapesData(),),
        layouts=(
            LayoutShare(layout="4x4", weight=0.95, start=0.09),
            LayoutShare(layout="1x1", weight=0.05),
        ),
        cell=32,
        batch=32,
        steps=3600,
        save_every=200,
        validate_every=400,
        licence="Apache-2.0",
        validation_prompts=(
            "a red circle moving right on a navy background",
            "a yellow star moving down and left quickly on a black background",
            "a purple square growing on a navy background",
            "a green triangle moves slowly to the left",
        ),
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


PRESETS: dict[str, Callable[[], TrainConfig]] = {"mini": mini, "tiny": tiny}
