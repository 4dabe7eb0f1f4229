"""Single images: what is left of them after a training on grids."""

import numpy as np

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.scenes import motion_scene, random_of, turntable_scene
from filmgrid.data.world.source import render, say
from filmgrid.data.world.turntables import Turntable
from filmgrid.evaluation.judges.motion import compare_motion, judge_motion
from filmgrid.evaluation.judges.turntable import judge_still
from filmgrid.types import FrameArray


def _draw(setup: Setup, number: int) -> Ask:
    """Flat things and views of solid ones in turn."""
    seed, half = setup.config.seed, number // 2
    if number % 2:
        scene = turntable_scene(seed, half, num_frames=1)
    else:
        scene = motion_scene(seed, half, num_frames=1)
    prompt = say(scene, 1, random_of(seed, number, 4))
    truth = render([scene], 1, setup.cell)[0].numpy()
    return Ask(scene, setup.words(prompt, "1x1", number), truth)


def _judge(ask: Ask, frames: FrameArray) -> Readings:
    """Colour and shape of flat things, or kind and both colours; one judge reads 4 frames."""
    if isinstance(ask.scene, Turntable):
        seen = judge_still(frames)
        kind = seen is not None and seen[0] == ask.scene.kind
        colours = seen is not None and seen[1] == ask.scene.colours
        return {"kind": float(kind), "colours": float(colours), "right": float(kind and colours)}
    words = compare_motion(ask.scene, judge_motion(np.repeat(frames, 4, axis=0), pace=1.0))
    right = words["colour"] and words["shape"]
    return {
        "colour": float(words["colour"]),
        "shape": float(words["shape"]),
        "right": float(right),
    }


STILLS = Sequences(
    "stills",
    (
        Row("right", "stills: colours and shape or kind right"),
        Row("colour", "  colour of flat things"),
        Row("shape", "  shape of flat things"),
        Row("colours", "  both colours of solid things"),
        Row("kind", "  kind of solid things"),
    ),
    _draw,
    _judge,
    ("1x1",),
    full=200,
)
BASE_ROW = Row(
    "right", "stills: below the stills-only base", 2, 4, "points", "points", at_most=True
)
