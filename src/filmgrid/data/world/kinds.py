"""What stands on turntables: things that a person would name, built of solid pieces.

Every kind differs between its sides, so that clockwise and anticlockwise can be told apart.
Free of torch.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from filmgrid.data.world.solids import DARK, LIGHT, MAIN, SECOND, Piece, fitted


class Kind(NamedTuple):
    """A kind of thing.

    Args:
        second: what its second colour is the colour of.
        pieces: builds it.
        plural: whether there are several of ``second``.
        blind_degrees: how far it has turned clockwise when one of its colours is out of sight.
    """

    second: str
    pieces: Callable[[], list[Piece]]
    plural: bool = False
    blind_degrees: float | None = None


@cache
def pieces_of(kind: str) -> tuple[Piece, ...]:
    """Pieces of a kind, fitted to the view of the cameras."""
    return fitted(KINDS[kind].pieces())


def _mug() -> list[Piece]:
    return [
        Piece("cone", (-0.12, 0, 0), (0.4, 0.4, 0.48)),
        Piece("torus", (0.32, 0, 0), (0.26, 0.26, 0.3), SECOND, (90, 0, 0), 0.3),
    ]


def _teapot() -> list[Piece]:
    return [
        Piece("ball", (0, 0, 0), (0.42, 0.42, 0.34)),
        Piece("cone", (0.48, 0, 0.08), (0.12, 0.1, 0.24), MAIN, (0, 50, 0), 0.5),
        Piece("torus", (-0.44, 0, 0.02), (0.2, 0.2, 0.3), SECOND, (90, 0, 0), 0.28),
        Piece("ball", (0, 0, 0.28), (0.25, 0.25, 0.12), SECOND),
        Piece("ball", (0, 0, 0.43), (0.08, 0.08, 0.08), SECOND),
        Piece("cone", (0, 0, -0.33), (0.25, 0.25, 0.05)),
    ]


def _rocket() -> list[Piece]:
    fins = [
        Piece("wedge", (x, y, -0.36), (0.24, 0.05, 0.24), SECOND, (0, 0, turn))
        for x, y, turn in ((0.26, 0, 0), (-0.26, 0, 0), (0, 0.26, 90))
    ]
    return [
        Piece("cone", (0, 0, -0.06), (0.22, 0.22, 0.42)),
        Piece("cone", (0, 0, 0.56), (0.22, 0.22, 0.2), SECOND, shape=0.0),
        Piece("ball", (0, -0.2, 0.16), (0.12, 0.06, 0.12), LIGHT),
        Piece("cone", (0, 0, -0.58), (0.13, 0.13, 0.07), DARK, shape=0.7),
        *fins,
    ]


def _tree() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.4), (0.1, 0.1, 0.3), SECOND, shape=0.7),
        Piece("ball", (0, 0, 0.18), (0.3, 0.3, 0.3)),
        Piece("ball", (0.24, -0.05, 0.05), (0.21, 0.21, 0.19)),
        Piece("ball", (-0.2, 0.12, 0.1), (0.2, 0.2, 0.2)),
        Piece("ball", (-0.02, 0.02, 0.4), (0.2, 0.2, 0.18)),
        Piece("cone", (0.16, -0.02, -0.22), (0.05, 0.05, 0.16), SECOND, (0, 50, 0), 0.6),
    ]


def _house() -> list[Piece]:
    return [
        Piece("box", (0, 0, -0.2), (0.42, 0.32, 0.28)),
        Piece("wedge", (0, 0, 0.24), (0.37, 0.5, 0.17), SECOND, (0, 0, 90)),
        Piece("box", (0.26, 0.1, 0.32), (0.07, 0.07, 0.18), SECOND),
        Piece("box", (-0.12, -0.33, -0.3), (0.09, 0.02, 0.18), DARK),
        Piece("box", (0.18, -0.33, -0.14), (0.09, 0.02, 0.09), LIGHT),
        Piece("box", (-0.43, 0.05, -0.14), (0.02, 0.1, 0.09), LIGHT),
    ]


def _wheels(x: float, ys: tuple[float, ...], z: float, radius: float) -> list[Piece]:
    return [
        Piece("cone", (side * x, y, z), (radius, radius, 0.06), DARK, (0, 90, 0))
        for side in (-1, 1)
        for y in ys
    ]


def _car() -> list[Piece]:
    return [
        Piece("box", (0, 0, -0.06), (0.24, 0.55, 0.11)),
        Piece("wedge", (0, 0.1, 0.17), (0.34, 0.22, 0.14), SECOND, (0, 0, 90)),
        Piece("box", (0, 0.1, 0.12), (0.21, 0.2, 0.09), SECOND),
        Piece("ball", (0.15, -0.55, -0.04), (0.06, 0.03, 0.05), LIGHT),
        Piece("ball", (-0.15, -0.55, -0.04), (0.06, 0.03, 0.05), LIGHT),
        *_wheels(0.23, (-0.33, 0.33), -0.17, 0.13),
    ]


def _truck() -> list[Piece]:
    return [
        Piece("box", (0, 0.17, 0.08), (0.25, 0.38, 0.28)),
        Piece("box", (0, -0.4, -0.04), (0.22, 0.16, 0.18), SECOND),
        Piece("box", (0, -0.56, 0.04), (0.18, 0.02, 0.07), LIGHT),
        Piece("box", (0, 0, -0.22), (0.18, 0.54, 0.05), DARK),
        *_wheels(0.21, (-0.38, 0.08, 0.4), -0.28, 0.13),
    ]


def _snowman() -> list[Piece]:
    return [
        Piece("ball", (0, 0, -0.34), (0.34, 0.34, 0.32)),
        Piece("ball", (0, 0, 0.06), (0.25, 0.25, 0.24)),
        Piece("ball", (0, 0, 0.38), (0.18, 0.18, 0.18)),
        Piece("cone", (0, 0, 0.53), (0.24, 0.24, 0.03), SECOND),
        Piece("cone", (0, 0, 0.67), (0.15, 0.15, 0.14), SECOND),
        Piece("cone", (0, -0.29, 0.37), (0.06, 0.06, 0.15), SECOND, (90, 0, 0), 0.0),
        Piece("ball", (0.07, -0.16, 0.43), (0.03, 0.03, 0.03), DARK),
        Piece("ball", (-0.07, -0.16, 0.43), (0.03, 0.03, 0.03), DARK),
        Piece("cone", (0.36, 0, 0.12), (0.04, 0.04, 0.2), DARK, (0, 60, 0)),
        Piece("cone", (-0.36, 0, 0.12), (0.04, 0.04, 0.2), DARK, (0, -60, 0)),
    ]


def _table() -> list[Piece]:
    legs = [
        Piece("box", (x, y, -0.2), (0.07, 0.07, 0.3), SECOND)
        for x in (-0.46, 0.46)
        for y in (-0.27, 0.27)
    ]
    return [
        Piece("box", (0, 0, 0.15), (0.55, 0.36, 0.06)),
        Piece("cone", (0.3, 0.05, 0.3), (0.1, 0.1, 0.12), SECOND, shape=1.3),
        Piece("box", (-0.25, -0.2, 0.02), (0.18, 0.13, 0.08)),
        *legs,
    ]


def _lamp() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.5), (0.28, 0.28, 0.05)),
        Piece("cone", (0.1, 0, -0.2), (0.06, 0.06, 0.33), MAIN, (0, 20, 0)),
        Piece("ball", (0.2, 0, 0.1), (0.085, 0.085, 0.085)),
        Piece("cone", (0.02, 0, 0.26), (0.06, 0.06, 0.26), MAIN, (0, -50, 0)),
        Piece("cone", (-0.28, 0, 0.32), (0.27, 0.27, 0.19), SECOND, (0, 25, 0), 0.35),
    ]


def _chair() -> list[Piece]:
    legs = [
        Piece("box", (x, y, -0.34), (0.065, 0.065, 0.24), SECOND)
        for x in (-0.25, 0.25)
        for y in (-0.25, 0.25)
    ]
    return [
        Piece("box", (0, 0, -0.07), (0.32, 0.32, 0.06)),
        Piece("box", (0, 0.26, 0.28), (0.32, 0.065, 0.32)),
        *legs,
    ]


def _boat() -> list[Piece]:
    return [
        Piece("wedge", (0, 0, -0.36), (0.26, 0.4, 0.16), MAIN, (180, 0, 0)),
        Piece("cone", (0, -0.5, -0.29), (0.2, 0.13, 0.14), MAIN, (90, 0, 0), 0.0),
        Piece("box", (0, 0, -0.19), (0.25, 0.42, 0.03)),
        Piece("cone", (0, -0.05, 0.2), (0.03, 0.03, 0.38), DARK),
        Piece("wedge", (0, 0.17, 0.2), (0.36, 0.04, 0.32), SECOND, (0, 0, 90)),
        Piece("wedge", (0, -0.22, 0.12), (0.18, 0.04, 0.22), SECOND, (0, 0, 90)),
    ]


def _plane() -> list[Piece]:
    return [
        Piece("ball", (0, 0, 0), (0.17, 0.56, 0.17)),
        Piece("box", (0, -0.06, -0.02), (0.56, 0.14, 0.045), SECOND),
        Piece("box", (0, 0.46, 0.04), (0.22, 0.09, 0.04), SECOND),
        Piece("wedge", (0, 0.45, 0.2), (0.14, 0.04, 0.2), SECOND, (0, 0, 90)),
        Piece("ball", (0, -0.28, 0.12), (0.09, 0.14, 0.09), LIGHT),
        Piece("box", (0, -0.57, 0), (0.03, 0.02, 0.16), DARK, (0, 30, 0)),
    ]


def _mushroom() -> list[Piece]:
    spots = [
        Piece("ball", place, (0.1, 0.1, 0.1), SECOND)
        for place in (
            (0.05, -0.4, 0.2),
            (-0.3, -0.16, 0.3),
            (0.36, 0.06, 0.24),
            (0.0, 0.0, 0.43),
            (-0.3, 0.28, 0.14),
        )
    ]
    return [
        Piece("cone", (0, 0, -0.25), (0.17, 0.17, 0.3), SECOND, shape=0.8),
        Piece("ball", (0, 0, 0.15), (0.48, 0.48, 0.3)),
        *spots,
    ]


def _cactus() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.45), (0.2, 0.2, 0.15), SECOND, shape=1.3),
        Piece("cone", (0, 0, 0.05), (0.14, 0.14, 0.45)),
        Piece("ball", (0, 0, 0.5), (0.14, 0.14, 0.14)),
        Piece("cone", (0.22, 0, 0.0), (0.075, 0.075, 0.14), MAIN, (0, 90, 0)),
        Piece("cone", (0.33, 0, 0.16), (0.08, 0.08, 0.17)),
        Piece("ball", (0.33, 0, 0.33), (0.08, 0.08, 0.08)),
        Piece("cone", (-0.2, 0, 0.18), (0.075, 0.075, 0.12), MAIN, (0, 90, 0)),
        Piece("cone", (-0.3, 0, 0.3), (0.08, 0.08, 0.13)),
        Piece("ball", (-0.3, 0, 0.43), (0.08, 0.08, 0.08)),
        Piece("ball", (0.06, -0.1, 0.6), (0.09, 0.09, 0.07), SECOND),
    ]


def _robot() -> list[Piece]:
    return [
        Piece("box", (0, 0, 0), (0.26, 0.18, 0.25)),
        Piece("box", (0, 0, 0.4), (0.19, 0.16, 0.14), SECOND),
        Piece("ball", (0.08, -0.16, 0.42), (0.05, 0.03, 0.05), LIGHT),
        Piece("ball", (-0.08, -0.16, 0.42), (0.05, 0.03, 0.05), LIGHT),
        Piece("cone", (0.1, 0, 0.62), (0.02, 0.02, 0.1), LIGHT),
        Piece("cone", (0.35, -0.03, 0.02), (0.07, 0.07, 0.22), SECOND),
        Piece("cone", (-0.35, -0.12, 0.14), (0.07, 0.07, 0.2), SECOND, (60, 0, 0)),
        Piece("box", (0.13, 0, -0.42), (0.08, 0.1, 0.18), SECOND),
        Piece("box", (-0.13, 0, -0.42), (0.08, 0.1, 0.18), SECOND),
        Piece("box", (0, -0.18, 0.05), (0.13, 0.02, 0.08), DARK),
    ]


def _duck() -> list[Piece]:
    return [
        Piece("ball", (0, 0.06, -0.2), (0.3, 0.42, 0.26)),
        Piece("ball", (0, -0.26, 0.2), (0.2, 0.2, 0.2)),
        Piece("cone", (0, -0.24, 0.02), (0.14, 0.14, 0.16)),
        Piece("cone", (0, -0.5, 0.15), (0.11, 0.06, 0.11), SECOND, (90, 0, 0), 0.5),
        Piece("cone", (0, 0.48, -0.05), (0.16, 0.1, 0.17), MAIN, (-60, 0, 0), 0.1),
        Piece("ball", (0.11, -0.4, 0.27), (0.035, 0.035, 0.04), DARK),
        Piece("ball", (-0.11, -0.4, 0.27), (0.035, 0.035, 0.04), DARK),
        Piece("ball", (0.28, 0.1, -0.14), (0.07, 0.24, 0.13), SECOND),
        Piece("ball", (-0.28, 0.1, -0.14), (0.07, 0.24, 0.13), SECOND),
    ]


def _dog() -> list[Piece]:
    legs = [
        Piece("cone", (x, y, -0.36), (0.075, 0.075, 0.2))
        for x in (-0.14, 0.14)
        for y in (-0.22, 0.3)
    ]
    return [
        Piece("ball", (0, 0.05, -0.08), (0.2, 0.42, 0.19)),
        Piece("ball", (0, -0.36, 0.2), (0.18, 0.19, 0.18)),
        Piece("ball", (0, -0.54, 0.14), (0.09, 0.14, 0.08)),
        Piece("ball", (0, -0.67, 0.16), (0.04, 0.04, 0.04), DARK),
        Piece("ball", (0.19, -0.32, 0.2), (0.05, 0.1, 0.17), SECOND),
        Piece("ball", (-0.19, -0.32, 0.2), (0.05, 0.1, 0.17), SECOND),
        Piece("cone", (0, 0.5, 0.12), (0.045, 0.045, 0.2), SECOND, (-35, 0, 0)),
        Piece("torus", (0, -0.26, 0.06), (0.14, 0.14, 0.14), SECOND, (55, 0, 0), 0.3),
        *legs,
    ]


def _hammer() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.16), (0.08, 0.08, 0.5), SECOND),
        Piece("cone", (-0.17, 0, 0.42), (0.14, 0.14, 0.15), MAIN, (0, 90, 0)),
        Piece("cone", (-0.34, 0, 0.42), (0.18, 0.18, 0.06), MAIN, (0, 90, 0)),
        Piece("box", (0.02, 0, 0.42), (0.1, 0.11, 0.11)),
        Piece("wedge", (0.25, 0, 0.42), (0.1, 0.12, 0.18), MAIN, (0, 90, 0)),
    ]


def _windmill() -> list[Piece]:
    blades = [
        Piece("box", (0.26 * x, -0.3, 0.3 + 0.26 * z), (0.22, 0.035, 0.08), SECOND, (0, turn, 0))
        for x, z, turn in ((0.87, 0.5, -30), (-0.87, -0.5, -30), (-0.5, 0.87, 60), (0.5, -0.87, 60))
    ]
    return [
        Piece("cone", (0, 0, -0.15), (0.27, 0.27, 0.42), shape=0.6),
        Piece("cone", (0, 0, 0.37), (0.2, 0.2, 0.12), DARK, shape=0.1),
        Piece("cone", (0, -0.22, 0.3), (0.04, 0.04, 0.1), DARK, (90, 0, 0)),
        Piece("box", (0, -0.24, -0.45), (0.08, 0.04, 0.13), DARK),
        *blades,
    ]


def _ice_cream() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.3), (0.02, 0.02, 0.33), SECOND, shape=13.0),
        Piece("ball", (0.11, 0, 0.16), (0.21, 0.22, 0.21)),
        Piece("ball", (-0.13, 0.02, 0.14), (0.19, 0.2, 0.19)),
        Piece("ball", (-0.02, -0.02, 0.4), (0.19, 0.19, 0.19)),
        Piece("cone", (0.18, -0.12, 0.5), (0.045, 0.045, 0.22), SECOND, (20, 35, 0)),
    ]


def _castle() -> list[Piece]:
    towers = [
        piece
        for x, y, height in (
            (-0.34, -0.3, 0.3),
            (0.34, -0.3, 0.3),
            (-0.34, 0.3, 0.3),
            (0.3, 0.26, 0.48),
        )
        for piece in (
            Piece("cone", (x, y, height - 0.45), (0.13, 0.13, height)),
            Piece("cone", (x, y, 2 * height - 0.32), (0.17, 0.17, 0.13), SECOND, shape=0.0),
        )
    ]
    return [
        Piece("box", (0, 0, -0.25), (0.34, 0.28, 0.2)),
        Piece("box", (0, -0.29, -0.29), (0.11, 0.03, 0.16), DARK),
        *towers,
    ]


def _fish() -> list[Piece]:
    return [
        Piece("ball", (0, -0.08, 0), (0.15, 0.42, 0.27)),
        Piece("wedge", (0, 0.44, 0), (0.24, 0.05, 0.14), SECOND, (0, 90, 90)),
        Piece("wedge", (0, -0.02, 0.3), (0.18, 0.03, 0.12), SECOND, (0, 0, 90)),
        Piece("ball", (0.14, -0.32, 0.07), (0.03, 0.05, 0.05), DARK),
        Piece("ball", (-0.14, -0.32, 0.07), (0.03, 0.05, 0.05), DARK),
        Piece("ball", (0.18, -0.04, -0.1), (0.09, 0.13, 0.03), SECOND, (0, 30, 0)),
        Piece("ball", (-0.18, -0.04, -0.1), (0.09, 0.13, 0.03), SECOND, (0, -30, 0)),
    ]


def _train() -> list[Piece]:
    return [
        Piece("cone", (0, -0.17, 0.0), (0.2, 0.2, 0.34), MAIN, (90, 0, 0)),
        Piece("box", (0, 0.33, 0.1), (0.25, 0.2, 0.3), SECOND),
        Piece("box", (0, 0.33, 0.43), (0.29, 0.25, 0.04), DARK),
        Piece("box", (0.25, 0.33, 0.2), (0.02, 0.1, 0.09), LIGHT),
        Piece("box", (-0.25, 0.33, 0.2), (0.02, 0.1, 0.09), LIGHT),
        Piece("cone", (0, -0.38, 0.28), (0.07, 0.07, 0.15), SECOND, shape=1.6),
        Piece("box", (0, 0, -0.2), (0.21, 0.54, 0.04), SECOND),
        Piece("ball", (0, -0.52, 0), (0.08, 0.04, 0.08), LIGHT),
        *_wheels(0.2, (-0.38, -0.08, 0.33), -0.28, 0.14),
    ]


def _guitar() -> list[Piece]:
    return [
        Piece("cone", (0, 0, -0.38), (0.3, 0.3, 0.08), MAIN, (90, 0, 0)),
        Piece("cone", (0, 0, -0.06), (0.22, 0.22, 0.08), MAIN, (90, 0, 0)),
        Piece("cone", (0, -0.075, -0.18), (0.09, 0.09, 0.02), DARK, (90, 0, 0)),
        Piece("box", (0, -0.06, 0.3), (0.045, 0.04, 0.36), SECOND),
        Piece("box", (0, -0.04, 0.64), (0.08, 0.04, 0.1), SECOND),
        Piece("box", (0, -0.09, -0.42), (0.12, 0.02, 0.025), SECOND),
    ]


def _bed() -> list[Piece]:
    return [
        Piece("box", (0, 0, -0.07), (0.32, 0.52, 0.13)),
        Piece("box", (0, 0.52, 0.08), (0.34, 0.04, 0.32), SECOND),
        Piece("box", (0, -0.52, -0.14), (0.34, 0.04, 0.1), SECOND),
        Piece("ball", (0, 0.34, 0.08), (0.24, 0.14, 0.08), LIGHT),
        *(
            Piece("box", (x, y, -0.27), (0.04, 0.04, 0.08), SECOND)
            for x in (-0.29, 0.29)
            for y in (-0.5, 0.5)
        ),
    ]


def _bicycle() -> list[Piece]:
    return [
        Piece("torus", (-0.32, 0, -0.18), (0.21, 0.21, 0.21), SECOND, (90, 0, 0), 0.2),
        Piece("torus", (0.32, 0, -0.18), (0.21, 0.21, 0.21), SECOND, (90, 0, 0), 0.2),
        Piece("cone", (-0.14, 0, 0.03), (0.05, 0.05, 0.27), MAIN, (0, 42, 0)),
        Piece("cone", (0.04, 0, 0.2), (0.05, 0.05, 0.22), MAIN, (0, 90, 0)),
        Piece("cone", (-0.05, 0, 0.02), (0.05, 0.05, 0.23), MAIN, (0, -18, 0)),
        Piece("cone", (0.12, 0, 0.0), (0.05, 0.05, 0.25), MAIN, (0, 40, 0)),
        Piece("cone", (-0.16, 0, -0.18), (0.05, 0.05, 0.16), MAIN, (0, 90, 0)),
        Piece("cone", (0.28, 0, 0.06), (0.05, 0.05, 0.27), MAIN, (0, -10, 0)),
        Piece("cone", (0.23, 0, 0.33), (0.045, 0.045, 0.2), DARK, (90, 0, 0)),
        Piece("box", (-0.13, 0, 0.3), (0.12, 0.07, 0.04), DARK),
    ]


def _helicopter() -> list[Piece]:
    return [
        Piece("ball", (0, -0.14, -0.02), (0.22, 0.32, 0.23)),
        Piece("ball", (0, -0.3, 0.0), (0.17, 0.18, 0.16), LIGHT),
        Piece("cone", (0, 0.36, 0.04), (0.08, 0.08, 0.27), MAIN, (-90, 0, 0), 0.5),
        Piece("box", (0, 0.6, 0.12), (0.04, 0.07, 0.17), SECOND),
        Piece("cone", (0, -0.1, 0.26), (0.04, 0.04, 0.08), DARK),
        Piece("box", (0, -0.1, 0.36), (0.55, 0.07, 0.035), SECOND, (0, 0, 35)),
        Piece("box", (0.19, -0.1, -0.32), (0.045, 0.34, 0.045), SECOND),
        Piece("box", (-0.19, -0.1, -0.32), (0.045, 0.34, 0.045), SECOND),
    ]


def _camera() -> list[Piece]:
    return [
        Piece("box", (0, 0.05, 0), (0.46, 0.17, 0.28)),
        Piece("cone", (0.05, -0.24, -0.02), (0.22, 0.22, 0.15), SECOND, (90, 0, 0)),
        Piece("cone", (0.05, -0.39, -0.02), (0.15, 0.15, 0.02), DARK, (90, 0, 0)),
        Piece("box", (0.05, 0.05, 0.34), (0.15, 0.13, 0.08), SECOND),
        Piece("cone", (-0.33, 0.05, 0.31), (0.07, 0.07, 0.05), SECOND),
        Piece("box", (0.33, -0.12, 0.18), (0.07, 0.02, 0.05), LIGHT),
    ]


KINDS: dict[str, Kind] = {
    "mug": Kind("handle", _mug, blind_degrees=270),
    "teapot": Kind("lid", _teapot),
    "rocket": Kind("fins", _rocket, plural=True),
    "tree": Kind("trunk", _tree),
    "house": Kind("roof", _house),
    "car": Kind("roof", _car),
    "truck": Kind("cab", _truck, blind_degrees=180),
    "snowman": Kind("hat", _snowman),
    "table": Kind("legs", _table, plural=True),
    "lamp": Kind("shade", _lamp),
    "chair": Kind("legs", _chair, plural=True),
    "boat": Kind("sails", _boat, plural=True),
    "plane": Kind("wings", _plane, plural=True),
    "mushroom": Kind("spots", _mushroom, plural=True),
    "cactus": Kind("pot", _cactus),
    "robot": Kind("head", _robot),
    "duck": Kind("beak", _duck),
    "dog": Kind("ears", _dog, plural=True),
    "hammer": Kind("handle", _hammer),
    "windmill": Kind("sails", _windmill, plural=True),
    "ice cream": Kind("cone", _ice_cream),
    "castle": Kind("roofs", _castle, plural=True),
    "fish": Kind("fins", _fish, plural=True),
    "train": Kind("cab", _train),
    "guitar": Kind("neck", _guitar),
    "bed": Kind("frame", _bed, blind_degrees=180),
    "bicycle": Kind("wheels", _bicycle, plural=True),
    "helicopter": Kind("rotor", _helicopter),
    "camera": Kind("lens", _camera),
}
