import re

import numpy as np
import pytest
import torch

from filmgrid.data.world.held_out import is_held_out
from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.shoot import shoot_parts, shoot_turntables
from filmgrid.data.world.source import World, render
from filmgrid.data.world.turntable_captions import (
    full_turntable_caption,
    say_turntable,
    say_turntable_still,
)
from filmgrid.data.world.turntables import ACTS, Turntable, draw_turntable
from filmgrid.data.world.words import COLOURS
from filmgrid.grid.cameras import turntable_cameras
from filmgrid.grid.spec import CellSize
from filmgrid.models.text import ByteWords

CELL = CellSize(32, 32)


def scenes(count=300, num_frames=24):
    return [draw_turntable(np.random.default_rng(seed), num_frames) for seed in range(count)]


def test_a_clockwise_turntable_is_seen_by_the_cameras_of_the_paper():
    assert np.allclose(Turntable("mug", ("red", "blue")).cameras(24), turntable_cameras(24))


def test_anticlockwise_is_clockwise_backwards_from_the_same_front():
    one, two = (
        shoot_turntables([Turntable("teapot", ("red", "blue"), turn)], 24, CELL)[0]
        for turn in ("clockwise", "anticlockwise")
    )
    assert torch.equal(one[0], two[0])
    assert (one[1:].flip(0).int() - two[1:].int()).abs().float().mean() < 0.2


def test_clockwise_seen_from_above_brings_the_right_side_to_the_front():
    """A mug's handle is at the right of its front, so after a quarter it points at the viewer."""
    mug = Turntable("mug", ("white", "red"))
    handle = shoot_parts(mug, 4, CELL)[0][:, 1]  # brightness of the second part
    columns = torch.arange(32).float()
    at = (handle.sum(1) @ columns) / handle.sum((1, 2)).clamp(min=1e-6)
    assert at[0] > 21
    assert at[1] == pytest.approx(15.5, abs=1)
    assert at[2] < 10
    assert handle[1].sum() > 5 * handle[3].sum()  # behind the mug at three quarters


def test_things_rendered_together_are_those_rendered_alone():
    drawn = scenes(5, 6)
    together = shoot_turntables(drawn, 6, CELL)
    for scene, frames in zip(drawn, together, strict=True):
        alone = shoot_turntables([scene], 6, CELL)[0]
        assert (alone.int() - frames.int()).abs().float().mean() < 0.05


def test_every_kind_and_act_is_drawn_in_two_different_colours():
    drawn = scenes(900)
    assert {scene.kind for scene in drawn} == set(KINDS)
    assert {scene.act for scene in drawn} == set(ACTS)
    assert {name for scene in drawn for name in scene.colours} == set(COLOURS)
    assert all(scene.colours[0] != scene.colours[1] for scene in drawn)
    assert len(KINDS) >= 20


def test_the_background_is_black_and_nothing_is_cut_off():
    for scene in scenes(40):
        frames = shoot_turntables([scene], 24, CELL)[0]
        border = [frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]]
        assert max(int(part.max()) for part in border) == 0
        assert all(frame.max() > 60 for frame in frames)


def test_what_grows_is_largest_at_the_end_and_what_hops_leaves_its_place():
    def area(frames):
        return (frames.amax(-1) > 20).float().mean((1, 2))

    mushroom = {"kind": "mushroom", "colours": ("red", "white")}
    growing = area(shoot_turntables([Turntable(**mushroom, act="growing")], 24, CELL)[0])
    assert growing[-1] > 3 * growing[0]
    hops = shoot_turntables([Turntable(**mushroom, act="hopping", size=0.8)], 24, CELL)[0]
    rows = (hops.amax(-1) > 20).any(2).float().argmax(1)
    assert rows[4] < rows[0] - 3
    assert rows[8] == rows[0]


def test_captions_say_all_and_fit_behind_a_layout():
    spelling, rng = ByteWords(31, 12), np.random.default_rng(0)
    for scene in scenes(600):
        full = full_turntable_caption(scene)
        for word in (scene.kind, *scene.colours, KINDS[scene.kind].second, scene.turn):
            assert word in full
        assert scene.act == "standing still" or scene.act in full
        for said in (full, say_turntable(scene, rng), say_turntable_still(scene, rng)):
            assert len(spelling.words(said)) <= 20, said
            assert not re.search(r"\ba [aeio]|\ban [^aeio]", said)


def test_stills_do_not_turn_and_are_seen_from_all_sides():
    stills = scenes(300, 1)
    assert len({scene.first_degrees for scene in stills}) == 24
    for scene in stills:
        assert "ing " not in say_turntable_still(scene, np.random.default_rng(0))


def test_the_world_has_turntables_in_grids_of_24_and_among_stills():
    def share(num_frames, **options):
        world = World(**options)
        drawn = [world.scene(index, num_frames) for index in range(200)]
        return np.mean([isinstance(scene, Turntable) for scene in drawn])

    assert 0.4 < share(24) < 0.6
    assert 0.4 < share(1) < 0.6
    assert share(16) == 0
    assert share(16, turntable_frames=(16,), turntables=1.0) == 1


def test_held_out_pairs_of_colour_and_kind_are_not_trained_on():
    world = World(turntables=1.0)
    trained = [world.scene(index, 24) for index in range(1500)]
    assert not any(is_held_out(scene) for scene in trained)
    held = [World("held_out", 1.0).scene(index, 24) for index in range(150)]
    assert all(is_held_out(scene) for scene in held)
    assert {scene.kind for scene in held} <= {scene.kind for scene in trained} == set(KINDS)
    assert len({(scene.colours[0], scene.kind) for scene in held}) > 15


def test_both_sorts_of_scenes_render_in_one_batch():
    world = World()
    mixed = [world.scene(index, 24) for index in range(6)]
    frames = render(mixed, 24, CELL)
    for scene, made in zip(mixed, frames, strict=True):
        assert (render([scene], 24, CELL)[0].int() - made.int()).abs().float().mean() < 0.05
