import numpy as np

from filmgrid.data.world.held_out import combinations, is_held_out
from filmgrid.data.world.source import World
from filmgrid.grid.spec import CellSize

CELL = CellSize(32, 32)


def test_an_example_belongs_to_its_index_and_only_its_wording_varies():
    world = World()
    first = world.draw(7, 16, CELL, np.random.default_rng(0))
    words = {world.draw(7, 16, CELL, np.random.default_rng(seed)).caption for seed in range(30)}
    again = world.draw(7, 16, CELL, np.random.default_rng(9))
    assert (first.frames == again.frames).all()
    assert len(words) > 1
    assert (world.draw(8, 16, CELL, np.random.default_rng(0)).frames != first.frames).any()


def test_what_is_held_out_is_never_trained_on():
    train = {one for i in range(3000) for one in combinations(World().scene(i, 16))}
    held = [World("held_out").scene(i, 16) for i in range(200)]
    assert all(is_held_out(scene) for scene in held)
    assert all(not train.issuperset(combinations(scene)) for scene in held)
    assert {part for one in train for part in one} >= {
        part for scene in held for one in combinations(scene) for part in one
    }


def test_about_a_tenth_is_held_out_and_every_word_is_on_both_sides():
    held = {one for i in range(400) for one in combinations(World("held_out").scene(i, 16))}
    words = {word for one in held for word in one}
    everything = {
        w for i in range(800) for one in combinations(World("all").scene(i, 16)) for w in one
    }
    assert words == everything
    share = np.mean([is_held_out(World("all", seed=1).scene(i, 16)) for i in range(1000)])
    assert 0.06 < share < 0.2


def test_another_seed_is_another_world():
    assert World(seed=1).scene(0, 16) != World().scene(0, 16)
