"""The vocabulary of the world: every word that a caption of it may use, with its meaning.

Image axes: x to the right, y down, both in cell sides. Time is counted in beats; the motion of
a scene lasts 15 of them, one per step of 16 frames. Free of torch.
"""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (250, 140, 20),
    "yellow": (245, 215, 50),
    "green": (40, 180, 70),
    "cyan": (60, 205, 215),
    "blue": (70, 110, 245),
    "purple": (160, 65, 205),
    "pink": (250, 150, 195),
    "brown": (150, 98, 62),
    "white": (245, 245, 245),
}
"""8-bit sRGB. Under soft shading brown still differs from orange, by its saturation."""

PLAIN_BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "grey": (115, 118, 125),
    "navy": (25, 35, 90),
}
TEXTURED_BACKGROUNDS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "striped": ((40, 55, 60), (70, 92, 98)),
    "checkered": ((38, 38, 42), (78, 78, 84)),
    "dotted": ((45, 32, 56), (86, 68, 98)),
}
"""Ground and figure: diagonal stripes, squares and dots, about an eighth of a side wide."""

BACKGROUNDS = (*PLAIN_BACKGROUNDS, *TEXTURED_BACKGROUNDS)

SHAPES: dict[str, int] = {
    "circle": 0,
    "ring": 0,
    "square": 4,
    "cross": 4,
    "triangle": 3,
    "star": 5,
    "heart": 1,
    "crescent": 1,
    "arrow": 1,
    "L": 1,
}
"""How often each looks the same in a full turn; 0 at every angle."""

SIZES: dict[str, tuple[float, float]] = {"small": (0.145, 0.165), "big": (0.21, 0.25)}
"""Range of the radius about the centre of mass, in cell sides."""

DIRECTIONS: dict[str, tuple[int, int]] = {
    "right": (1, 0),
    "left": (-1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "up and right": (1, -1),
    "up and left": (-1, -1),
    "down and right": (1, 1),
    "down and left": (-1, 1),
}
STRAIGHT = ("right", "left", "up", "down")
EDGES = {"right": "right", "left": "left", "up": "top", "down": "bottom"}
"""The edge of the cell that lies in each direction."""

SPEEDS: dict[str, float] = {"slowly": 0.5 / 32, "quickly": 1 / 32}
"""Cell sides per beat along each axis that moves."""

TURNS: dict[str, int] = {"clockwise": 1, "anticlockwise": -1}
"""Sign of the angle on the screen, for motion; for turntables as seen from above, of the thing."""

TURN_DEGREES = 22.5
"""Per beat, of what spins or circles."""

PASSING_SPEED = 0.72 / 15
"""Cell sides per beat of what passes behind or in front of another thing."""

GROWTH: dict[str, float] = {"growing": 1.055, "shrinking": 1 / 1.055}
"""Factor of the radius per beat."""

VERBS = (
    "moving",
    "bouncing",
    "stopping",
    "spinning",
    "circling",
    "growing",
    "shrinking",
    "staying still",
    "passing behind",
    "passing in front of",
)

NUM_BEATS = 15
"""Beats from the first to the last frame."""


def pace_of(num_frames: int) -> float:
    """Beats per frame, so that a motion fits a sequence of any length; 1 with 16 frames."""
    return NUM_BEATS / max(1, num_frames - 1)
