import numpy as np

from filmgrid.data.shapes_world import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    SHAPES,
    SPEEDS,
    World,
    draw_scene,
)
from filmgrid.grid.spec import CellSize

CELL = CellSize(32, 32)


def scenes(count=60):
    return [draw_scene(np.random.default_rng(seed), 16) for seed in range(count)]


def things(scene, frames):
    """Where the thing is, as a share of cover per pixel, from the frames alone."""
    colour, background = np.array(COLOURS[scene.colour]), np.array(BACKGROUNDS[scene.background])
    along = (frames - background.astype(float)) @ (colour - background)
    return along / ((colour - background) ** 2).sum()


def test_the_thing_is_where_its_path_says():
    for scene in scenes():
        if scene.shape in ("triangle", "star"):
            continue  # their middle is not their centre of mass
        cover = things(scene, scene.render(16, CELL)).clip(0, 1)
        mass = cover.sum(axis=(1, 2))
        x = (cover.sum(axis=1) * (np.arange(32) + 0.5)).sum(axis=1) / mass
        y = (cover.sum(axis=2) * (np.arange(32) + 0.5)).sum(axis=1) / mass
        assert np.allclose(np.stack([x, y], axis=1), scene.centres(16) * 32, atol=0.35)


def test_directions_and_speeds_are_what_the_caption_says():
    for scene in scenes():
        if scene.motion not in DIRECTIONS:
            continue
        steps = np.diff(scene.centres(3), axis=0)
        wanted = np.array(DIRECTIONS[scene.motion]) * SPEEDS[scene.speed]
        assert np.allclose(np.abs(steps), np.abs(wanted), atol=1e-9)
        assert scene.motion in scene.captions()[0]
        assert scene.speed in scene.captions()[1]


def test_things_stay_inside_their_cells():
    for scene in scenes():
        centres, radii = scene.centres(16), scene.radii(16)[:, None]
        assert (centres >= np.minimum(radii, 0.45) - 0.03).all()
        assert (centres <= 1 - np.minimum(radii, 0.45) + 0.03).all()


def test_growing_grows_and_shrinking_shrinks():
    for scene in scenes(300):
        sizes = things(scene, scene.render(16, CELL)).clip(0, 1).sum(axis=(1, 2))
        if scene.motion == "growing":
            assert sizes[-1] > 1.5 * sizes[0]
        if scene.motion == "shrinking":
            assert sizes[-1] < 0.8 * sizes[0]


def test_every_word_of_the_world_is_drawn():
    drawn = scenes(400)
    assert {scene.shape for scene in drawn} == set(SHAPES)
    assert {scene.colour for scene in drawn} == set(COLOURS)
    assert {scene.background for scene in drawn} == set(BACKGROUNDS)
    motions = {*DIRECTIONS, "growing", "shrinking", "staying still"}
    assert {scene.motion for scene in drawn} == motions
    assert all(scene.colour != scene.background for scene in drawn)


def test_an_example_belongs_to_its_index_and_only_its_wording_varies():
    world = World()
    first = world.draw(7, 16, CELL, np.random.default_rng(0))
    words = {world.draw(7, 16, CELL, np.random.default_rng(seed)).caption for seed in range(30)}
    again = world.draw(7, 16, CELL, np.random.default_rng(9))
    assert (first.frames == again.frames).all()
    assert len(words) > 1
    assert (world.draw(8, 16, CELL, np.random.default_rng(0)).frames != first.frames).any()


def test_one_frame_is_captioned_without_motion():
    caption = World().draw(3, 1, CELL, np.random.default_rng(0)).caption
    assert "background" in caption
    assert "moving" not in caption


def test_a_star_and_a_triangle_point_up():
    """More of them lies below the middle of their tips than above."""
    for scene in scenes(400):
        if scene.shape in ("triangle", "star") and scene.motion == "staying still":
            cover = things(scene, scene.render(1, CellSize(64, 64)))[0] > 0.5
            rows = np.flatnonzero(cover.any(axis=1))
            widths = cover[rows].sum(axis=1)
            assert widths[0] < widths[-1] + 1 or scene.shape == "star"
            assert widths[0] <= 4
