import re

import numpy as np

from filmgrid.data.world.motion_captions import full_caption, say_motion, say_still
from filmgrid.data.world.motion_scenes import draw_motion_scene
from filmgrid.models.text import ByteWords


def scenes(count=400):
    return [draw_motion_scene(np.random.default_rng(seed), 16) for seed in range(count)]


def test_the_full_caption_names_everything():
    for scene in scenes():
        caption = full_caption(scene)
        words = re.findall(r"\w+", caption)
        assert scene.background in words
        for thing in scene.things:
            motion = thing.motion
            assert {thing.colour, thing.shape} <= set(words)
            passed = scene.things[0].motion.verb.startswith("passing") and thing is scene.things[1]
            assert passed or motion.verb.replace("stopping", "moving") in caption
            if motion.verb == "bouncing":
                assert "edge" in words
            elif motion.direction:
                assert motion.direction in caption
            for said in (motion.speed, motion.turn):
                assert said is None or said in words


def test_captions_fit_behind_a_layout_in_the_smallest_text_encoder():
    spelling = ByteWords(31, 12)
    rng = np.random.default_rng(0)
    for scene in scenes(1500):
        for said in (full_caption(scene), say_motion(scene, rng), say_still(scene, rng)):
            assert len(spelling.words(said)) <= 20


def test_wording_varies_and_articles_fit():
    scene = scenes(1)[0]
    said = {say_motion(scene, np.random.default_rng(seed)) for seed in range(60)}
    assert len(said) > 12
    for scene in scenes():
        assert not re.search(r"\ba [aeio]|\ban [^aeio]", full_caption(scene))


def test_a_still_has_no_verb():
    for scene in scenes():
        said = say_still(scene, np.random.default_rng(1))
        assert not re.search(r"ing\b|\w+ly\b|wise", said.replace("ring", ""))
