"""offline-gradients: which edges a clip has, where, and how sharp. No weights, no torch.

::

    128  orientations of edges: 4 x 4 cells x 8 directions without sign (Dalal and Triggs 2005)
     24  strengths of edges, 8 octaves, in the frames and at a half and a quarter of their size

on the brightness of each frame, averaged over the frames. Scaled once and for all: the strengths
of a cell over the root of their squares plus (1/50 of full contrast per pixel) squared, over 4;
the octaves as square roots of shares, over the root of 3. So each part has a length of at most 1.

Sees blur, noise, lost detail, blocks, another composition. Blind to colour, to the order of the
frames, and so to frozen, shuffled and reversed motion.
"""

import numpy as np
from jaxtyping import Float32, Float64

from filmgrid.evaluation.bins import halve, hellinger, luma, soft_histogram
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Statement
from filmgrid.types import FrameArray

CELLS = 4
DIRECTIONS = 8
OCTAVES = 8
SCALES = (1, 2, 4)
FLAT = 0.02
DIM = CELLS * CELLS * DIRECTIONS + len(SCALES) * OCTAVES
SMALLEST_SIDE = 16
PIXELS_AT_ONCE = 1 << 18


class GradientFeatures(Extractor):
    """152 numbers per clip of at least 16x16 px.

    Args:
        frames: which frames are looked at, all by default.
    """

    def __init__(self, frames: FrameChoice | None = None):
        super().__init__(
            Statement(
                name="offline-gradients",
                preprocessing=Preprocessing(frames=frames or FrameChoice()),
                layer="orientations per cell, strengths per octave",
                dim=DIM,
            ),
            min_side=SMALLEST_SIDE,
        )

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Edges of each clip."""
        return np.stack([_edges(clip) for clip in clips])


def _edges(clip: FrameArray) -> Float32[np.ndarray, " dim"]:
    at_once = max(1, PIXELS_AT_ONCE // (clip.shape[1] * clip.shape[2]))
    cells = np.zeros((CELLS * CELLS, DIRECTIONS))
    octaves = np.zeros((len(SCALES), OCTAVES))
    for first in range(0, len(clip), at_once):
        bright = luma(clip[first : first + at_once])
        for index, scale in enumerate(SCALES):
            right, down = gradients(halve(bright, scale))
            strength = np.sqrt(right * right + down * down)
            octaves[index] += soft_histogram(np.log2(1 + 255 * strength), OCTAVES)[0]
            if scale == 1:
                cells += _orientations(right, down, strength)
    shares = hellinger(octaves).ravel() / np.sqrt(len(SCALES))
    return np.concatenate([(cells / len(clip)).ravel(), shares]).astype(np.float32)


def gradients(
    bright: Float32[np.ndarray, "n h w"],
) -> tuple[Float32[np.ndarray, "n h2 w2"], Float32[np.ndarray, "n h2 w2"]]:
    """Change per pixel to the right and downwards, without the outermost pixels."""
    right = (bright[:, 1:-1, 2:] - bright[:, 1:-1, :-2]) / 2
    down = (bright[:, 2:, 1:-1] - bright[:, :-2, 1:-1]) / 2
    return right, down


def _orientations(
    right: np.ndarray, down: np.ndarray, strength: np.ndarray
) -> Float64[np.ndarray, "cells directions"]:
    """Strength by direction in each cell, scaled per frame, summed over frames."""
    count, height, width = right.shape
    rows = np.arange(height) * CELLS // height
    cols = np.arange(width) * CELLS // width
    cell = rows[:, None] * CELLS + cols
    group = np.arange(count)[:, None, None] * CELLS * CELLS + cell
    turn = np.arctan2(down, right) * (DIRECTIONS / np.pi)
    sums = soft_histogram(turn, DIRECTIONS, group, count * CELLS * CELLS, strength, circular=True)
    each = sums.reshape(count, CELLS * CELLS, DIRECTIONS)
    each /= np.bincount(cell.ravel(), minlength=CELLS * CELLS)[:, None]
    length = np.sqrt(np.square(each).sum(axis=-1, keepdims=True) + FLAT**2)
    return (each / (CELLS * length)).sum(axis=0)
