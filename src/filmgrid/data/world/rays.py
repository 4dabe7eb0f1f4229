"""Where rays meet solid pieces, in the pieces' own axes, in torch.

A ray is ``origin + depth * direction``; every function returns the least positive depth, or
infinity, and the outward normal there (not of unit length).
"""

import torch
from jaxtyping import Float
from torch import Tensor

Vectors = Float[Tensor, "rays 3"]
Depths = Float[Tensor, " rays"]

TORUS_STEPS = 24
TINY = 1e-9


def meet_ball(origin: Vectors, direction: Vectors) -> tuple[Depths, Vectors]:
    """The unit ball."""
    a = (direction**2).sum(-1)
    b = (origin * direction).sum(-1)
    root = b**2 - a * ((origin**2).sum(-1) - 1)
    depth = _valid((-b - root.clamp(min=0).sqrt()) / a, root > 0)
    return depth, _at(origin, direction, depth)


def meet_planes(
    origin: Vectors, direction: Vectors, planes: Float[Tensor, "planes 4"]
) -> tuple[Depths, Vectors]:
    """The space on the inner side of all planes ``normal . place = offset``."""
    towards = direction @ planes[:, :3].T
    left = planes[:, 3] - origin @ planes[:, :3].T
    depths = left / torch.where(towards.abs() < TINY, TINY, towards)
    enters, face = depths.masked_fill(towards >= 0, -torch.inf).max(-1)
    leaves = depths.masked_fill(towards <= 0, torch.inf).amin(-1)
    depth = _valid(enters, enters < leaves)
    return depth, planes[face, :3]


def meet_cone(origin: Vectors, direction: Vectors, top: Depths) -> tuple[Depths, Vectors]:
    """Between z -1 and 1, radius 1 at the bottom and ``top`` at the top."""
    middle, slope = (1 + top) / 2, (top - 1) / 2
    ox, oy, oz = origin.unbind(-1)
    dx, dy, dz = direction.unbind(-1)
    radius, change = middle + slope * oz, slope * dz
    a = dx**2 + dy**2 - change**2
    b = ox * dx + oy * dy - radius * change
    c = ox**2 + oy**2 - radius**2
    root = b**2 - a * c
    spread = root.clamp(min=0).sqrt()
    a = torch.where(a.abs() < TINY, TINY, a)
    sides = torch.stack([(-b - spread) / a, (-b + spread) / a])
    sides = _valid(sides, (root > 0) & ((oz + sides * dz).abs() <= 1))
    dz = torch.where(dz.abs() < TINY, TINY, dz)
    caps = torch.stack([(-1 - oz) / dz, (1 - oz) / dz])
    across = (ox + caps * dx) ** 2 + (oy + caps * dy) ** 2
    caps = _valid(caps, across <= torch.stack([torch.ones_like(top), top]) ** 2)
    depth, which = torch.cat([sides, caps]).min(0)
    place = _at(origin, direction, depth)
    flat = torch.stack([0 * dz, 0 * dz, which.to(dz.dtype) * 2 - 5], -1)
    rim = torch.cat([place[:, :2], (-slope * (middle + slope * place[:, 2]))[:, None]], -1)
    return depth, torch.where(which[:, None] >= 2, flat, rim)


def meet_torus(origin: Vectors, direction: Vectors, tube: Depths) -> tuple[Depths, Vectors]:
    """Around z with radius 1; marched along its signed distance from the sphere around it."""
    speed = direction.norm(dim=-1)
    b = (origin * direction).sum(-1) / speed**2
    reach = b**2 - ((origin**2).sum(-1) - (1 + tube) ** 2) / speed**2
    depth = -b - reach.clamp(min=0).sqrt()
    for _ in range(TORUS_STEPS):
        depth = depth + _torus_distance(_at(origin, direction, depth), tube) / speed
    place = _at(origin, direction, depth)
    near = _torus_distance(place, tube).abs() < 0.02
    ring = place[:, :2] / place[:, :2].norm(dim=-1, keepdim=True).clamp(min=TINY)
    normal = place - torch.cat([ring, torch.zeros_like(place[:, :1])], -1)
    return _valid(depth, (reach > 0) & near), normal


def _torus_distance(place: Vectors, tube: Depths) -> Depths:
    return torch.hypot(place[:, :2].norm(dim=-1) - 1, place[:, 2]) - tube


def _at(origin: Vectors, direction: Vectors, depth: Depths) -> Vectors:
    return origin + depth.nan_to_num(posinf=0)[:, None] * direction


def _valid(depth: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid & (depth > 0), depth, torch.inf)
