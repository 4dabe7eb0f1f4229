import numpy as np
import pytest

from filmgrid.data.world.motion_scenes import MotionScene, draw_motion_scene
from filmgrid.data.world.paint import paint_motion
from filmgrid.data.world.things import Motion, Thing
from filmgrid.evaluation.judges.motion import compare_motion, judge_motion
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.blur import blurred

CELL = CellSize(64, 64)


def scene_and_frames(seed, num_frames=16, cell=CELL):
    scene = draw_motion_scene(np.random.default_rng([seed, 31]), num_frames)
    return scene, paint_motion([scene], num_frames, cell)[0].numpy()


@pytest.mark.parametrize("cell", [CELL, CellSize(32, 32)])
def test_the_judge_reads_real_frames(cell):
    for seed in range(60):
        scene, frames = scene_and_frames(seed, cell=cell)
        right = compare_motion(scene, judge_motion(frames))
        assert all(right.values()), (seed, right)


def test_the_judge_reads_frames_as_a_small_model_makes_them():
    random = np.random.default_rng(0)
    wrong = []
    for seed in range(60):
        scene, frames = scene_and_frames(seed)
        spoilt = blurred(frames.astype(np.float32), 0.7) + random.normal(0, 6, frames.shape)
        seen = judge_motion(spoilt.round().clip(0, 255).astype(np.uint8))
        wrong.append(not all(compare_motion(scene, seen).values()))
    assert np.mean(wrong) <= 0.05


def test_positions_are_read_to_a_fraction_of_a_pixel():
    for seed in range(20):
        scene, frames = scene_and_frames(seed)
        seen = {thing.colour: thing for thing in judge_motion(frames).things}
        for thing in scene.things:
            apart = seen[thing.colour].centres - thing.track(16).centres
            assert np.nanmedian(np.linalg.norm(apart, axis=1)) * 64 < 0.2


def test_frames_played_backwards_move_the_other_way():
    thing = Thing("arrow", "red", Motion("moving", "left", "quickly"), (0.75, 0.5), 0.15, "small")
    frames = paint_motion([MotionScene((thing,), "navy")], 16, CELL)[0].numpy()
    assert judge_motion(frames).things[0].motion == Motion("moving", "left", "quickly")
    assert judge_motion(frames[::-1]).things[0].motion == Motion("moving", "right", "quickly")


def test_mirrored_frames_spin_the_other_way_and_an_upside_down_heart_is_still_a_heart():
    thing = Thing("heart", "pink", Motion("spinning", turn="clockwise"), (0.5, 0.5), 0.2, "big")
    frames = paint_motion([MotionScene((thing,), "striped")], 16, CELL)[0].numpy()
    seen = judge_motion(frames).things[0]
    assert (seen.shape, seen.motion.turn) == ("heart", "clockwise")
    backwards = judge_motion(frames[::-1]).things[0]
    assert (backwards.shape, backwards.motion.turn) == ("heart", "anticlockwise")


def test_an_empty_background_and_noise_have_no_things():
    scene, frames = scene_and_frames(0)
    empty = np.full_like(frames, 12)
    assert judge_motion(empty).things == ()
    assert judge_motion(empty).background == "black"
    right = compare_motion(scene, judge_motion(empty))
    assert not right["shape"]
    assert not right["number"]


def test_what_vanishes_halfway_has_no_place_afterwards():
    thing = Thing("star", "cyan", Motion("staying still"), (0.4, 0.5), 0.15, "small")
    scene = MotionScene((thing,), "black")
    frames = paint_motion([scene], 16, CELL)[0].numpy().copy()
    frames[8:] = frames[0, 0, 0]
    seen = judge_motion(frames).things[0]
    assert np.isnan(seen.centres[8:]).all()
    assert np.isfinite(seen.centres[:8]).all()
