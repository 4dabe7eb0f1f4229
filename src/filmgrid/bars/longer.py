"""A grid that is longer than those trained: does the motion go on?"""

import numpy as np

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.reading import SIDE, find_thing, track_error
from filmgrid.bars.scenes import motion_scene
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.paint import paint_motion
from filmgrid.evaluation.judges.motion import compare_motion, judge_motion
from filmgrid.types import FrameArray

LAYOUT, NUM_FRAMES, NUM_KNOWN = "4x8", 32, 16
VERBS = ("moving", "spinning", "circling", "growing", "shrinking")
"""Motions that go on for so long: nothing bounces twice or has stopped before."""
LEAST_SEEN = 0.75
"""Share of the new frames that must show the thing, the last one among them."""


def _draw(setup: Setup, number: int) -> Ask:
    """The first 16 frames at the usual pace, to be extended to 32."""
    scene = motion_scene(
        setup.config.seed, number, verbs=VERBS, single=True, num_frames=NUM_FRAMES, pace=1.0
    )
    truth = paint_motion([scene], NUM_FRAMES, setup.cell, pace=1.0)[0].numpy()
    given = truth[:NUM_KNOWN]
    words = setup.words(full_caption(scene), LAYOUT, number, video=given, task="extend")
    return Ask(scene, words, truth, given)


def _judge(ask: Ask, frames: FrameArray) -> Readings:
    """Whether all 32 frames show the one motion, and where the new ones have the thing."""
    assert isinstance(ask.scene, MotionScene)
    seen = judge_motion(frames, pace=1.0)
    right = compare_motion(ask.scene, seen)
    thing = ask.scene.things[0]
    found = find_thing(ask.scene, seen, thing)
    error, stays = float(SIDE), False
    if found is not None:
        wanted = thing.track(NUM_FRAMES, 1.0).centres
        error = track_error(found.centres[NUM_KNOWN:], wanted[NUM_KNOWN:])
        shown = np.isfinite(found.centres[NUM_KNOWN:, 0])
        stays = bool(shown[-1] and shown.mean() >= LEAST_SEEN)
    goes_on = stays and all(right.get(word, True) for word in ("verb", "direction", "turn"))
    looks = right["colour"] and right["shape"]
    return {"goes on": float(goes_on), "looks": float(looks), "path": error}


LONGER = Sequences(
    "longer",
    (
        Row("goes on", "4x8, 16 frames extended to 32: motion goes on", 85, 70),
        Row("looks", "  colour and shape kept"),
        Row(
            "path", "  new frames against the true path, median",
            how="median", unit="px of 64", at_most=True,
        ),
    ),
    _draw,
    _judge,
)  # fmt: skip
