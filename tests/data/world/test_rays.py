"""Where rays meet solids, against closed forms and against stepping along the ray."""

import numpy as np
import pytest
import torch

from filmgrid.data.world.rays import meet_ball, meet_cone, meet_planes, meet_torus
from filmgrid.data.world.shoot import BOX_PLANES, WEDGE_PLANES


def rays(count=4000):
    random = torch.Generator().manual_seed(0)
    origin = torch.nn.functional.normalize(torch.randn(count, 3, generator=random)) * 4
    target = torch.randn(count, 3, generator=random) * 0.7
    return origin, (target - origin) * 0.8


def inside(form, place, shape):
    x, y, z = place.unbind(-1)
    if form == "ball":
        return x**2 + y**2 + z**2 < 1
    if form == "cone":
        return (z.abs() < 1) & (torch.hypot(x, y) < (1 + shape) / 2 + (shape - 1) / 2 * z)
    if form == "torus":
        return torch.hypot(torch.hypot(x, y) - 1, z) < shape
    planes = torch.tensor(BOX_PLANES if form == "box" else WEDGE_PLANES, dtype=torch.float32)
    return (place @ planes[:, :3].T < planes[:, 3]).all(-1)


def meet(form, origin, direction, shape):
    shapes = torch.full((len(origin),), shape)
    match form:
        case "ball":
            return meet_ball(origin, direction)
        case "cone":
            return meet_cone(origin, direction, shapes)
        case "torus":
            return meet_torus(origin, direction, shapes)
    planes = torch.tensor(BOX_PLANES if form == "box" else WEDGE_PLANES, dtype=torch.float32)
    return meet_planes(origin, direction, planes)


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ("ball", 1),
        ("box", 1),
        ("wedge", 1),
        ("torus", 0.3),
        ("cone", 1),
        ("cone", 0),
        ("cone", 1.4),
    ],
)
def test_rays_meet_a_solid_where_they_first_enter_it(form, shape):
    origin, direction = rays()
    depth, normal = meet(form, origin, direction, float(shape))
    steps = torch.linspace(0, 2.5, 2001)
    places = origin[:, None] + steps[:, None] * direction[:, None]
    within = inside(form, places, shape)
    entered = within.any(1)
    first = steps[within.float().argmax(1)]
    hit = torch.isfinite(depth)
    # Rays that graze may be missed by the steps.
    assert (hit == entered).float().mean() > 0.985
    both = hit & entered
    assert (depth[both] - first[both]).abs().quantile(0.99) < 0.02
    against = (normal[both] * direction[both]).sum(-1)
    assert (against < 1e-3).float().mean() > 0.99


def test_normals_of_the_ball_and_cap_are_exact():
    depth, normal = meet_ball(torch.tensor([[0.0, 0.0, 5.0]]), torch.tensor([[0.0, 0.0, -2.0]]))
    assert depth.item() == pytest.approx(2)
    assert np.allclose(normal, [[0, 0, 1]])
    top = torch.tensor([0.5])
    depth, normal = meet_cone(
        torch.tensor([[0.1, 0.2, 5.0]]), torch.tensor([[0.0, 0.0, -1.0]]), top
    )
    assert depth.item() == pytest.approx(4)
    assert normal[0, 2] > 0
    assert np.allclose(normal[0, :2], 0)
