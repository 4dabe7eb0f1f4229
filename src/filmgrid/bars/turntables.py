"""Turntables: from text, from one view, and recoloured."""

from dataclasses import replace

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.scenes import Split, random_of, turntable_scene
from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.shoot import shoot_turntables
from filmgrid.data.world.turntable_captions import full_turntable_caption
from filmgrid.data.world.turntables import Turntable
from filmgrid.data.world.words import COLOURS
from filmgrid.evaluation.judges.silhouettes import mean_overlap, silhouettes, turntable_hull
from filmgrid.evaluation.judges.turntable import (
    compare_turntable,
    judge_hull,
    judge_turntable,
    kept_views,
)
from filmgrid.types import FrameArray

LAYOUT, NUM_FRAMES = "4x6", 24


def _shoot(setup: Setup, scene: Turntable) -> FrameArray:
    return shoot_turntables([scene], NUM_FRAMES, setup.cell)[0].numpy()


def _scene(ask: Ask) -> Turntable:
    assert isinstance(ask.scene, Turntable)
    return ask.scene


def _from_text(setup: Setup, number: int, split: Split = "train") -> Ask:
    scene = turntable_scene(setup.config.seed, number, split=split)
    words = setup.words(full_turntable_caption(scene), LAYOUT, number)
    return Ask(scene, words, _shoot(setup, scene))


def _read(ask: Ask, frames: FrameArray) -> Readings:
    """Words of the scene; of what stands still also the solid, and whether the turn closes."""
    scene, seen = _scene(ask), judge_turntable(frames)
    readings = {word: float(right) for word, right in compare_turntable(scene, seen).items()}
    if scene.act == "standing still":
        readings["hull"] = 0.0 if seen is None else judge_hull(frames, seen)
        readings["closes"] = float(seen is not None and seen.closes)
    return readings


def _from_image(setup: Setup, number: int) -> Ask:
    scene = turntable_scene(setup.config.seed, number, still=True)
    truth = _shoot(setup, scene)
    words = setup.words(full_turntable_caption(scene), LAYOUT, number, image=truth[0])
    return Ask(scene, words, truth, truth[:1])


def _read_views(ask: Ask, frames: FrameArray) -> Readings:
    kept = kept_views(_scene(ask), frames)
    return {"all": float(kept == 1), "views": kept, **_read(ask, frames)}


def _recolour(setup: Setup, number: int) -> Ask:
    source = turntable_scene(setup.config.seed, number, still=True)
    rng = random_of(setup.config.seed, number, 1)
    others = [colour for colour in COLOURS if colour not in source.colours]
    while True:
        first, second = rng.permutation(others)[:2]
        scene = replace(source, colours=(str(first), str(second)))
        if not is_held_out(scene):
            break
    given = _shoot(setup, source)
    sigma = setup.config.edit_sigma
    words = setup.words(
        full_turntable_caption(scene), LAYOUT, number, video=given, task="edit", start_sigma=sigma
    )
    return Ask(scene, words, _shoot(setup, scene), given)


def _read_recoloured(ask: Ask, frames: FrameArray) -> Readings:
    """Overlap of the solid with the source's, and what became of the colours."""
    assert ask.given is not None
    scene, seen = _scene(ask), judge_turntable(frames)
    right = compare_turntable(scene, seen)
    overlap = 0.0
    if silhouettes(frames).any((1, 2)).all():
        one, other = (turntable_hull(each, scene.turn) for each in (frames, ask.given))
        overlap = mean_overlap(one, other)
    changed = right["colour"] and right["second colour"]
    return {"hull": overlap, "changed": float(changed), "kind": float(right["kind"])}


TURNTABLE = Sequences(
    "turntable",
    (
        Row("kind", "turntable: kind right", 90, 75),
        Row("turn", "turntable: sense of rotation right", 95, 90),
        Row("colour", "  main colour"),
        Row("second colour", "  second colour"),
        Row("act", "  stands, hops, grows or shrinks"),
        Row("closes", "  the turn closes"),
        Row("hull", "turntable: IoU with the visual hull", 0.9, 0.8, "mean", "IoU"),
    ),
    _from_text,
    _read,
    (LAYOUT,),
)
HELD_OUT_TURNTABLE = Sequences(
    "held-out-turntable",
    (
        Row("kind", "held-out turntables: kind right", 90, 80),
        Row("colour", "held-out turntables: main colour right", 90, 80),
    ),
    lambda setup, number: _from_text(setup, number, "held_out"),
    _read,
    (LAYOUT,),
)
IMAGE_TURNTABLE = Sequences(
    "image-turntable",
    (
        Row("all", "image to turntable: kind and colours kept on all 24 views", 90, 80),
        Row("views", "  share of the views", how="mean", unit="of 1"),
        Row("turn", "  sense of rotation"),
        Row("hull", "  IoU with the visual hull", how="mean", unit="IoU"),
    ),
    _from_image,
    _read_views,
    (LAYOUT,),
    reads=False,
)
RECOLOUR_TURNTABLE = Sequences(
    "recolour-turntable",
    (
        Row(
            "hull", "recoloured turntable: IoU of the hull with the source's", 0.88, 0.8,
            "mean", "IoU",
        ),
        Row("changed", "  both colours changed as asked"),
        Row("kind", "  kind kept"),
    ),
    _recolour,
    _read_recoloured,
    (LAYOUT,),
    settings=("edit_sigma",),
)  # fmt: skip
