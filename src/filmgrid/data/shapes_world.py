"""A procedural world of captioned moving shapes, with its ground truth.

What the shipped mini model learns, and what tests measure against: every scene is drawn from a
seed, so there is as much of it as wanted, and colour, shape and path of the thing in it are
known exactly. Free of torch.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from filmgrid.data.examples import Example
from filmgrid.grid.spec import CellSize
from filmgrid.types import FrameArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 190, 70),
    "blue": (70, 120, 245),
    "yellow": (245, 215, 50),
    "purple": (175, 70, 205),
    "white": (245, 245, 245),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (15, 15, 18),
    "grey": (110, 110, 115),
    "navy": (25, 35, 90),
    "brown": (95, 65, 45),
}
SHAPES = ("circle", "square", "triangle", "star")
DIRECTIONS: dict[str, tuple[int, int]] = {  # image axes: x to the right, y down
    "right": (1, 0),
    "left": (-1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "up and right": (1, -1),
    "up and left": (-1, -1),
    "down and right": (1, 1),
    "down and left": (-1, 1),
}
SPEEDS = {"slowly": 0.5 / 32, "quickly": 1 / 32}
"""Cell sides per frame along each axis that moves."""
GROWTH = {"growing": 1.06, "shrinking": 1 / 1.06}
"""Factor of the radius from one frame to the next."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing on a plain background.

    Args:
        shape: a name of ``SHAPES``.
        colour: a name of ``COLOURS``.
        background: a name of ``BACKGROUNDS``.
        motion: a name of ``DIRECTIONS`` or ``GROWTH``, or "staying still".
        speed: a name of ``SPEEDS``; only for directions.
        start: centre in the first frame, x and y in cell sides.
        radius: in the first frame, in cell sides.
    """

    shape: str
    colour: str
    background: str
    motion: str
    speed: str
    start: tuple[float, float]
    radius: float

    def centres(self, num_frames: int) -> Float[np.ndarray, "n 2"]:
        """Centre of the thing in every frame, x and y in cell sides; walls throw it back."""
        step = np.array(DIRECTIONS.get(self.motion, (0, 0))) * SPEEDS[self.speed]
        path = np.array(self.start) + np.arange(num_frames)[:, None] * step
        room = 1 - 2 * self.radius
        return self.radius + room - np.abs((path - self.radius) % (2 * room) - room)

    def radii(self, num_frames: int) -> Float[np.ndarray, " n"]:
        """Radius in every frame, in cell sides."""
        radii = self.radius * GROWTH.get(self.motion, 1.0) ** np.arange(num_frames)
        return np.clip(radii, 0.06, 0.4)

    def render(self, num_frames: int, cell: CellSize) -> FrameArray:
        """Draw the frames, with edges smoothed over one pixel."""
        height, width = cell
        side = min(height, width)
        radii = self.radii(num_frames)[:, None, None] * side
        centres = self.centres(num_frames) * (width, height)
        y = (np.arange(height) + 0.5)[None, :, None] - centres[:, 1, None, None]
        x = (np.arange(width) + 0.5)[None, None, :] - centres[:, 0, None, None]
        distance = _distance(self.shape, x.astype(np.float32), y.astype(np.float32), radii)
        cover = np.clip(0.5 - distance, 0, 1)[..., None].astype(np.float32)
        colour = np.array(COLOURS[self.colour], np.float32)
        background = np.array(BACKGROUNDS[self.background], np.float32)
        return np.round(background + cover * (colour - background)).astype(np.uint8)

    def captions(self) -> list[str]:
        """The scene in words, from the plainest to the fullest."""
        thing, where = self._thing(), f"on a {self.background} background"
        if self.motion in DIRECTIONS:
            ways = [
                f"moving {self.motion}",
                f"moving {self.motion} {self.speed}",
                f"{self.speed} moving {self.motion}",
                f"moves {self.speed} to the {self.motion}"
                if self.motion in ("right", "left")
                else f"moves {self.motion} {self.speed}",
            ]
        else:
            ways = [self.motion]
        bare = f"{self.colour} {self.shape} {ways[0]}"
        return [f"{thing} {way} {where}" for way in ways] + [f"{thing} {ways[-1]}", bare]

    def still_caption(self) -> str:
        """The scene as one image."""
        return f"{self._thing()} on a {self.background} background"

    def _thing(self) -> str:
        return f"a {self.colour} {self.shape}"


def draw_scene(rng: np.random.Generator, num_frames: int) -> Scene:
    """Draw a scene whose thing stays inside its cell over ``num_frames`` where it can."""
    colour, background = _pick(rng, COLOURS), _pick(rng, BACKGROUNDS)
    motion = (
        _pick(rng, DIRECTIONS) if rng.random() < 0.8 else _pick(rng, ("staying still", *GROWTH))
    )
    speed = _pick(rng, SPEEDS)
    radius = float(rng.uniform(0.17, 0.26))
    if motion == "growing":
        radius = float(rng.uniform(0.11, 0.16))
    margin = 0.36 if motion == "growing" else radius
    travel = np.array(DIRECTIONS.get(motion, (0, 0))) * SPEEDS[speed] * (num_frames - 1)
    low = margin + np.maximum(0, -travel)
    high = 1 - margin - np.maximum(0, travel)
    start = np.where(low < high, rng.uniform(np.minimum(low, high), np.maximum(low, high)), 0.5)
    start = np.clip(start, radius, 1 - radius)
    return Scene(
        _pick(rng, SHAPES), colour, background, motion, speed, (start[0], start[1]), radius
    )


@dataclass(frozen=True, slots=True)
class World:
    """Scenes as training examples; the index of an example is part of its seed.

    Args:
        size: number of different examples before they repeat.
    """

    size: int = 1_000_000_000

    @property
    def has_captions(self) -> bool:
        """Every scene has a caption."""
        return True

    def __len__(self) -> int:
        return self.size

    def draw(
        self, index: int, num_frames: int, cell: CellSize, rng: np.random.Generator
    ) -> Example:
        """Draw the example of this index; only its wording depends on ``rng``."""
        scene = draw_scene(np.random.default_rng([index % self.size, 7]), num_frames)
        captions = [scene.still_caption()] if num_frames == 1 else scene.captions()
        return Example(scene.render(num_frames, cell), captions[int(rng.integers(len(captions)))])


def _pick(rng: np.random.Generator, names: Collection[str]) -> str:
    """Draw one of the names; much faster than ``rng.choice``."""
    return list(names)[int(rng.integers(len(names)))]


def _distance(
    shape: str,
    x: Float[np.ndarray, "n h w"],
    y: Float[np.ndarray, "n h w"],
    radius: Float[np.ndarray, "n 1 1"],
) -> Float[np.ndarray, "n h w"]:
    """Signed distance to the outline in pixels, negative inside; exact near straight edges."""
    match shape:
        case "circle":
            return np.hypot(x, y) - radius
        case "square":
            return np.maximum(np.abs(x), np.abs(y)) - 0.85 * radius
        case _:
            normals, offsets = _half_planes(shape)
            sides = normals[:, 0, None, None, None] * x + normals[:, 1, None, None, None] * y
            sides -= offsets[:, None, None, None] * radius
            if shape == "triangle":
                return sides.max(axis=0)
            # A pentagram is where at most one of its five lines is crossed.
            return np.partition(sides, -2, axis=0)[-2]


@cache
def _half_planes(shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Normals and offsets of the lines that bound a triangle or a five-pointed star."""
    # A triangle's base is below its middle; the tips of a star lie opposite to its lines.
    count, offset, first = {"triangle": (3, 0.5, 0.5), "star": (5, 0.309, -0.5)}[shape]
    angles = np.pi * (first + 2 * np.arange(count) / count)
    normals = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return normals, np.full(count, offset, np.float32)
