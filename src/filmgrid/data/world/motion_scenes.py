"""Scenes of one or two flat things: what they are, and how they are drawn by lot. Free of torch."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from filmgrid.data.world.outlines import extents
from filmgrid.data.world.things import Motion, Thing, speed_of
from filmgrid.data.world.words import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    NUM_BEATS,
    PASSING_SPEED,
    SHAPES,
    SIZES,
    SPEEDS,
    STRAIGHT,
    TURN_DEGREES,
    TURNS,
    pace_of,
)

MARGIN = 0.02
"""Cell sides between a thing and the edge, at least."""
SINGLE_VERBS = {
    "moving": 0.36,
    "bouncing": 0.10,
    "stopping": 0.10,
    "spinning": 0.12,
    "circling": 0.12,
    "growing": 0.06,
    "shrinking": 0.06,
    "staying still": 0.08,
}
"""Shares of the verbs among scenes of one thing."""
PASSING_SHARE, PAIR_SHARE = 0.12, 0.13
"""Shares of scenes in which one thing passes another, and in which two go their own ways."""


@dataclass(frozen=True, slots=True)
class MotionScene:
    """One or two flat things on a background.

    Args:
        things: named in this order; where one passes another, the one that passes is first.
        background: a name of ``BACKGROUNDS``.
    """

    things: tuple[Thing, ...]
    background: str

    @property
    def in_front(self) -> int:
        """Number of the thing that hides the other where they meet."""
        return 1 if self.things[0].motion.verb == "passing behind" else 0


def draw_motion_scene(
    rng: np.random.Generator, num_frames: int, pace: float | None = None
) -> MotionScene:
    """Draw a scene whose things stay inside their cell.

    Args:
        rng: decides everything.
        num_frames: of the sequence; shapes that look the same too soon do not spin in it.
        pace: beats per frame, as for :meth:`Thing.track`.
    """
    pace = pace_of(num_frames) if pace is None else pace
    beats = pace * max(1, num_frames - 1)
    background, lot = pick(rng, BACKGROUNDS), rng.random()
    if lot < PASSING_SHARE and beats <= NUM_BEATS + 1e-6:
        return MotionScene(_passing(rng), background)
    if lot < PASSING_SHARE + PAIR_SHARE:
        return MotionScene(_pair(rng, pace, beats), background)
    verb = str(rng.choice(list(SINGLE_VERBS), p=list(SINGLE_VERBS.values())))
    return MotionScene((_single(rng, verb, pace, beats),), background)


def pick(rng: np.random.Generator, names: Collection[str]) -> str:
    """Draw one of the names; much faster than ``rng.choice``."""
    return list(names)[int(rng.integers(len(names)))]


def _single(rng: np.random.Generator, verb: str, pace: float, beats: float) -> Thing:
    """One thing with the whole cell to itself."""
    shape, colour = pick(rng, SHAPES), pick(rng, COLOURS)
    size = pick(rng, SIZES)
    radius = float(rng.uniform(*SIZES[size]))
    match verb:
        case "moving":
            speed = pick(rng, SPEEDS)
            if beats * SPEEDS[speed] > 1 - 2 * radius - 2 * MARGIN:
                speed = "slowly"
            motion = Motion(verb, pick(rng, DIRECTIONS), speed)
            return Thing(
                shape, colour, motion, _start(rng, shape, radius, motion, beats), radius, size
            )
        case "stopping":
            motion = Motion(verb, pick(rng, DIRECTIONS))
            stop = float(rng.uniform(0.45, 0.6)) * min(beats, NUM_BEATS)
            start = _start(rng, shape, radius, motion, stop)
            return Thing(shape, colour, motion, start, radius, size, stop=stop)
        case "bouncing":
            return _bouncing(rng, shape, colour, size, radius)
        case "spinning":
            shape = pick(rng, spinners(pace))
            motion = Motion(verb, turn=pick(rng, TURNS))
            place = _anywhere(rng, 1.02 * radius)
            return Thing(shape, colour, motion, place, radius, size)
        case "circling":
            orbit, phase = float(rng.uniform(0.2, 0.235)), float(rng.uniform(0, 360))
            hub = rng.uniform(orbit + radius, 1 - orbit - radius, 2)
            arm = orbit * np.array([np.cos(np.deg2rad(phase)), np.sin(np.deg2rad(phase))])
            motion, start = Motion(verb, turn=pick(rng, TURNS)), _pair_of(hub + arm)
            return Thing(shape, colour, motion, start, radius, size, phase, orbit)
        case "growing" | "shrinking":
            radius = float(
                rng.uniform(0.115, 0.13) if verb == "growing" else rng.uniform(0.22, 0.27)
            )
            place = _anywhere(rng, 0.3)
            return Thing(shape, colour, Motion(verb), place, radius)
        case _:
            return Thing(shape, colour, Motion(verb), _anywhere(rng, radius), radius, size)


def _bouncing(rng: np.random.Generator, shape: str, colour: str, size: str, radius: float) -> Thing:
    """A thing that meets an edge in the middle of its time."""
    direction, reach = pick(rng, STRAIGHT), extents(shape)
    motion = Motion("bouncing", direction)
    way = np.array(DIRECTIONS[direction])
    edge = 1 - radius * reach[direction] if way.sum() > 0 else radius * reach[direction]
    meets = float(rng.uniform(0.4, 0.6)) * NUM_BEATS
    along = edge - way.sum() * meets * speed_of(motion)
    across = _anywhere(rng, radius)
    start = np.where(way != 0, along, across)
    return Thing(shape, colour, motion, _pair_of(start), radius, size)


def _passing(rng: np.random.Generator) -> tuple[Thing, Thing]:
    """A small thing that crosses behind or in front of a big one."""
    direction = pick(rng, STRAIGHT)
    motion = Motion(pick(rng, ("passing behind", "passing in front of")), direction)
    way = np.array(DIRECTIONS[direction])
    radius, other = float(rng.uniform(0.125, 0.139)), float(rng.uniform(0.19, 0.21))
    across = rng.uniform(0.38, 0.62)
    start = np.where(way != 0, 0.5 - way * PASSING_SPEED * NUM_BEATS / 2, across)
    middle = np.where(way != 0, 0.5, across + rng.uniform(-0.03, 0.03))
    colours = list(rng.permutation(list(COLOURS))[:2])
    # What is hollow or hooked would not hide what passes behind it.
    solid = pick(rng, ("circle", "square", "star", "heart", "triangle", "cross"))
    still = Thing(solid, str(colours[1]), Motion("staying still"), _pair_of(middle), other, "big")
    shape = pick(rng, [name for name in SHAPES if name != solid])
    return Thing(shape, str(colours[0]), motion, _pair_of(start), radius, "small"), still


def _pair(rng: np.random.Generator, pace: float, beats: float) -> tuple[Thing, Thing]:
    """Two small things, each in a half of the cell and with a motion of its own."""
    sideways = bool(rng.random() < 0.5)
    ways = STRAIGHT[:2] if sideways else STRAIGHT[2:]
    colours = rng.permutation(list(COLOURS))[:2]
    lanes = rng.permutation(np.array([0.26, 0.74]))
    things = []
    for colour, lane in zip(colours, lanes, strict=True):
        radius = float(rng.uniform(*SIZES["small"]))
        shape, lot = pick(rng, SHAPES), rng.random()
        if lot < 0.7:
            speed = pick(rng, SPEEDS) if beats <= NUM_BEATS + 1e-6 else "slowly"
            motion = Motion("moving", pick(rng, ways), speed)
        elif lot < 0.85:
            motion = Motion("staying still")
        else:
            shape = pick(rng, spinners(pace))
            motion = Motion("spinning", turn=pick(rng, TURNS))
        place = np.array(_start(rng, shape, radius, motion, beats))
        place[1 if sideways else 0] = lane + rng.uniform(-0.06, 0.06)
        things.append(Thing(shape, str(colour), motion, _pair_of(place), radius, "small"))
    return things[0], things[1]


def spinners(pace: float) -> list[str]:
    """Shapes whose spin can be seen at this pace: they look the same only after 2.2 frames."""
    step = 2.2 * TURN_DEGREES * pace
    return [
        shape for shape, times in SHAPES.items() if times and (times == 1 or step < 360 / times)
    ]


def _start(
    rng: np.random.Generator, shape: str, radius: float, motion: Motion, beats: float
) -> tuple[float, float]:
    """A place from which the thing stays inside for so many beats, or the middle of the way."""
    travel = speed_of(motion) * beats * np.array(DIRECTIONS.get(motion.direction or "", (0, 0)))
    low = radius + MARGIN + np.maximum(0, -travel)
    high = 1 - radius - MARGIN - np.maximum(0, travel)
    middle = 0.5 - travel / 2
    return _pair_of(
        np.where(low < high, rng.uniform(np.minimum(low, high), np.maximum(low, high)), middle)
    )


def _anywhere(rng: np.random.Generator, radius: float) -> tuple[float, float]:
    return _pair_of(rng.uniform(radius + MARGIN, 1 - radius - MARGIN, 2))


def _pair_of(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])
