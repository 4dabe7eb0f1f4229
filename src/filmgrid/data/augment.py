"""Augmentation of appearance and geometry, the same for all frames of a sequence.

One colour transform and one warp are drawn per sequence, so that motion stays what it was and
only who moves, in which light and seen from where, changes. (GriDiT's release flips whole
grids, which reverses the order of the cells in each row.)
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from filmgrid.data.augment_config import AugmentConfig
from filmgrid.types import FrameArray

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def augment(
    frames: FrameArray, config: AugmentConfig, rng: np.random.Generator, cols: int = 1
) -> FrameArray:
    """Change all frames of a sequence in one and the same way.

    What a warp brings in from outside the frame is its mirror image.

    Args:
        frames: the sequence.
        config: how far it may go.
        rng: draws the amounts; always the same number of draws.
        cols: frames in a row of the grid; only a flip of whole grids reads it.
    """
    amount = rng.uniform(-1, 1, 10)
    chance = rng.random(4)
    if chance[0] < config.reverse:
        frames = frames[::-1]
    if chance[1] < config.flip:
        frames = frames[:, :, ::-1]
    if chance[3] < config.flip_grid:
        rows = frames.reshape(-1, cols, *frames.shape[1:])
        frames = rows[:, ::-1, :, ::-1].reshape(frames.shape)
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
    warp = _warp(config, amount[:5])
    if not np.allclose(warp, np.eye(2, 3)):
        theta = torch.from_numpy(warp).expand(len(pixels), -1, -1)
        places = F.affine_grid(theta, list(pixels.shape), align_corners=False)
        pixels = F.grid_sample(pixels, places, padding_mode="reflection", align_corners=False)
    matrix, offset = _colour(config, amount[5:], invert=chance[2] < config.invert)
    pixels = torch.einsum("dc,nchw->nhwd", torch.from_numpy(matrix), pixels)
    pixels = pixels + torch.from_numpy(offset)
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _warp(config: AugmentConfig, amount: np.ndarray) -> Float[np.ndarray, "2 3"]:
    """From places in the result to places in the source, both in [-1, 1]."""
    turn = math.radians(config.rotate * amount[0])
    zoom = (1 + config.scale) ** -amount[1]
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    slant = np.array([[1, config.shear * amount[2]], [0, 1]])
    move = 2 * config.shift * amount[3:5]
    return np.concatenate([zoom * rotation @ slant, move[:, None]], axis=1).astype(np.float32)


def _colour(
    config: AugmentConfig, amount: np.ndarray, *, invert: bool
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """A matrix and an offset for colours in [0, 1]."""
    # A turn about the grey axis (Rodrigues), then away from or towards the luma.
    turn = math.radians(config.hue * amount[0])
    third, root = (1 - math.cos(turn)) / 3, math.sin(turn) / math.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    hue = math.cos(turn) * np.eye(3) + third * np.ones((3, 3)) + root * cross
    grey = np.ones((3, 1)) @ LUMA[None]
    saturation = grey + (1 + config.saturation * amount[1]) * (np.eye(3) - grey)
    contrast = 1 + config.contrast * amount[2]
    matrix = contrast * saturation @ hue
    offset = np.full(3, 0.5 * (1 - contrast) + config.brightness * amount[3])
    if invert:
        matrix, offset = -matrix, 1 - offset
    return matrix.astype(np.float32), offset.astype(np.float32)
