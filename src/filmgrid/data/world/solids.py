"""The solid pieces that things are built of. Free of torch.

Axes as for the cameras of :mod:`filmgrid.grid.cameras`: z is up, and the front looks along -y.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from jaxtyping import Float

Form = Literal["ball", "box", "wedge", "cone", "torus"]
FORMS: tuple[Form, ...] = ("ball", "box", "wedge", "cone", "torus")
MAIN, SECOND, DARK, LIGHT = 0, 1, 2, 3
"""Parts: the two colours of a thing, and the same nearly black and pale grey for all things."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One solid piece.

    Args:
        form: "ball" is the unit ball; "box" reaches from -1 to 1; "wedge" is a box whose top has
            shrunk to a ridge along y; "cone" has radius 1 at the bottom and ``shape`` at the top,
            from z -1 to 1; "torus" lies around z with radius 1 and a tube of radius ``shape``.
        place: of its middle.
        size: factors along its own axes.
        part: which colour it has.
        turn: degrees about x, then y, then z.
        shape: see ``form``.
    """

    form: Form
    place: tuple[float, float, float]
    size: tuple[float, float, float]
    part: int = MAIN
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shape: float = 1.0

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Matrix from the piece's own axes to the thing's."""
        return _rotation(self.turn) * np.array(self.size)

    @property
    def reach(self) -> Float[np.ndarray, " 3"]:
        """Half the box around the piece, in its own axes."""
        if self.form == "torus":
            return np.array([1 + self.shape, 1 + self.shape, self.shape])
        widest = max(1.0, self.shape) if self.form == "cone" else 1.0
        return np.array([widest, widest, 1.0])

    def corners(self) -> Float[np.ndarray, "8 3"]:
        """Corners of the box around the piece, in the thing's axes."""
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return (signs * self.reach) @ self.axes.T + np.array(self.place)

    def moved(self, scale: float, offset: Float[np.ndarray, " 3"]) -> Self:
        """The piece as part of a thing that is scaled and then moved."""
        place, size = scale * np.array(self.place) + offset, scale * np.array(self.size)
        return type(self)(self.form, _three(place), _three(size), self.part, self.turn, self.shape)


def fitted(pieces: list[Piece], reach: float = 0.55) -> tuple[Piece, ...]:
    """Pieces scaled and moved up or down so that every camera sees the whole thing.

    Args:
        pieces: of one thing, turning about the z axis.
        reach: largest distance from that axis, and half the largest height, in world units.
    """
    points = np.concatenate([_surface(piece) for piece in pieces])
    low, high = points[:, 2].min(), points[:, 2].max()
    scale = reach / max(np.hypot(points[:, 0], points[:, 1]).max(), (high - low) / 2)
    offset = np.array([0, 0, -scale * (low + high) / 2])
    return tuple(piece.moved(scale, offset) for piece in pieces)


def _surface(piece: Piece) -> Float[np.ndarray, "points 3"]:
    """Points that the piece reaches, all around; for round pieces those of the round surface."""
    if piece.form in ("box", "wedge"):
        return piece.corners()
    around, along = np.meshgrid(np.linspace(0, 2 * np.pi, 33), np.linspace(-1, 1, 17))
    if piece.form == "ball":
        radius, z = np.sqrt(1 - along**2), along
    elif piece.form == "cone":
        radius, z = (1 + piece.shape) / 2 + (piece.shape - 1) / 2 * along, along
    else:
        radius, z = 1 + piece.shape * np.cos(np.pi * along), piece.shape * np.sin(np.pi * along)
    points = np.stack([radius * np.cos(around), radius * np.sin(around), z], -1).reshape(-1, 3)
    return points @ piece.axes.T + np.array(piece.place)


def _rotation(turn: tuple[float, float, float]) -> Float[np.ndarray, "3 3"]:
    result = np.eye(3)
    for axis, degrees in enumerate(turn):
        sin, cos = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
        one, two = [(1, 2), (2, 0), (0, 1)][axis]
        rotation = np.eye(3)
        rotation[[one, two], [one, two]] = cos
        rotation[one, two], rotation[two, one] = -sin, sin
        result = rotation @ result
    return result


def _three(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
