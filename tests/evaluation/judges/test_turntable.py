import numpy as np
import pytest

from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.shoot import shoot_turntables
from filmgrid.data.world.turntables import Turntable, draw_turntable
from filmgrid.evaluation.judges.silhouettes import hull_overlap, mean_overlap, turntable_hull
from filmgrid.evaluation.judges.turntable import (
    compare_turntable,
    judge_still,
    judge_turntable,
    kept_views,
)
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.blur import blurred

CELL = CellSize(64, 64)


def scene_and_frames(seed, num_frames=24):
    scene = draw_turntable(np.random.default_rng([seed, 31]), num_frames)
    return scene, shoot_turntables([scene], num_frames, CELL)[0].numpy()


def test_the_judge_reads_real_turntables():
    for seed in range(30):
        scene, frames = scene_and_frames(seed)
        seen = judge_turntable(frames)
        right = compare_turntable(scene, seen)
        assert all(right.values()), (scene, seen)
        assert seen.first_degrees == 0
        assert seen.steadiness > 0.7
        assert seen.closes or scene.act in ("growing", "shrinking")


def test_the_judge_reads_turntables_as_a_small_model_makes_them():
    random = np.random.default_rng(0)
    for seed in range(20):
        scene, frames = scene_and_frames(seed)
        spoilt = blurred(frames.astype(np.float32), 0.7) + random.normal(0, 6, frames.shape)
        seen = judge_turntable(spoilt.round().clip(0, 255).astype(np.uint8))
        assert all(compare_turntable(scene, seen).values()), (scene, seen)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sense_of_every_kind_can_be_told(kind):
    for turn in ("clockwise", "anticlockwise"):
        frames = shoot_turntables([Turntable(kind, ("cyan", "red"), turn)], 24, CELL)[0].numpy()
        seen = judge_turntable(frames)
        assert (seen.kind, seen.turn) == (kind, turn)


def test_stills_are_read_from_any_side():
    wrong = 0
    for seed in range(60):
        scene, frame = scene_and_frames(seed, 1)
        wrong += judge_still(frame) != (scene.kind, scene.colours)
    assert wrong <= 1


def test_views_keep_kind_and_colours_until_one_is_painted_over():
    scene = Turntable("mug", ("white", "red"))
    frames = shoot_turntables([scene], 24, CELL)[0].numpy()
    assert kept_views(scene, frames) == 1
    other = shoot_turntables([Turntable("mug", ("green", "red"))], 24, CELL)[0].numpy()
    assert kept_views(scene, np.concatenate([frames[:6], other[6:]])) <= 0.6


def test_the_hull_explains_real_silhouettes_and_not_those_of_a_broken_turn():
    overlaps, broken = [], []
    for kind in ("car", "teapot", "chair", "dog", "camera", "tree"):
        frames = shoot_turntables([Turntable(kind, ("white", "red"))], 24, CELL)[0].numpy()
        overlaps.append(hull_overlap(frames, "clockwise"))
        order = np.random.default_rng(0).permutation(24)
        broken.append(hull_overlap(frames[order], "clockwise"))
    assert np.mean(overlaps) > 0.97
    assert max(broken) < 0.9


def test_a_recoloured_thing_keeps_its_hull_and_another_thing_has_another():
    house, red, car = (
        shoot_turntables([scene], 24, CELL)[0].numpy()
        for scene in (
            Turntable("house", ("white", "blue")),
            Turntable("house", ("red", "brown")),
            Turntable("car", ("white", "blue")),
        )
    )
    hulls = [turntable_hull(frames, "clockwise") for frames in (house, red, car)]
    assert mean_overlap(hulls[0], hulls[1]) > 0.95
    assert mean_overlap(hulls[0], hulls[2]) < 0.7


@pytest.mark.parametrize("kind", ["car", "duck", "mug"])
def test_a_turn_that_stops_halfway_does_not_close(kind):
    frames = shoot_turntables([Turntable(kind, ("red", "white"))], 48, CELL)[0].numpy()
    assert not judge_turntable(frames[:24]).closes
    assert judge_turntable(frames[::2]).closes


def test_black_frames_show_nothing():
    empty = np.zeros((24, 64, 64, 3), np.uint8)
    assert judge_turntable(empty) is None
    assert hull_overlap(empty, "clockwise") == 0
    right = compare_turntable(Turntable("mug", ("red", "blue")), None)
    assert not any(right.values())
