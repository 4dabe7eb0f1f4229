"""Scenes of flat things in words. Free of torch.

A caption has at most 20 words and signs, so that with the layout before it the smallest text
encoder still reads it whole.
"""

from collections.abc import Sequence

import numpy as np

from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.things import Motion, Thing
from filmgrid.data.world.words import EDGES

SIZE_SHARE, SPEED_SHARE, BACKGROUND_SHARE = 0.6, 0.8, 0.85
"""How often a caption says them."""
SHORT = 3
"""Ways to say a motion, from the first, that leave room for a second thing."""


def say_motion(scene: MotionScene, rng: np.random.Generator) -> str:
    """The scene in words; ``rng`` chooses them, and what is left unsaid."""
    where = choose(rng, _places(scene.background)) if rng.random() < BACKGROUND_SHARE else ""
    single = len(scene.things) == 1
    sized = rng.random() < SIZE_SHARE and (single or _passes(scene))
    named = [name_of(thing, sized) for thing in scene.things]
    if _passes(scene):
        said = choose(rng, _passing_phrases(scene.things[0].motion, *named))
    else:
        paced = rng.random() < SPEED_SHARE
        said = " and ".join(
            choose(rng, _phrases(thing.motion, name, paced)[: None if single else SHORT])
            for thing, name in zip(scene.things, named, strict=True)
        )
    return vary_turn(f"{said} {where}".strip(), rng)


def full_caption(scene: MotionScene) -> str:
    """Everything there is to say of the scene, in the first of the wordings."""
    single, passes = len(scene.things) == 1, _passes(scene)
    named = [name_of(thing, single or passes) for thing in scene.things]
    if passes:
        said = _passing_phrases(scene.things[0].motion, *named)[0]
    else:
        said = " and ".join(
            _phrases(thing.motion, name, True)[0]
            for thing, name in zip(scene.things, named, strict=True)
        )
    return f"{said} {_places(scene.background)[0]}"


def say_still(scene: MotionScene, rng: np.random.Generator) -> str:
    """One image of the scene, without what only time shows."""
    sized = rng.random() < SIZE_SHARE and len(scene.things) == 1
    said = " and ".join(name_of(thing, sized) for thing in scene.things)
    where = choose(rng, _places(scene.background)) if rng.random() < BACKGROUND_SHARE else ""
    return f"{said} {where}".strip()


def name_of(thing: Thing, sized: bool) -> str:
    """Such as ``a small red star``."""
    words = [thing.size] if sized and thing.size else []
    return with_article(" ".join([*words, thing.colour, thing.shape]))


def vary_turn(said: str, rng: np.random.Generator) -> str:
    """Half of those who say anticlockwise say counterclockwise."""
    return said.replace("anticlockwise", "counterclockwise") if rng.random() < 0.5 else said


def with_article(words: str) -> str:
    """``a`` or ``an`` before words of this world."""
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def _passes(scene: MotionScene) -> bool:
    return scene.things[0].motion.verb.startswith("passing")


def _phrases(motion: Motion, name: str, paced: bool) -> list[str]:
    """Ways to say what a thing does by itself."""
    direction, speed, turn = motion.direction, motion.speed, motion.turn
    match motion.verb:
        case "moving" if paced:
            return [
                f"{name} moving {direction} {speed}",
                f"{name} {speed} moving {direction}",
                f"{name} moves {direction} {speed}",
                f"{name} moves {speed} {_towards(direction)}",
            ]
        case "moving":
            return [
                f"{name} moving {direction}",
                f"{name} moves {_towards(direction)}",
                f"{name} going {direction}",
            ]
        case "bouncing":
            edge = EDGES[direction or ""]
            return [
                f"{name} bouncing off the {edge} edge",
                f"{name} bounces off the {edge} edge",
                f"{name} moving {direction} and bouncing back",
            ]
        case "stopping":
            return [
                f"{name} moving {direction} and then stopping",
                f"{name} moves {_towards(direction)} and then stops",
                f"{name} moves {direction} and stops",
            ]
        case "spinning":
            return [
                f"{name} spinning {turn}",
                f"{name} spins {turn}",
                f"{name} rotating {turn}",
                f"{name} turning {turn} on the spot",
            ]
        case "circling":
            return [
                f"{name} circling {turn}",
                f"{name} moving in a circle {turn}",
                f"{name} moves {turn} in a circle",
            ]
        case "growing":
            return [f"{name} growing", f"{name} grows", f"{name} getting bigger"]
        case "shrinking":
            return [f"{name} shrinking", f"{name} shrinks", f"{name} getting smaller"]
        case _:
            return [f"{name} staying still", f"{name} stays still", f"{name} standing still"]


def _passing_phrases(motion: Motion, name: str, other: str) -> list[str]:
    place = motion.verb.removeprefix("passing ")
    return [
        f"{name} moving {motion.direction}, passing {place} {other}",
        f"{name} passing {place} {other}, moving {motion.direction}",
        f"{name} passes {place} {other}",
        f"{name} moves {motion.direction} {place} {other}",
    ]


def _towards(direction: str | None) -> str:
    return f"to the {direction}" if direction in ("left", "right") else str(direction)


def _places(background: str) -> list[str]:
    return [f"on a {background} background", f"against a {background} background"]


def choose(rng: np.random.Generator, ways: Sequence[str]) -> str:
    """One of the ways to say it."""
    return ways[int(rng.integers(len(ways)))]
