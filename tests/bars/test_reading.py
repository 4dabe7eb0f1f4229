import numpy as np
import pytest

from filmgrid.bars.reading import SIDE, caption_error, track_error
from filmgrid.bars.scenes import motion_scene, turntable_scene
from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.things import Motion
from filmgrid.data.world.words import VERBS

BEATS = np.arange(16.0)


@pytest.mark.parametrize("number", range(20))
def test_a_true_path_is_the_captions_own_wherever_it_begins(number):
    thing = motion_scene(0, number).things[0]
    assert caption_error(thing.motion, BEATS, thing.track(16).centres) * SIDE < 0.3


def test_the_wrong_direction_costs_what_it_is_off():
    path = BEATS[:, None] * np.array([1 / 32, 0]) + 0.2
    right = Motion("moving", "right", "quickly")
    assert caption_error(right, BEATS, path) == pytest.approx(0, abs=1e-9)
    slow = caption_error(Motion("moving", "right", "slowly"), BEATS, path)
    assert slow == pytest.approx(np.std(BEATS) / 64)
    assert caption_error(Motion("moving", "left", "quickly"), BEATS, path) > 4 * slow - 1e-9
    assert caption_error(Motion("circling", turn="clockwise"), BEATS, path) > slow


def test_what_is_not_seen_is_a_whole_side_off():
    nothing = np.full((16, 2), np.nan)
    assert track_error(nothing, np.zeros((16, 2))) == SIDE


def test_scenes_have_the_verbs_in_turn_and_only_combinations_of_their_side():
    scenes = [motion_scene(0, number) for number in range(len(VERBS))]
    assert [scene.things[0].motion.verb for scene in scenes] == list(VERBS)
    assert not any(map(is_held_out, scenes))
    assert all(is_held_out(motion_scene(0, number, split="held_out")) for number in range(10))
    assert all(is_held_out(turntable_scene(0, number, split="held_out")) for number in range(30))
    assert len({turntable_scene(0, number).kind for number in range(29)}) == 29
