"""Which shape a cover shows, and at what angle: compared with the shapes themselves."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from filmgrid.data.world.outlines import outline
from filmgrid.data.world.paint import cover_of
from filmgrid.data.world.things import Motion, Thing, Track
from filmgrid.data.world.words import SHAPES, TURN_DEGREES
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.blur import blurred

SIDE = 24
"""Pixels of the window that covers are brought to."""
REACH = 1.25
"""Half of that window, in square roots of the area."""
NUM_ANGLES = 48
OFFSETS = ((0.1, 0.3), (0.4, 0.9), (0.6, 0.1), (0.9, 0.6))
"""Pixels by which templates are moved; each is the mean over them."""
BLURS = (0.0, 0.7, 1.2)
"""Pixels (standard deviation) by which the templates are blurred; the best fit counts."""
RADII = (3.0, 4.0, 5.0, 6.5, 9.0, 13.0, 18.0)
"""Of the templates, in pixels: small shapes lose their corners."""
RATES = np.linspace(-1.5, 1.5, 31)
"""Of the world's own speed of spinning."""
SPINS_FROM = 0.4
"""Of that speed; slower is no spin."""
UPRIGHT_BONUS = 0.8
"""Factor of the misfit of what stands upright, since most things do."""


def normalised(covers: Float[Tensor, "n h w"]) -> Float[Tensor, "n {SIDE*SIDE}"]:
    """Covers moved to the middle and brought to the same area; all must have some."""
    height, width = covers.shape[1:]
    area, x, y = moments(covers)
    reach = REACH * area.sqrt()
    line = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    grid_y, grid_x = torch.meshgrid(line, line, indexing="ij")
    at_x = (x[:, None, None] + reach[:, None, None] * grid_x) / width * 2 - 1
    at_y = (y[:, None, None] + reach[:, None, None] * grid_y) / height * 2 - 1
    places = torch.stack([at_x, at_y], -1)
    return F.grid_sample(covers[:, None], places, align_corners=False).flatten(1)


def moments(covers: Float[Tensor, "n h w"]) -> tuple[Tensor, Tensor, Tensor]:
    """Area in pixels, and centre of mass in pixels from the left and top edges."""
    height, width = covers.shape[1:]
    area = covers.sum((1, 2))
    safe = area.clamp(min=1e-6)
    x = (covers.sum(1) * (torch.arange(width) + 0.5)).sum(1) / safe
    y = (covers.sum(2) * (torch.arange(height) + 0.5)).sum(1) / safe
    return area, x, y


def unit_area(shape: str) -> float:
    """Area of a shape of radius 1."""
    total = 0.0
    for ring in outline(shape):
        following = np.roll(ring, -1, axis=0)
        total += (ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum() / 2
    return abs(float(total))


def shape_and_spin(
    covers: Float[Tensor, "n h w"], beats: Float[np.ndarray, " n"]
) -> tuple[str, float]:
    """The shape that explains all covers best, and how fast it spins.

    Args:
        covers: of one thing, wherever nothing hides it.
        beats: time of each cover.

    Returns:
        A name of ``SHAPES``, and degrees clockwise per beat, 0 if it does not spin.
    """
    area = float(moments(covers)[0].median())
    windows = normalised(covers)
    fits = [_best_fit(_misfits(windows, area, blur), beats) for blur in BLURS]
    _, shape, rate = min(fits)
    return shape, float(rate) if abs(rate) >= SPINS_FROM * TURN_DEGREES else 0.0


def _best_fit(
    misfit: Float[np.ndarray, "n shapes angles"], beats: Float[np.ndarray, " n"]
) -> tuple[float, str, float]:
    """Least misfit over upright shapes and steady spins, with its shape and degrees per beat."""
    turned = np.rint(RATES[:, None] * TURN_DEGREES * (beats - beats[0]) / 360 * NUM_ANGLES)
    longest = max(1e-6, float(np.diff(beats).max(initial=0)))
    upright = UPRIGHT_BONUS * misfit[:, :, 0].mean(0)
    fits = [(float(upright[place]), shape, 0.0) for place, shape in enumerate(SHAPES)]
    for place, (shape, times) in enumerate(SHAPES.items()):
        if not times:
            continue
        rates = np.abs(RATES) * TURN_DEGREES * longest < 0.95 * 360 / times / 2
        start = np.arange(NUM_ANGLES)[:, None, None]
        at = (turned[rates].astype(int) + start) % NUM_ANGLES
        along = misfit[np.arange(len(beats)), place, at].mean(-1).min(0)
        fastest = int(along.argmin())
        fits.append((float(along[fastest]), shape, RATES[rates][fastest] * TURN_DEGREES))
    return min(fits)


def _misfits(
    windows: Float[Tensor, "n pixels"], area: float, blur: float
) -> Float[np.ndarray, "n shapes angles"]:
    """Mean square distance of each window from each shape at each angle."""
    radius = (area / 1.4) ** 0.5
    nearest = min(RADII, key=lambda known: abs(np.log(known / radius)))
    templates = _templates(nearest, blur)
    square = (windows**2).sum(1)[:, None] + (templates**2).sum(1) - 2 * windows @ templates.T
    return (square / windows.shape[1]).reshape(len(windows), len(SHAPES), NUM_ANGLES).numpy()


@cache
def _templates(radius: float, blur: float) -> Float[Tensor, "shapes*angles pixels"]:
    """Every shape at every angle, as it looks with this radius in pixels."""
    side = 64
    angles = 360 * np.arange(NUM_ANGLES) / NUM_ANGLES
    things = [Thing(shape, "white", Motion("spinning"), (0.5, 0.5), 0.2) for shape in SHAPES]
    windows = []
    for offset in OFFSETS:
        centres = np.tile(0.5 + np.array(offset) / side, (NUM_ANGLES, 1))
        track = Track(centres, np.full(NUM_ANGLES, radius / side), angles)
        covers = cover_of(things, [track] * len(things), CellSize(side, side)).flatten(0, 1)
        if blur:
            covers = torch.from_numpy(blurred(covers.numpy()[..., None], blur)[..., 0])
        windows.append(normalised(covers))
    return torch.stack(windows).mean(0)
