"""Outlines of the flat shapes, and their signed distances as pictures to look up. Free of torch.

Every shape has its centre of mass at the origin and reaches at most 1 from it, y down. It stands
upright: triangle, star and arrow point up, the crescent opens to the right.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from filmgrid.data.world.words import SHAPES

Ring = Float[np.ndarray, "points 2"]
"""One closed line."""

TEXTURE_SIDE = 160
TEXTURE_REACH = 1.5
"""The texture covers [-1.5, 1.5] in both axes; beyond it nothing of a shape is left."""


@cache
def outline(shape: str) -> tuple[Ring, ...]:
    """Closed lines of a shape, filled by the even-odd rule."""
    rings = _raw(shape)
    centre = centre_of_mass(rings)
    rings = [ring - centre for ring in rings]
    reach = max(float(np.hypot(*ring.T).max()) for ring in rings)
    # Round shapes look larger than pointed ones that reach as far.
    scale = {"circle": 0.84, "ring": 0.92, "square": 0.98}.get(shape, 1.0) / reach
    return tuple(ring * scale for ring in rings)


def extents(shape: str) -> dict[str, float]:
    """How far a shape of radius 1 reaches from its centre of mass in each straight direction."""
    points = np.concatenate(outline(shape))
    return {
        "right": float(points[:, 0].max()),
        "left": float(-points[:, 0].min()),
        "up": float(-points[:, 1].min()),
        "down": float(points[:, 1].max()),
    }


@cache
def distance_textures() -> Float32[np.ndarray, "shapes side side"]:
    """Signed distance to each shape's outline, negative inside, for a radius of 1.

    In the order of ``SHAPES``; texel centres span the square of ``TEXTURE_REACH``.
    """
    place = (np.arange(TEXTURE_SIDE) + 0.5) / TEXTURE_SIDE * 2 - 1
    x, y = np.meshgrid(place * TEXTURE_REACH, place * TEXTURE_REACH)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    textures = [_distance(outline(shape), points) for shape in SHAPES]
    return np.stack(textures).reshape(-1, TEXTURE_SIDE, TEXTURE_SIDE).astype(np.float32)


def centre_of_mass(rings: list[Ring]) -> Float[np.ndarray, " 2"]:
    """Of the area between the lines; inner ones run the other way round than outer ones."""
    area, moment = 0.0, np.zeros(2)
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        cross = ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]
        area += cross.sum() / 2
        moment += ((ring + following) * cross[:, None]).sum(axis=0) / 6
    return moment / area


def _distance(rings: tuple[Ring, ...], points: np.ndarray) -> np.ndarray:
    nearest = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    for ring in rings:
        for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            along = end - start
            share = ((points - start) @ along / (along @ along)).clip(0, 1)
            nearest = np.minimum(nearest, ((points - start - share[:, None] * along) ** 2).sum(1))
            crosses = (points[:, 1] < start[1]) != (points[:, 1] < end[1])
            if start[1] != end[1]:
                at = start[0] + (points[:, 1] - start[1]) / along[1] * along[0]
                inside ^= crosses & (points[:, 0] < at)
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def _circle(radius: float, count: int = 72, sense: int = 1) -> Ring:
    angles = sense * 2 * np.pi * np.arange(count) / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _raw(shape: str) -> list[Ring]:
    match shape:
        case "circle":
            return [_circle(1)]
        case "ring":
            return [_circle(1), _circle(0.52, sense=-1)]
        case "square":
            return [_circle(1, 4) @ _turned(45)]
        case "triangle":
            return [_circle(1, 3) @ _turned(90)]
        case "star":
            tips, dents = _circle(1, 5), _circle(0.42, 5) @ _turned(-36)
            return [np.stack([tips, dents], axis=1).reshape(-1, 2) @ _turned(90)]
        case "cross":
            arm = 0.36
            corner = np.array([(1, -arm), (1, arm), (arm, arm)])
            return [np.concatenate([corner @ _turned(-90 * turn) for turn in range(4)])]
        case "heart":
            t = 2 * np.pi * np.arange(72) / 72
            x = 16 * np.sin(t) ** 3
            y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
            return [np.stack([x, -y], axis=1)]
        case "crescent":
            tip = np.arccos(0.6875)  # where the circle about (0.5, 0) of radius 0.75 cuts it
            outer = np.linspace(tip, 2 * np.pi - tip, 60)
            bite = np.arctan2(np.sin(tip), np.cos(tip) - 0.5)
            inner = np.linspace(2 * np.pi - bite, bite, 40)[1:-1]
            hollow = 0.75 * np.stack([np.cos(inner), np.sin(inner)], axis=1) + (0.5, 0)
            return [np.concatenate([np.stack([np.cos(outer), np.sin(outer)], axis=1), hollow])]
        case "arrow":
            half = [(0, -1), (0.72, -0.1), (0.27, -0.1), (0.27, 1)]
            return [np.array(half + [(-x, y) for x, y in half[:0:-1]], float)]
        case "L":
            corners = [(-0.6, -1), (-0.08, -1), (-0.08, 0.48), (0.65, 0.48), (0.65, 1), (-0.6, 1)]
            return [np.array(corners, float)]
    raise AssertionError(shape)


def _turned(degrees: float) -> np.ndarray:
    """Matrix for rows of points: turns anticlockwise on the screen."""
    sin, cos = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    return np.array([[cos, -sin], [sin, cos]])
