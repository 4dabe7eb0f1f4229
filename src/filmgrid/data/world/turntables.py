"""Things on turntables: what they are, how they turn, and how they are drawn by lot.

Clockwise means: the thing turns clockwise as seen from above, as in GRID's prompts; the cameras
go round it the other way. Free of torch.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.motion_scenes import pick
from filmgrid.data.world.words import COLOURS, TURNS
from filmgrid.grid.cameras import Cameras, turntable_cameras

ACTS = ("standing still", "hopping", "growing", "shrinking")
STILL_SHARE = 0.76
"""Share of the things that stand still; the other acts share the rest."""
NUM_HOPS = 3
HOP = 0.22
"""Height of a hop in world units, for a thing of size 0.8."""
LEAST_SIZE = 0.5
"""Of what grows, at first."""
STRETCH = 0.1
"""Largest change of width and height of a thing against its kind."""
BLIND_REACH = 50
"""Degrees on either side from which a colour is still hardly seen."""
FOV_DEGREES = 45.0
"""Horizontal angle of view of square frames."""


@dataclass(frozen=True, slots=True)
class Turntable:
    """A thing seen from all sides.

    Args:
        kind: a name of ``KINDS``.
        colours: of the main part and of the second.
        turn: a name of ``TURNS``, of the thing as seen from above.
        act: a name of ``ACTS``.
        width: factor against the kind, along x and y.
        height: factor against the kind, along z.
        size: of the whole, at most 1; of what grows or shrinks, at its largest.
        first_degrees: how far the thing has turned clockwise in the first frame; 0 is its front.
    """

    kind: str
    colours: tuple[str, str]
    turn: str = "clockwise"
    act: str = "standing still"
    width: float = 1.0
    height: float = 1.0
    size: float = 1.0
    first_degrees: float = 0.0

    def cameras(self, num_frames: int) -> Cameras:
        """The cameras in world axes, GRID's own with 24 frames that turn clockwise."""
        step = TURNS[self.turn] * 360 / num_frames
        around = turntable_cameras(num_frames, step_degrees=step)
        return _turned(self.first_degrees) @ around

    def degrees(self, num_frames: int) -> Float[np.ndarray, " n"]:
        """How far the thing has turned clockwise in every frame, in [0, 360)."""
        step = TURNS[self.turn] * 360 / num_frames
        return (self.first_degrees + step * np.arange(num_frames)) % 360

    def poses(self, num_frames: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Size, and height above the usual place in world units, in every frame."""
        done = np.arange(num_frames) / max(1, num_frames - 1)
        size, lift = np.full(num_frames, self.size), np.zeros(num_frames)
        if self.act == "hopping":
            lift = HOP * np.abs(np.sin(np.pi * NUM_HOPS * np.arange(num_frames) / num_frames))
            lift -= HOP / 2
        elif self.act in ("growing", "shrinking"):
            grown = LEAST_SIZE ** (1 - done)
            size = self.size * (grown if self.act == "growing" else grown[::-1])
        return size, lift


def draw_turntable(rng: np.random.Generator, num_frames: int) -> Turntable:
    """Draw a thing on a turntable; a single frame shows it from any side, standing still."""
    kind = pick(rng, KINDS)
    first, second = rng.permutation(list(COLOURS))[:2]
    turn, act = pick(rng, TURNS), ACTS[0]
    if rng.random() > STILL_SHARE:
        act = pick(rng, ACTS[1:])
    width, height = rng.uniform(1 - STRETCH, 1, 2)
    size = rng.uniform(0.74, 0.8) if act == "hopping" else rng.uniform(0.92, 1)
    degrees = 0.0
    if num_frames == 1:
        act, degrees = ACTS[0], _visible_degrees(rng, kind)
    colours = str(first), str(second)
    return Turntable(kind, colours, turn, act, float(width), float(height), float(size), degrees)


def hides_a_colour(kind: str, degrees: float) -> bool:
    """Whether one of the colours is hardly seen when the thing has turned so far."""
    blind = KINDS[kind].blind_degrees
    return blind is not None and abs((degrees - blind + 180) % 360 - 180) <= BLIND_REACH


def _visible_degrees(rng: np.random.Generator, kind: str) -> float:
    """One of 24 sides, but none near the one that hides a colour."""
    while True:
        degrees = 15.0 * int(rng.integers(24))
        if not hides_a_colour(kind, degrees):
            return degrees


def _turned(degrees: float) -> Float[np.ndarray, "4 4"]:
    """Move cameras about the z axis as if the thing turned clockwise."""
    sin, cos = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    matrix = np.eye(4)
    matrix[:2, :2] = (cos, -sin), (sin, cos)
    return matrix
