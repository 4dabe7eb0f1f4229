import numpy as np
import pytest
import torch

from filmgrid.data.world.motion_scenes import MotionScene, draw_motion_scene
from filmgrid.data.world.paint import background, cover_of, paint_motion
from filmgrid.data.world.things import Motion, Thing
from filmgrid.data.world.words import BACKGROUNDS, COLOURS, SHAPES
from filmgrid.grid.spec import CellSize

CELL = CellSize(64, 64)


def test_the_centre_of_mass_is_where_the_track_says():
    for seed in range(60):
        for thing in draw_motion_scene(np.random.default_rng(seed), 16).things:
            track = thing.track(16)
            cover = cover_of([thing], [track], CELL)[0].numpy()
            mass = cover.sum((1, 2))
            x = (cover.sum(1) * (np.arange(64) + 0.5)).sum(1) / mass
            y = (cover.sum(2) * (np.arange(64) + 0.5)).sum(1) / mass
            inside = np.abs(track.centres - 0.5).max(1) + track.radii < 0.5
            found = np.stack([x, y], 1)[inside]
            assert np.allclose(found, 64 * track.centres[inside], atol=0.25)


def test_scenes_painted_together_are_those_painted_alone():
    scenes = [draw_motion_scene(np.random.default_rng(seed), 8) for seed in range(12)]
    together = paint_motion(scenes, 8, CellSize(32, 48))
    for scene, frames in zip(scenes, together, strict=True):
        assert torch.equal(paint_motion([scene], 8, CellSize(32, 48))[0], frames)


@pytest.mark.parametrize(
    ("verb", "seen"), [("passing behind", "blue"), ("passing in front of", "red")]
)
def test_what_passes_behind_is_hidden_and_what_passes_in_front_hides(verb, seen):
    star = Thing("star", "red", Motion(verb, "right"), (0.14, 0.5), 0.14, "small")
    square = Thing("square", "blue", Motion("staying still"), (0.5, 0.5), 0.2, "big")
    frames = paint_motion([MotionScene((star, square), "black")], 15, CELL)[0]
    assert tuple(frames[7, 32, 32].tolist()) == COLOURS[seen]


def test_a_spin_by_a_right_angle_is_a_turned_picture():
    for shape in SHAPES:
        thing = Thing(shape, "white", Motion("spinning", turn="clockwise"), (0.5, 0.5), 0.3)
        frames = paint_motion([MotionScene((thing,), "black")], 5, CELL, pace=1.0)[0].numpy()
        turned = np.rot90(frames[0], -1)  # clockwise
        assert np.abs(frames[4].astype(int) - turned).mean() < 0.5


def test_backgrounds_differ_and_let_every_colour_be_seen():
    grounds = [background(name, CELL) for name in BACKGROUNDS]
    for place, ground in enumerate(grounds):
        for other in grounds[:place]:
            assert (ground - other).abs().sum(-1).mean() > 40
        for colour in COLOURS.values():
            apart = (ground - torch.tensor(colour)).abs().sum(-1)
            assert apart.min() > 80
