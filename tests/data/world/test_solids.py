import numpy as np
import pytest

from filmgrid.data.world.kinds import KINDS, pieces_of
from filmgrid.data.world.solids import FORMS, SECOND, Piece, fitted
from filmgrid.data.world.turntables import FOV_DEGREES


def test_turns_are_about_x_then_y_then_z():
    piece = Piece("box", (0, 0, 0), (1, 2, 3), turn=(0, 0, 90))
    assert np.allclose(piece.axes, [[0, -2, 0], [1, 0, 0], [0, 0, 3]])
    piece = Piece("box", (0, 0, 0), (1, 1, 1), turn=(90, 90, 0))
    assert np.allclose(piece.axes @ [0, 1, 0], [1, 0, 0])  # y to z by x, z to x by y


def test_fitting_fills_the_reach_and_keeps_proportions():
    pieces = fitted([Piece("box", (0, 0, 5), (2, 1, 4)), Piece("ball", (0, 0, 5), (1, 1, 1))], 0.5)
    points = pieces[0].corners()
    assert np.hypot(points[:, 0], points[:, 1]).max() <= 0.5 + 1e-9
    assert (points[:, 2].min(), points[:, 2].max()) == pytest.approx((-0.5, 0.5))
    assert pieces[0].size[0] / pieces[0].size[1] == pytest.approx(2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_two_colours_and_is_seen_whole_from_everywhere(kind):
    pieces = pieces_of(kind)
    assert {piece.part for piece in pieces} >= {0, SECOND}
    assert {piece.form for piece in pieces} <= set(FORMS)
    points = np.concatenate([piece.corners() for piece in pieces])
    far = np.hypot(points[:, 0], points[:, 1])
    slope = np.tan(np.deg2rad(FOV_DEGREES / 2))
    assert (
        np.abs(points[:, 2]) / (2 - far)
    ).max() < 1.1 * slope  # corners lie outside round pieces
