"""How every kind looks from every side, as parts to be coloured: what a judge compares with."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from filmgrid.data.world.kinds import KINDS
from filmgrid.data.world.shoot import shoot_parts
from filmgrid.data.world.turntables import Turntable
from filmgrid.grid.spec import CellSize

NUM_VIEWS = 48
SIDE = 20
"""Pixels of the window that frames are brought to."""
SPREADS = 2.5
"""Half of that window in each axis, in standard deviations of the silhouette along it."""
CELL = CellSize(48, 48)


class Windows(NamedTuple):
    """Frames brought to the place and size of what they show.

    Args:
        pixels: in levels of 255.
        middles: x and y of the silhouettes, from -1 to 1 across the frame.
        spreads: their standard deviations along x and y, in the same unit.
    """

    pixels: Float[Tensor, "n c pixels"]
    middles: Float[Tensor, "n 2"]
    spreads: Float[Tensor, "n 2"]


class Templates(NamedTuple):
    """All kinds from all sides; the thing turns clockwise from one view to the next.

    Args:
        parts: brightness of the main and the second part, to be multiplied with their colours.
        fixed: levels of the parts whose colours are always the same.
        middles: as for windows.
        spreads: as for windows.
    """

    parts: Float[Tensor, "kinds views 2 pixels"]
    fixed: Float[Tensor, "kinds views 3 pixels"]
    middles: Float[Tensor, "kinds views 2"]
    spreads: Float[Tensor, "kinds views 2"]


def windows_of(pictures: Float[Tensor, "n c h w"], masks: Float[Tensor, "n h w"]) -> Windows:
    """Bring pictures to the place and size of their masks, along each axis by itself."""
    height, width = masks.shape[1:]
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    mass = masks.sum((1, 2)).clamp(min=1)
    across, down = masks.sum(1) / mass[:, None], masks.sum(2) / mass[:, None]
    middles = torch.stack([across @ x, down @ y], -1)
    squares = torch.stack([across @ x**2, down @ y**2], -1)
    spreads = (squares - middles**2).clamp(min=(0.4 / height) ** 2).sqrt()
    line = ((torch.arange(SIDE) + 0.5) / SIDE * 2 - 1) * SPREADS
    grid_y, grid_x = torch.meshgrid(line, line, indexing="ij")
    places = middles[:, None, None] + spreads[:, None, None] * torch.stack([grid_x, grid_y], -1)
    pixels = F.grid_sample(pictures, places, align_corners=False)
    return Windows(pixels.flatten(2), middles, spreads)


@cache
def templates() -> Templates:
    """Render every kind once."""
    made = []
    for kind in KINDS:
        thing = Turntable(kind, ("white", "red"), width=0.95, height=0.95, size=0.96)
        parts, fixed, cover = shoot_parts(thing, NUM_VIEWS, CELL)
        pictures = torch.cat([parts, fixed], 1)
        made.append(windows_of(pictures, (cover > 0.5).float()))
    pixels = torch.stack([windows.pixels for windows in made])
    return Templates(
        pixels[:, :, :2],
        pixels[:, :, 2:],
        torch.stack([windows.middles for windows in made]),
        torch.stack([windows.spreads for windows in made]),
    )


def view_numbers(num_frames: int, turn: int) -> np.ndarray:
    """The view that each frame of a full turn shows, if the first shows the front."""
    return np.rint(turn * np.arange(num_frames) * NUM_VIEWS / num_frames).astype(int) % NUM_VIEWS
