"""Silhouettes of things on black, and what of them one solid explains.

The solid is the visual hull: all places that every view sees inside its silhouette. Whether a
pixel shows it is found along the pixel's own ray, without voxels. Source: Matusik et al.,
Image-Based Visual Hulls, SIGGRAPH 2000.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from filmgrid.data.world.turntables import FOV_DEGREES
from filmgrid.data.world.words import TURNS
from filmgrid.grid.cameras import Cameras, turntable_cameras
from filmgrid.types import FrameArray

LEAST_LEVEL, NOISE_FACTOR = 16, 1.2
"""Levels of 255 up to which everything is background: these, or so many times the border's."""
DARKEST = 36
"""Levels of the darkest surface."""
INSIDE = 0.42
"""Opacity of a silhouette's pixels: half covered, by an edge that is darker than its surface."""
TOLERANCE = 0.1
"""By how much less a place may be covered in other views: about a tenth of a pixel."""
REACH = 0.66
"""Distance from the middle in which the solid is looked for, in world units."""
STEPS = 80
"""Places along each ray."""


def opacity(frames: FrameArray) -> Float[Tensor, "n h w"]:
    """How much of each pixel the thing covers, in [0, 1], judged from its brightness.

    A pixel on the edge is compared with the second brightest of its neighbours; one that has no
    background near it is covered, however dark.
    """
    level = torch.from_numpy(frames.max(-1).astype(np.float32))[:, None]
    noise = _noise(level)
    if noise > DARKEST:
        level = F.avg_pool2d(F.pad(level, (1, 1, 1, 1), mode="replicate"), 3, 1)
        noise = _noise(level)
    bare = F.pad((level <= min(max(LEAST_LEVEL, noise), DARKEST)).float(), (2, 2, 2, 2))
    inner = F.max_pool2d(bare, 5, 1) < 0.5
    around = F.unfold(level, 3, padding=1).unflatten(-1, level.shape[-2:])
    beside = around.kthvalue(8, 1, keepdim=True).values.clamp(min=DARKEST)
    return _without_specks(torch.where(inner, 1.0, (level / beside).clamp(0, 1))[:, 0])


def _noise(level: Float[Tensor, "n 1 h w"]) -> float:
    """Level that the noise of the background hardly reaches, from the border of the frames."""
    border = torch.cat([level[..., 0], level[..., -1], level[..., 0, :], level[..., -1, :]], -1)
    return NOISE_FACTOR * float(border.flatten().quantile(0.98))


def silhouettes(frames: FrameArray) -> Bool[np.ndarray, "n h w"]:
    """Pixels of which the thing covers at least half."""
    return (opacity(frames) >= INSIDE).numpy()


def hull_silhouettes(
    covered: Float[Tensor, "n h w"], cameras: Cameras
) -> Bool[np.ndarray, "n h w"]:
    """How the visual hull of all views looks in each view; never more than its own silhouette.

    Args:
        covered: opacity in each view, square.
        cameras: one per view.
    """
    count, side = covered.shape[0], covered.shape[2]
    axes = torch.from_numpy(cameras[:, :3, :3]).float()
    places = torch.from_numpy(cameras[:, :3, 3]).float()
    slope = float(np.tan(np.deg2rad(FOV_DEGREES / 2)))
    radius = float(np.linalg.norm(cameras[0, :3, 3]))
    depths = radius - REACH + (torch.arange(STEPS) + 0.5) / STEPS * 2 * REACH
    # Views a quarter and a half apart first: they leave the fewest places to the others.
    others = sorted(range(1, count), key=lambda step: (-_twos(step, count), step))
    shown = torch.zeros(covered.shape, dtype=torch.bool)
    for view in range(count):
        row, col = torch.nonzero(covered[view] >= INSIDE, as_tuple=True)
        across = torch.stack([(col + 0.5) / side * 2 - 1, 1 - (row + 0.5) / side * 2], -1) * slope
        rays = torch.cat([across, -torch.ones(len(row), 1)], -1) @ axes[view].T
        along = (places[view] + depths[:, None] * rays[:, None]).flatten(0, 1)
        pixel = torch.arange(len(row)).repeat_interleave(STEPS)
        for step in others:
            other = (view + step) % count
            seen = (along - places[other]) @ axes[other]
            at = torch.stack([seen[:, 0], -seen[:, 1]], -1) / -(slope * seen[:, 2:])
            cover = F.grid_sample(covered[other][None, None], at[None, None], align_corners=False)
            inside = cover[0, 0, 0] >= INSIDE - TOLERANCE
            along, pixel = along[inside], pixel[inside]
        pixel = pixel.unique()
        shown[view, row[pixel], col[pixel]] = True
    return shown.numpy()


def turntable_hull(frames: FrameArray, turn: str) -> Bool[np.ndarray, "n h w"]:
    """Silhouettes of the hull of a full turn; compare those of an edit with those of its source.

    Args:
        frames: square, of something that keeps its size and place.
        turn: a name of ``TURNS``.
    """
    cameras = turntable_cameras(len(frames), step_degrees=TURNS[turn] * 360 / len(frames))
    return hull_silhouettes(opacity(frames), cameras)


def hull_overlap(frames: FrameArray, turn: str) -> float:
    """How well one solid explains all silhouettes: their IoU with those of their visual hull.

    Things that look alike from many sides are explained by any turn; the measure sees what
    changes from view to view, and parts that come and go.

    Args:
        frames: square, of a full turn of something that keeps its size and place.
        turn: a name of ``TURNS``.

    Returns:
        Mean over the frames, in [0, 1]; 0 if a frame is empty.
    """
    masks = silhouettes(frames)
    if not masks.any((1, 2)).all():
        return 0.0
    return mean_overlap(masks, turntable_hull(frames, turn))


def mean_overlap(one: Bool[np.ndarray, "n h w"], other: Bool[np.ndarray, "n h w"]) -> float:
    """Intersection over union of each frame's masks, averaged over the frames."""
    union = (one | other).sum((1, 2))
    return float(((one & other).sum((1, 2)) / np.maximum(union, 1)).mean())


def _twos(step: int, count: int) -> float:
    """How far apart two views look: greatest at a quarter and at three quarters of the turn."""
    return float(abs(np.sin(2 * np.pi * step / count)))


def _without_specks(cover: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Drop pixels that have fewer than two neighbours in the silhouette: noise."""
    inside = F.pad((cover >= INSIDE).float(), (1, 1, 1, 1))
    around = F.avg_pool2d(inside, 3, 1) * 9
    return torch.where(around >= 2.5, cover, torch.zeros_like(cover))
