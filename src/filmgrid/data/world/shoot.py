"""Render many turntables at once by casting rays, in torch, on whatever device is asked for."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from filmgrid.data.world.kinds import pieces_of
from filmgrid.data.world.rays import meet_ball, meet_cone, meet_planes, meet_torus
from filmgrid.data.world.solids import FORMS
from filmgrid.data.world.turntables import FOV_DEGREES, Turntable
from filmgrid.data.world.words import COLOURS
from filmgrid.grid.spec import CellSize

FINE = 2
"""Rays along each side of a pixel."""
LIGHT_FROM = (-0.5, 0.65, 0.57)
"""The lamp stands beside the camera and goes round with it: right, up and back."""
AMBIENT, SOFTNESS = 0.5, 0.35
DARK_COLOUR, LIGHT_COLOUR = (74, 74, 82), (225, 232, 238)

BOX_PLANES = [(1, 0, 0, 1), (-1, 0, 0, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1), (0, 0, -1, 1)]
WEDGE_PLANES = [(2, 0, 1, 1), (-2, 0, 1, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, -1, 1)]


class _Rays(NamedTuple):
    """Rays that may meet a piece: which piece, and which ray of the whole batch."""

    piece: Int[Tensor, " rays"]
    ray: Int[Tensor, " rays"]
    origin: Float[Tensor, "rays 3"]
    direction: Float[Tensor, "rays 3"]
    to_camera: Float[Tensor, "rays 3 3"]


def shoot_turntables(
    scenes: Sequence[Turntable],
    num_frames: int,
    cell: CellSize,
    device: torch.device | str = "cpu",
    fine: int = FINE,
) -> UInt8[Tensor, "b n h w 3"]:
    """Render every frame of every thing, on black.

    Args:
        scenes: at least one; one at a time is as fast as any number on a CPU.
        num_frames: frames in a full turn, at least 1.
        cell: height and width of a frame in pixels.
        device: where to render, and where the frames are returned.
        fine: rays along each side of a pixel.

    Returns:
        8-bit sRGB frames.
    """
    palettes = torch.tensor([_palette(scene) for scene in scenes], dtype=torch.float32)
    frames = _shoot(scenes, num_frames, cell, palettes.to(device), fine)
    return frames[..., :3].round_().to(torch.uint8)


def shoot_parts(
    scene: Turntable, num_frames: int, cell: CellSize
) -> tuple[Float[Tensor, "n 2 h w"], Float[Tensor, "n 3 h w"], Float[Tensor, "n h w"]]:
    """Render what the colours of a thing are multiplied with, for those who compare with it.

    Returns:
        Brightness of the main and the second part in [0, 1]; levels of the parts whose colours
        are always the same; and the share of each pixel that the thing covers.
    """
    parts = torch.zeros((1, 4, 5))
    parts[0, 0, 0] = parts[0, 1, 1] = 1
    parts[0, 2, 2:5] = torch.tensor(DARK_COLOUR, dtype=torch.float32)
    parts[0, 3, 2:5] = torch.tensor(LIGHT_COLOUR, dtype=torch.float32)
    shown = _shoot([scene], num_frames, cell, parts, FINE)[0].movedim(-1, 1)
    return shown[:, :2], shown[:, 2:5], shown[:, 5]


def _palette(scene: Turntable) -> list[tuple[int, int, int]]:
    """Colours of the parts, in the order of their numbers."""
    return [*(COLOURS[name] for name in scene.colours), DARK_COLOUR, LIGHT_COLOUR]


def _shoot(
    scenes: Sequence[Turntable],
    num_frames: int,
    cell: CellSize,
    palettes: Float[Tensor, "b parts c"],
    fine: int,
) -> Float[Tensor, "b n h w c+1"]:
    """Render with any number of channels; one more says how much of a pixel is covered."""
    device = palettes.device
    size = CellSize(cell.height * fine, cell.width * fine)
    pieces = _pieces(scenes, device)
    views = _views(scenes, num_frames, device)
    slopes = _slopes(size, device)
    count = len(scenes) * num_frames * size.height * size.width
    depth = torch.full((count,), torch.inf, device=device)
    met: list[tuple[Tensor, Tensor, Tensor]] = []
    for form in FORMS:
        rays = _rays(form, pieces, views, slopes)
        if not len(rays.ray):
            continue
        far, normal = _meet(form, rays, pieces.shape[rays.piece])
        hit = torch.isfinite(far)
        far, ray, piece = far[hit], rays.ray[hit], rays.piece[hit]
        depth.scatter_reduce_(0, ray, far, "amin")
        facing = torch.einsum("rji,rj->ri", rays.to_camera[hit], normal[hit])
        colour = palettes[pieces.owner[piece], pieces.part[piece]] * _shade(facing)[:, None]
        met.append((ray, far, F.pad(colour, (0, 1), value=1.0)))
    image = torch.zeros((count, palettes.shape[-1] + 1), device=device)
    for ray, far, colour in met:
        first = far == depth[ray]
        image[ray[first]] = colour[first]
    shape = {"b": len(scenes), "n": num_frames, "h": cell.height, "w": cell.width}
    return reduce(image, "(b n h i w j) c -> b n h w c", "mean", i=fine, j=fine, **shape)


class _Pieces(NamedTuple):
    """All pieces of all scenes, one after another."""

    form: Int[Tensor, " pieces"]
    part: Int[Tensor, " pieces"]
    owner: Int[Tensor, " pieces"]
    place: Float[Tensor, "pieces 3"]
    inverse: Float[Tensor, "pieces 3 3"]
    corners: Float[Tensor, "pieces 8 3"]
    shape: Float[Tensor, " pieces"]


def _pieces(scenes: Sequence[Turntable], device: torch.device | str) -> _Pieces:
    columns: list[list[np.ndarray]] = [[] for _ in _Pieces._fields]
    for number, scene in enumerate(scenes):
        form, part, place, inverse, corners, shape = _kind(scene.kind)
        stretch = np.array([scene.width, scene.width, scene.height])
        owner = np.full(len(form), number)
        solid = (place * stretch, inverse / stretch, corners * stretch, shape)
        for column, value in zip(columns, (form, part, owner, *solid), strict=True):
            column.append(value)
    tensors = [torch.from_numpy(np.concatenate(column)) for column in columns]
    return _Pieces(
        *(tensor.to(device) for tensor in tensors[:3]),
        *(tensor.float().to(device) for tensor in tensors[3:]),
    )


@cache
def _kind(kind: str) -> tuple[np.ndarray, ...]:
    """Form, part, place, inverse axes, corners and shape of each piece of a kind."""
    pieces = pieces_of(kind)
    return (
        np.array([FORMS.index(piece.form) for piece in pieces]),
        np.array([piece.part for piece in pieces]),
        np.array([piece.place for piece in pieces]),
        np.stack([np.linalg.inv(piece.axes) for piece in pieces]),
        np.stack([piece.corners() for piece in pieces]),
        np.array([piece.shape for piece in pieces]),
    )


def _views(
    scenes: Sequence[Turntable], num_frames: int, device: torch.device | str
) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b n 3 3"]]:
    """Places and axes of the cameras, as each thing sees them at size 1 in its usual place."""
    cameras = np.stack([scene.cameras(num_frames) for scene in scenes])
    poses = [scene.poses(num_frames) for scene in scenes]
    places = cameras[:, :, :3, 3].copy()
    places[:, :, 2] -= np.stack([lift for _, lift in poses])
    places /= np.stack([size for size, _ in poses])[..., None]
    tensors = (torch.from_numpy(values).float() for values in (places, cameras[:, :, :3, :3]))
    place, axes = (tensor.to(device) for tensor in tensors)
    return place, axes


@cache
def _slopes(size: CellSize, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """How far rays go right per unit of depth for each column, and up for each row."""
    reach = np.tan(np.deg2rad(FOV_DEGREES / 2)) / min(size)
    x = (2 * (torch.arange(size.width, device=device) + 0.5) - size.width) * reach
    y = (size.height - 2 * (torch.arange(size.height, device=device) + 0.5)) * reach
    return x, y


def _rays(
    form: str,
    pieces: _Pieces,
    views: tuple[Tensor, Tensor],
    slopes: tuple[Tensor, Tensor],
) -> _Rays:
    """The rays that pass through the box around each piece of this form, in the piece's axes."""
    chosen = torch.nonzero(pieces.form == FORMS.index(form))[:, 0]
    owner = pieces.owner[chosen]
    place, axes = views[0][owner], views[1][owner]
    seen = torch.einsum(
        "pnij,pnci->pncj", axes, pieces.corners[chosen][:, None] - place[:, :, None]
    )
    flat = seen[..., :2] / -seen[..., 2:]
    low, high = flat.amin(2), flat.amax(2)
    x, y = slopes
    in_x = (x >= low[..., :1]) & (x <= high[..., :1])
    in_y = (y >= low[..., 1:]) & (y <= high[..., 1:])
    which, view, row, col = torch.nonzero(in_y[..., :, None] & in_x[..., None, :], as_tuple=True)
    inverse = pieces.inverse[chosen]
    to_camera = torch.einsum("pij,pnjk->pnik", inverse, axes)
    origin = torch.einsum("pij,pnj->pni", inverse, place - pieces.place[chosen][:, None])
    matrix = to_camera[which, view]
    direction = x[col, None] * matrix[..., 0] + y[row, None] * matrix[..., 1] - matrix[..., 2]
    number = owner[which] * place.shape[1] + view
    ray = (number * len(y) + row) * len(x) + col
    return _Rays(chosen[which], ray, origin[which, view], direction, matrix)


def _meet(form: str, rays: _Rays, shape: Float[Tensor, " rays"]) -> tuple[Tensor, Tensor]:
    match form:
        case "ball":
            return meet_ball(rays.origin, rays.direction)
        case "cone":
            return meet_cone(rays.origin, rays.direction, shape)
        case "torus":
            return meet_torus(rays.origin, rays.direction, shape)
    planes = torch.tensor(BOX_PLANES if form == "box" else WEDGE_PLANES, dtype=torch.float32)
    return meet_planes(rays.origin, rays.direction, planes.to(shape.device))


def _shade(normal: Float[Tensor, "rays 3"]) -> Float[Tensor, " rays"]:
    """Brightness in [0, 1] of a surface, from its normal in the axes of the camera."""
    light = torch.tensor(LIGHT_FROM, device=normal.device)
    length = normal.norm(dim=-1).clamp(min=1e-9)
    towards = (normal @ light) / light.norm() / length
    return AMBIENT + (1 - AMBIENT) * ((towards + SOFTNESS) / (1 + SOFTNESS)).clamp(0, 1)
