"""Readings of flat things: the judge's words, and how far the path is from the caption's."""

import numpy as np
from jaxtyping import Float

from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.things import Motion, Thing, speed_of
from filmgrid.data.world.words import DIRECTIONS, NUM_BEATS, TURN_DEGREES, TURNS, pace_of
from filmgrid.evaluation.judges.motion import MotionSeen, ThingSeen, compare_motion, judge_motion
from filmgrid.types import FrameArray

SIDE = 64
"""Errors of paths are told in pixels of cells with this side, whatever the cells have."""


def find_thing(scene: MotionScene, seen: MotionSeen, thing: Thing) -> ThingSeen | None:
    """The thing seen that has its colour, or the only one there should be."""
    for found in seen.things:
        if found.colour == thing.colour:
            return found
    return seen.things[0] if len(scene.things) == 1 and seen.things else None


def read_motion(scene: MotionScene, frames: FrameArray) -> dict[str, float]:
    """Which words are right, the verb of the first thing, and the worst path."""
    seen = judge_motion(frames)
    readings = {word: float(right) for word, right in compare_motion(scene, seen).items()}
    first = find_thing(scene, seen, scene.things[0])
    verb = scene.things[0].motion.verb
    readings[f"verb {verb}"] = float(first is not None and first.motion.verb == verb)
    beats = np.arange(len(frames)) * pace_of(len(frames))
    errors = []
    for thing in scene.things:
        found = find_thing(scene, seen, thing)
        errors.append(
            SIDE if found is None else SIDE * caption_error(thing.motion, beats, found.centres)
        )
    return {**readings, "path": float(max(errors))}


def caption_error(
    motion: Motion, beats: Float[np.ndarray, " n"], places: Float[np.ndarray, "n 2"]
) -> float:
    """Root mean square distance from the nearest path that the caption allows, in cell sides.

    A caption says direction and speed, and not where a path begins, when a thing stops or turns
    back, nor how wide it circles: of these, what is nearest to the positions.

    Args:
        motion: what is asked for.
        beats: time of each frame.
        places: x and y in cell sides; NaN where nothing was seen.
    """
    shown = np.isfinite(places).all(axis=1)
    beats, places = beats[shown], places[shown]
    if motion.verb == "circling":
        return _circle_error(motion, beats, places)
    velocity = speed_of(motion) * np.array(DIRECTIONS.get(motion.direction or "", (0, 0)))
    moments = np.linspace(0.2, 0.9, 71) * NUM_BEATS
    match motion.verb:
        case "stopping":
            walked = np.minimum(beats, moments[:, None])
        case "bouncing":
            walked = -np.abs(beats - moments[:, None])
        case _:
            walked = beats[None]
    left = places - walked[..., None] * velocity
    left = left - left.mean(axis=1, keepdims=True)
    return float(np.sqrt((left**2).sum(2).mean(1)).min())


def _circle_error(
    motion: Motion, beats: Float[np.ndarray, " n"], places: Float[np.ndarray, "n 2"]
) -> float:
    """Least squares over middle, radius and phase, in complex numbers."""
    turning = np.exp(1j * np.deg2rad(TURNS[motion.turn or "clockwise"] * TURN_DEGREES) * beats)
    terms = np.stack([np.ones_like(turning), turning], 1)
    path = places[:, 0] + 1j * places[:, 1]
    solution = np.linalg.lstsq(terms, path, rcond=None)[0]
    return float(np.sqrt((np.abs(path - terms @ solution) ** 2).mean()))


def track_error(places: Float[np.ndarray, "n 2"], wanted: Float[np.ndarray, "n 2"]) -> float:
    """Root mean square distance in pixels of ``SIDE``; a whole side if nothing was seen."""
    shown = np.isfinite(places).all(axis=1)
    if not shown.any():
        return float(SIDE)
    square = ((places - wanted)[shown] ** 2).sum(1).mean()
    return float(SIDE * np.sqrt(square))
