"""Tell the things from the background, and from each other by their colour."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float

from filmgrid.data.world.paint import background
from filmgrid.data.world.words import BACKGROUNDS, COLOURS
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.blur import blurred
from filmgrid.types import FrameArray

CALM_SHARE = 0.6
"""Share of the pixels that are surely background: those that fit it best."""
VOTING_COVER = 0.5
"""Cover from which on a pixel has a say about colours."""
LEAST_COVER = 0.15
"""Cover below which a pixel is background: noise."""
LEAST_AREA = 0.005
"""Mean share of a frame that a colour must fill to be a thing."""
FINE_SIDE = 48
"""Pixels from which on the thinnest strokes are so wide that pixels have 4 neighbours in them."""
BLURS = (0.0, 0.6, 1.0)
"""Pixels (standard deviation) by which textures may be blurred."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What is seen.

    Args:
        background: a name of ``BACKGROUNDS``.
        colours: names of ``COLOURS``, largest area first, at most two.
        covers: how much of each pixel each colour covers, in [0, 1].
    """

    background: str
    colours: tuple[str, ...]
    covers: Float[np.ndarray, "things n h w"]


def segment(frames: FrameArray) -> Segments:
    """Find the background, and up to two colours that lie on it."""
    name, ground = _background_of(frames)
    lines = np.array(list(COLOURS.values()), np.float32) - ground[:, :, None]  # h w 10 3
    over = frames.astype(np.float32) - ground
    cover = np.einsum("nhwc,hwkc->nhwk", over, lines) / (lines**2).sum(-1)
    # What lies between the background and a colour is an edge of that colour.
    share = cover.clip(0, 1)
    square = (over**2).sum(-1)[..., None] + (share**2 - 2 * share * cover) * (lines**2).sum(-1)
    nearest = square.argmin(-1)
    held = np.take_along_axis(cover, nearest[..., None], -1)[..., 0]
    votes = np.stack([(nearest == place) & (held > VOTING_COVER) for place in range(len(COLOURS))])
    areas = np.array([_solid(vote).mean() for vote in votes])
    found = [int(place) for place in np.argsort(-areas)[:2] if areas[place] > LEAST_AREA]
    if not found:
        return Segments(name, (), np.zeros((0, *frames.shape[:3]), np.float32))
    among = square[..., found].argmin(-1)
    covers = [
        np.where((among == place) & (share[..., colour] > LEAST_COVER), share[..., colour], 0)
        for place, colour in enumerate(found)
    ]
    return Segments(name, tuple(list(COLOURS)[place] for place in found), np.stack(covers))


def _background_of(frames: FrameArray) -> tuple[str, Float[np.ndarray, "h w 3"]]:
    """Name of the background that most pixels fit, and its picture."""
    cell = CellSize(*frames.shape[1:3])
    best, found = np.inf, ("", np.zeros((*cell, 3), np.float32))
    for name, ground in _grounds(cell):
        apart = np.abs(frames[:: max(1, len(frames) // 8)] - ground).sum(-1).ravel()
        calm = int(CALM_SHARE * len(apart))
        misfit = float(np.partition(apart, calm)[:calm].mean())
        if misfit < best:
            best, found = misfit, (name, ground)
    return found


@cache
def _grounds(cell: CellSize) -> tuple[tuple[str, Float[np.ndarray, "h w 3"]], ...]:
    sharp = {name: background(name, cell).numpy() for name in BACKGROUNDS}
    return tuple(
        (name, blurred(ground, blur) if blur else ground)
        for name, ground in sharp.items()
        for blur in (BLURS if ground.std(axis=(0, 1)).any() else (0.0,))
    )


def _solid(vote: Bool[np.ndarray, "n h w"]) -> Bool[np.ndarray, "n h w"]:
    """Pixels with enough of their 8 neighbours: not the seam between two other colours."""
    padded = np.pad(vote, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.int8)
    height, width = vote.shape[1:]
    around = sum(
        padded[:, 1 + y : 1 + y + height, 1 + x : 1 + x + width]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )
    return vote & (around >= (5 if min(height, width) >= FINE_SIDE else 4))
