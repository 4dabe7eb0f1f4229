"""Paint many scenes of flat things at once, in torch, on whatever device is asked for."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.outlines import TEXTURE_REACH, distance_textures
from filmgrid.data.world.things import Thing, Track
from filmgrid.data.world.words import COLOURS, PLAIN_BACKGROUNDS, SHAPES, TEXTURED_BACKGROUNDS
from filmgrid.grid.spec import CellSize

FINE = 8
"""Samples along each side of a pixel, for the textures of backgrounds."""


def paint_motion(
    scenes: Sequence[MotionScene],
    num_frames: int,
    cell: CellSize,
    pace: float | None = None,
    device: torch.device | str = "cpu",
) -> UInt8[Tensor, "b n h w 3"]:
    """Paint every frame of every scene, edges smoothed over one pixel.

    Args:
        scenes: at least one.
        num_frames: frames per scene, at least 1.
        cell: height and width of a frame in pixels.
        pace: beats per frame, as for :meth:`Thing.track`.
        device: where to paint, and where the frames are returned.

    Returns:
        8-bit sRGB frames.
    """
    grounds = torch.stack([background(scene.background, cell) for scene in scenes]).to(device)
    frames = grounds[:, None].expand(-1, num_frames, -1, -1, -1).clone()
    for layer in (False, True):  # what is behind first
        chosen = [
            (index, thing)
            for index, scene in enumerate(scenes)
            for place, thing in enumerate(scene.things)
            if (place == scene.in_front) == layer
        ]
        if not chosen:
            continue
        places = torch.tensor([index for index, _ in chosen], device=device)
        things = [thing for _, thing in chosen]
        tracks = [thing.track(num_frames, pace) for thing in things]
        cover = cover_of(things, tracks, cell, device)[..., None]
        colours = torch.tensor([COLOURS[thing.colour] for thing in things], dtype=torch.float32)
        colours = colours.to(device)[:, None, None, None]
        below = frames[places]
        frames[places] = below + cover * (colours - below)
    return frames.round_().to(torch.uint8)


def cover_of(
    things: Sequence[Thing],
    tracks: Sequence[Track],
    cell: CellSize,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "things n h w"]:
    """How much of each pixel each thing covers, in [0, 1], if nothing hides it."""
    height, width = cell
    side = min(height, width)
    centres = _tensor([track.centres for track in tracks], device)
    radii = _tensor([track.radii for track in tracks], device)[..., None, None]
    angles = torch.deg2rad(_tensor([track.angles for track in tracks], device))[..., None, None]
    x = (torch.arange(width, device=device) + 0.5) / width - centres[..., 0, None, None]
    y = ((torch.arange(height, device=device) + 0.5) / height)[:, None] - centres[
        ..., 1, None, None
    ]
    x, y = x * (width / side), y * (height / side)  # in sides of the shorter axis
    sin, cos = torch.sin(angles) / radii, torch.cos(angles) / radii
    at = torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1) / TEXTURE_REACH
    kinds = [list(SHAPES).index(thing.shape) for thing in things]
    textures = _textures(str(device))[kinds]
    distance = F.grid_sample(
        textures, rearrange(at, "b n h w xy -> b (n h) w xy"), "bilinear", "border", False
    )
    distance = rearrange(distance, "b 1 (n h) w -> b n h w", n=len(tracks[0].radii))
    return (0.5 - distance * radii * side).clamp_(0, 1)


@cache
def background(name: str, cell: CellSize) -> Float[Tensor, "h w 3"]:
    """The background of this name, in levels of 255."""
    height, width = cell
    if name in PLAIN_BACKGROUNDS:
        return torch.tensor(PLAIN_BACKGROUNDS[name], dtype=torch.float32).expand(height, width, 3)
    side = min(height, width)
    y, x = np.meshgrid(*((np.arange(n * FINE) + 0.5) / (FINE * side) for n in cell), indexing="ij")
    match name:
        case "striped":
            figure = (x + y) * 4 % 1 < 0.5
        case "checkered":
            figure = (np.floor(x * 8) + np.floor(y * 8)) % 2 == 0
        case _:
            figure = np.hypot(x * 8 % 1 - 0.5, y * 8 % 1 - 0.5) < 0.3
    share = torch.tensor(figure, dtype=torch.float32)
    share = rearrange(share, "(h i) (w j) -> h w (i j)", i=FINE, j=FINE).mean(-1, keepdim=True)
    low, high = (torch.tensor(colour, dtype=torch.float32) for colour in TEXTURED_BACKGROUNDS[name])
    return low + share * (high - low)


@cache
def _textures(device: str) -> Float[Tensor, "shapes 1 side side"]:
    return torch.from_numpy(distance_textures()).to(device)[:, None]


def _tensor(values: list[np.ndarray], device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.stack(values).astype(np.float32)).to(device)
