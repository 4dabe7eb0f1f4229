"""One flat thing and where it is in every frame: the exact ground truth. Free of torch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from filmgrid.data.world.outlines import extents
from filmgrid.data.world.words import (
    DIRECTIONS,
    GROWTH,
    PASSING_SPEED,
    SPEEDS,
    TURN_DEGREES,
    TURNS,
    pace_of,
)

LEAST_RADIUS, LARGEST_RADIUS = 0.06, 0.34
"""Where shrinking and growing end, in cell sides."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What a thing does.

    Args:
        verb: a name of ``VERBS``.
        direction: a name of ``DIRECTIONS``, for what moves, bounces, stops or passes.
        speed: a name of ``SPEEDS``, for what moves.
        turn: a name of ``TURNS``, for what spins or circles.
    """

    verb: str
    direction: str | None = None
    speed: str | None = None
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Where a thing is: centres of mass and radii in cell sides, angles in degrees clockwise."""

    centres: Float[np.ndarray, "n 2"]
    radii: Float[np.ndarray, " n"]
    angles: Float[np.ndarray, " n"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape and its motion.

    Args:
        shape: a name of ``SHAPES``.
        colour: a name of ``COLOURS``.
        motion: what it does.
        start: centre of mass in the first frame, x and y in cell sides.
        radius: in the first frame, in cell sides.
        size: a name of ``SIZES``; none for what grows or shrinks.
        phase: where a circling thing starts, in degrees clockwise from the right.
        orbit: radius of a circling thing's path, in cell sides.
        stop: beat at which a stopping thing stops.
    """

    shape: str
    colour: str
    motion: Motion
    start: tuple[float, float]
    radius: float
    size: str | None = None
    phase: float = 0.0
    orbit: float = 0.0
    stop: float = 0.0

    def track(self, num_frames: int, pace: float | None = None) -> Track:
        """Where the thing is in every frame.

        Args:
            num_frames: at least 1.
            pace: beats per frame; by default the motion fits the sequence.
        """
        beats = np.arange(num_frames) * (pace_of(num_frames) if pace is None else pace)
        radii = self.radius * GROWTH.get(self.motion.verb, 1.0) ** beats
        turned = TURN_DEGREES * TURNS.get(self.motion.turn or "", 0) * beats
        spins = self.motion.verb == "spinning"
        return Track(
            self._path(beats, turned),
            radii.clip(LEAST_RADIUS, LARGEST_RADIUS),
            turned if spins else np.zeros(num_frames),
        )

    def _path(
        self, beats: Float[np.ndarray, " n"], turned: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 2"]:
        start, verb = np.array(self.start), self.motion.verb
        if verb == "circling":
            hub = start - self.orbit * _arm(np.array([self.phase]))
            return hub + self.orbit * _arm(self.phase + turned)
        velocity = speed_of(self.motion) * np.array(
            DIRECTIONS.get(self.motion.direction or "", (0, 0))
        )
        if verb == "stopping":
            beats = np.minimum(beats, self.stop)
        path = start + beats[:, None] * velocity
        if verb == "bouncing":
            reach = {name: self.radius * reach for name, reach in extents(self.shape).items()}
            low = np.array([reach["left"], reach["up"]])
            room = np.maximum(1 - np.array([reach["right"], reach["down"]]) - low, 1e-6)
            path = low + room - np.abs((path - low) % (2 * room) - room)
        return path


def speed_of(motion: Motion) -> float:
    """Cell sides per beat along each axis that moves; what bounces or stops is quick."""
    if motion.verb.startswith("passing"):
        return PASSING_SPEED
    return SPEEDS[motion.speed or "quickly"]


def _arm(degrees: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Unit vectors, clockwise from the right."""
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)
