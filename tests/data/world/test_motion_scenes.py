import numpy as np
import pytest

from filmgrid.data.world.motion_scenes import draw_motion_scene, spinners
from filmgrid.data.world.outlines import extents
from filmgrid.data.world.words import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    SHAPES,
    SPEEDS,
    TURNS,
    VERBS,
)


def scenes(count=300, num_frames=16):
    return [draw_motion_scene(np.random.default_rng(seed), num_frames) for seed in range(count)]


def test_every_word_is_drawn():
    drawn = scenes(900)
    things = [thing for scene in drawn for thing in scene.things]
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {thing.motion.verb for thing in things} == set(VERBS)
    assert {scene.background for scene in drawn} == set(BACKGROUNDS)
    assert {thing.motion.direction for thing in things} == {*DIRECTIONS, None}
    assert {thing.motion.speed for thing in things} == {*SPEEDS, None}
    assert {thing.motion.turn for thing in things} == {*TURNS, None}
    assert {thing.size for thing in things} == {"small", "big", None}


@pytest.mark.parametrize("num_frames", [1, 4, 8, 16, 24, 64])
def test_things_stay_inside_their_cell(num_frames):
    for scene in scenes(200, num_frames):
        for thing in scene.things:
            track = thing.track(num_frames)
            reach = extents(thing.shape)
            if thing.motion.verb == "spinning":
                reach = dict.fromkeys(reach, 1.0)
            low = track.centres - track.radii[:, None] * [reach["left"], reach["up"]]
            high = track.centres + track.radii[:, None] * [reach["right"], reach["down"]]
            assert (low > -1e-6).all()
            assert (high < 1 + 1e-6).all()


def test_two_things_have_two_colours_and_do_not_meet_unless_one_passes():
    for scene in scenes():
        if len(scene.things) == 1:
            continue
        first, second = scene.things
        assert first.colour != second.colour
        apart = np.linalg.norm(first.track(16).centres - second.track(16).centres, axis=1)
        if first.motion.verb.startswith("passing"):
            assert apart.min() < 0.06
            assert min(apart[0], apart[-1]) > first.radius + second.radius
        else:
            assert apart.min() > 0.33


def test_a_motion_fits_the_sequence_however_long_it_is():
    for scene in scenes(60):
        for thing in scene.things:
            ends = [thing.track(num_frames).centres[-1] for num_frames in (4, 16, 64)]
            assert np.allclose(ends, ends[0])


def test_what_bounces_touches_the_edge_and_comes_back():
    seen = 0
    for scene in scenes():
        thing = scene.things[0]
        if thing.motion.verb != "bouncing":
            continue
        seen += 1
        way = np.array(DIRECTIONS[thing.motion.direction])
        track = thing.track(151)
        along = track.centres @ way
        turning = int(along.argmax())
        reach = thing.radius * extents(thing.shape)[thing.motion.direction]
        assert along[turning] + reach == pytest.approx(1 if way.sum() > 0 else 0, abs=0.01)
        assert along[0] < along[turning] - 0.1 > along[-1] - 0.1
    assert seen > 10


def test_what_circles_goes_round_one_centre_clockwise_on_the_screen():
    for scene in scenes():
        thing = scene.things[0]
        if thing.motion.verb == "circling":
            steps = np.diff(thing.track(16).centres, axis=0)
            turning = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
            assert (np.sign(turning) == TURNS[thing.motion.turn]).all()  # y is down
            assert np.allclose(np.linalg.norm(steps, axis=1), np.linalg.norm(steps[0]))


def test_what_looks_the_same_too_soon_does_not_spin():
    assert set(spinners(1.0)) == {shape for shape, times in SHAPES.items() if times}
    assert set(spinners(5.0)) == {shape for shape, times in SHAPES.items() if times == 1}


def test_a_longer_sequence_at_the_same_pace_goes_on_as_the_shorter_one():
    for seed in range(100):
        scene = draw_motion_scene(np.random.default_rng(seed), 32, pace=1.0)
        for thing in scene.things:
            assert np.allclose(thing.track(32, 1.0).centres[:16], thing.track(16, 1.0).centres[:16])
            centres = thing.track(32, 1.0).centres
            assert (centres > 0).all()
            assert (centres < 1).all()
