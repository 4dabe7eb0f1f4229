"""Editing by prompt: another colour or another shape, on the same path."""

from dataclasses import replace

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.reading import SIDE, find_thing, track_error
from filmgrid.bars.scenes import motion_scene, random_of
from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.motion_scenes import MotionScene, pick, spinners
from filmgrid.data.world.paint import paint_motion
from filmgrid.data.world.words import COLOURS, SHAPES, VERBS
from filmgrid.evaluation.judges.motion import judge_motion
from filmgrid.types import FrameArray

RECOLOURED = [verb for verb in VERBS if not verb.startswith("passing")]
RESHAPED = [verb for verb in RECOLOURED if verb != "bouncing"]
"""Where another shape bounces depends on the shape."""


def _recolour(setup: Setup, number: int) -> Ask:
    scene = motion_scene(setup.config.seed, number, verbs=RECOLOURED, single=True)
    return _ask(setup, number, scene, "colour", [*COLOURS])


def _reshape(setup: Setup, number: int) -> Ask:
    scene = motion_scene(setup.config.seed, number, verbs=RESHAPED, single=True)
    spins = scene.things[0].motion.verb == "spinning"
    return _ask(setup, number, scene, "shape", spinners(1.0) if spins else [*SHAPES])


def _ask(setup: Setup, number: int, source: MotionScene, word: str, names: list[str]) -> Ask:
    """Change one word of the only thing to another of the names."""
    rng, thing = random_of(setup.config.seed, number, 3), source.things[0]
    while True:
        other = pick(rng, names)
        scene = replace(source, things=(replace(thing, **{word: other}),))
        if other != getattr(thing, word) and not is_held_out(scene):
            break
    given = paint_motion([source], 16, setup.cell)[0].numpy()
    truth = paint_motion([scene], 16, setup.cell)[0].numpy()
    words = setup.words(
        full_caption(scene),
        "4x4",
        number,
        video=given,
        task="edit",
        start_sigma=setup.config.edit_sigma,
    )
    return Ask(scene, words, truth, given)


def _judge(ask: Ask, frames: FrameArray) -> Readings:
    """Whether colour and shape are as asked, and how far the thing is from where it was."""
    assert isinstance(ask.scene, MotionScene)
    wanted = ask.scene.things[0]
    found = find_thing(ask.scene, judge_motion(frames), wanted)
    if found is None:
        return {"colour": 0.0, "shape": 0.0, "path": float(SIDE)}
    return {
        "colour": float(found.colour == wanted.colour),
        "shape": float(found.shape == wanted.shape),
        "path": track_error(found.centres, wanted.track(len(frames)).centres),
    }


def _rows(what: str, changed: str, kept: str) -> tuple[Row, ...]:
    return (
        Row(changed, f"editing, {what}: {changed} changed", 90, 80),
        Row(kept, f"  {kept} kept"),
        Row(
            "path", f"editing, {what}: path kept, median", 2, 3,
            "median", "px of 64", at_most=True,
        ),
    )  # fmt: skip


RECOLOUR = Sequences(
    "recolour",
    _rows("another colour", "colour", "shape"),
    _recolour,
    _judge,
    settings=("edit_sigma",),
)
RESHAPE = Sequences(
    "reshape",
    _rows("another shape", "shape", "colour"),
    _reshape,
    _judge,
    settings=("edit_sigma",),
)
