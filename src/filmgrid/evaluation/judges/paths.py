"""Which verb explains a path best: still, straight, stopping, bouncing or circling."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from filmgrid.data.world.words import DIRECTIONS, NUM_BEATS, SPEEDS, TURN_DEGREES

NOISE = 0.008
"""Error of a position, in cell sides, that no better fit is needed for."""
LEAST_TRAVEL = 0.09
"""Cell sides per 15 beats below which a thing stands still."""
LEAST_ORBIT = 0.08
"""Cell sides of radius below which nothing circles."""
RATES = (0.8, 0.9, 1.0, 1.1, 1.2)
"""Of the world's own speed of circling."""
QUICK = (SPEEDS["slowly"] * SPEEDS["quickly"]) ** 0.5


@dataclass(frozen=True, slots=True)
class PathFit:
    """The simplest path that explains the positions.

    Args:
        verb: "staying still", "moving", "stopping", "bouncing" or "circling".
        velocity: at first, in cell sides per beat; of what circles, zero.
        turn: a name of ``TURNS``, for what circles.
        error: root mean square distance from the path, in cell sides.
    """

    verb: str
    velocity: Float[np.ndarray, " 2"]
    turn: str | None
    error: float

    @property
    def direction(self) -> str:
        """The nearest of the eight directions."""
        ways = np.array(list(DIRECTIONS.values()), float)
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        return list(DIRECTIONS)[int((ways @ self.velocity).argmax())]

    @property
    def speed(self) -> str:
        """The nearer of the two speeds."""
        return "quickly" if np.abs(self.velocity).max() > QUICK else "slowly"


def fit_path(beats: Float[np.ndarray, " n"], places: Float[np.ndarray, "n 2"]) -> PathFit:
    """Fit every kind of path by least squares and weigh the errors against the freedoms.

    Args:
        beats: time of each position; at least 4 of them.
        places: x and y in cell sides.
    """
    tried = list(_candidates(beats, places))
    count = 2 * len(beats)
    return min(
        tried,
        key=lambda found: count * np.log(found[0].error ** 2 + NOISE**2) + found[1] * np.log(count),
    )[0]


def _candidates(
    beats: Float[np.ndarray, " n"], places: Float[np.ndarray, "n 2"]
) -> Iterator[tuple[PathFit, int]]:
    """Fits with the number of their freedoms."""
    nowhere, one = np.zeros(2), np.ones_like(beats)
    (_, error) = _solve(one[:, None], places)
    yield PathFit("staying still", nowhere, None, error), 2
    solution, error = _solve(np.stack([one, beats], 1), places)
    if np.abs(solution[1]).max() * NUM_BEATS > LEAST_TRAVEL:
        yield PathFit("moving", solution[1], None, error), 4
    span = beats[-1] - beats[0]
    for turning in beats[0] + span * np.linspace(0.25, 0.75, 21):
        solution, error = _solve(np.stack([one, np.minimum(beats, turning)], 1), places)
        if np.abs(solution[1]).max() * (turning - beats[0]) > LEAST_TRAVEL / 2:
            yield PathFit("stopping", solution[1], None, error), 5
        solution, error = _solve(np.stack([one, np.abs(beats - turning)], 1), places)
        if np.abs(solution[1]).max() * NUM_BEATS > LEAST_TRAVEL:
            yield PathFit("bouncing", -solution[1], None, error), 5
    for turn, sign in (("clockwise", 1), ("anticlockwise", -1)):
        for rate in RATES:
            angle = np.deg2rad(sign * rate * TURN_DEGREES) * beats
            sin, cos, none = np.sin(angle), np.cos(angle), 0 * beats
            terms = np.concatenate(
                [np.stack([one, none, cos, -sin], 1), np.stack([none, one, sin, cos], 1)]
            )
            solution, error = _solve(terms, places.T.reshape(-1, 1))
            if np.hypot(*solution[2:, 0]) > LEAST_ORBIT:
                yield PathFit("circling", nowhere, turn, error * 2**0.5), 6


def _solve(
    terms: Float[np.ndarray, "n k"], values: Float[np.ndarray, "n d"]
) -> tuple[np.ndarray, float]:
    """Least squares, and the root mean square of what is left, over both axes together."""
    solution = np.linalg.lstsq(terms, values, rcond=None)[0]
    left = values - terms @ solution
    return solution, float(np.sqrt((left**2).sum(1).mean()))
