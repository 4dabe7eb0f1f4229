"""Things on turntables in words, at most 20 with signs. Free of torch."""

import numpy as np

from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.motion_captions import choose, vary_turn, with_article
from filmgrid.data.world.turntables import Turntable

BACKGROUND = "on a black background"
BACKGROUND_SHARE, SIDE_SHARE = 0.6, 0.6
"""How often a caption says them."""
TURNING = (
    "rotating {}",
    "turning {}",
    "rotating 360 degrees {}",
    "seen from all sides, turning {}",
)
MOST_WORDS_OF_A_MODEL = 14
"""Longer captions do not begin with ``a 3D model of``."""
NEAR_DEGREES = 15
"""How far from a side a still may be and still be called a view of it."""


def say_turntable(scene: Turntable, rng: np.random.Generator) -> str:
    """The scene in words; ``rng`` chooses them, and whether the background is named."""
    where = BACKGROUND if rng.random() < BACKGROUND_SHARE else ""
    turning = choose(rng, TURNING).format(scene.turn)
    if scene.act != "standing still":
        turning = f"{scene.act} and rotating {scene.turn}"
    subject = _subject(scene)
    if rng.random() < 0.5 and len(f"{subject} {turning} {where}".split()) <= MOST_WORDS_OF_A_MODEL:
        subject = f"a 3D model of {subject}"
    return vary_turn(f"{subject} {turning} {where}".strip(), rng)


def full_turntable_caption(scene: Turntable) -> str:
    """Everything there is to say of the scene, in one wording."""
    if scene.act == "standing still":
        return f"a 3D model of {_subject(scene)} rotating {scene.turn} {BACKGROUND}"
    return f"{_subject(scene)} {scene.act} and rotating {scene.turn} {BACKGROUND}"


def say_turntable_still(scene: Turntable, rng: np.random.Generator) -> str:
    """One view of the thing in words."""
    where = BACKGROUND if rng.random() < BACKGROUND_SHARE else ""
    model = "a 3D model of " if rng.random() < 0.3 else ""
    side = side_of(scene.first_degrees)
    seen = f"seen from {side}" if side and rng.random() < SIDE_SHARE else ""
    return " ".join(f"{model}{_subject(scene)} {seen} {where}".split())


def side_of(degrees: float) -> str | None:
    """The side that a thing shows when it has turned clockwise so far, if it has a name."""
    for side, at in (("the front", (0, 360)), ("behind", (180,)), ("the side", (90, 270))):
        if any(abs(degrees % 360 - middle) <= NEAR_DEGREES for middle in at):
            return side
    return None


def _subject(scene: Turntable) -> str:
    """Such as ``a white mug with a blue handle``."""
    main, second = scene.colours
    kind = KINDS[scene.kind]
    part = f"{second} {kind.second}"
    return (
        f"{with_article(f'{main} {scene.kind}')} with {part if kind.plural else with_article(part)}"
    )
