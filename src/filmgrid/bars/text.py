"""Text to sequence, on combinations that may be trained on and on those that never are."""

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.reading import read_motion
from filmgrid.bars.scenes import Split, motion_scene
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.paint import paint_motion
from filmgrid.data.world.words import VERBS
from filmgrid.types import FrameArray


def _draw(setup: Setup, number: int, split: Split) -> Ask:
    scene = motion_scene(setup.config.seed, number, split=split)
    truth = paint_motion([scene], 16, setup.cell)[0].numpy()
    return Ask(scene, setup.words(full_caption(scene), "4x4", number), truth)


def _judge(ask: Ask, frames: FrameArray) -> Readings:
    assert isinstance(ask.scene, MotionScene)
    return read_motion(ask.scene, frames)


TEXT = Sequences(
    "text",
    (
        Row("colour", "text to sequence: colour right", 97, 95),
        Row("shape", "text to sequence: shape right", 95, 88),
        Row("verb", "text to sequence: verbs right", 92, 85),
        *(Row(f"verb {verb}", f"  {verb}", 92, 85) for verb in VERBS),
        Row("direction", "  direction"),
        Row("speed", "  speed"),
        Row("turn", "  turn"),
        Row("background", "  background"),
        Row(
            "path", "path against the caption's, 90th percentile", 4, 6,
            "90th percentile", "px of 64", at_most=True,
        ),
    ),
    lambda setup, number: _draw(setup, number, "train"),
    _judge,
    full=200,
)  # fmt: skip
HELD_OUT = Sequences(
    "held-out",
    (
        Row("colour", "held-out combinations: colour right", 90, 80),
        Row("shape", "held-out combinations: shape right", 90, 80),
        Row("verb", "held-out combinations: verbs right", 90, 80),
    ),
    lambda setup, number: _draw(setup, number, "held_out"),
    _judge,
    full=200,
)
