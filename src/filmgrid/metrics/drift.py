"""How far a sequence has moved from how it began: colours, contrast, detail. Free of torch.

Windows of a long sequence that are each made from the end of the one before fade, saturate or
soften little by little, which no comparison of neighbours sees.
"""

from typing import NamedTuple

import numpy as np
from einops import rearrange
from jaxtyping import Float32, Float64

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.colour import oklab
from filmgrid.metrics.consistency import unit_vectors
from filmgrid.metrics.feature_sets import Features
from filmgrid.types import FrameArray

WINDOWS = 4
"""Into which a sequence is cut unless told otherwise: the last quarter against the first."""

CELLS = 4
"""Cells along each side of a picture that change on their own."""

PIXELS_AT_ONCE = 1 << 18


class DriftParts(NamedTuple):
    """Change of each window against the first, signed, in hundredths of black to white."""

    lightness: Float64[np.ndarray, " windows"]
    green_red: Float64[np.ndarray, " windows"]
    blue_yellow: Float64[np.ndarray, " windows"]
    chroma: Float64[np.ndarray, " windows"]
    """Distance from grey: above 0 if colours become stronger."""
    contrast: Float64[np.ndarray, " windows"]
    """Standard deviation of lightness within a cell."""
    detail: Float64[np.ndarray, " windows"]
    """Root mean squared step of lightness from pixel to pixel: below 0 if it becomes soft."""


def drift(frames: FrameArray) -> float:
    """How far the look of the last quarter is from that of the first.

    See :func:`drift_curve`, whose last value this is; of fewer than four frames, the last frame
    against the first. A single frame has not drifted: 0.

    Returns:
        Hundredths of the way from black to white in OKLab: 0 if nothing changed, 2 can be seen
        side by side, 10 is another look.
    """
    if len(frames) < 2:
        return 0.0
    return float(drift_curve(frames, min(WINDOWS, len(frames)))[-1])


def drift_curve(frames: FrameArray, windows: int = WINDOWS) -> Float64[np.ndarray, " windows"]:
    """How far the look of each window of the sequence is from that of the first.

    The length of the six changes of :func:`drift_parts`, taken as one vector.

    Args:
        frames: at least one per window.
        windows: parts of equal length (to one frame) that the sequence is cut into, at least 2.

    Returns:
        Hundredths of the way from black to white in OKLab; 0 for the first window.

    Raises:
        ShapeError: if there are fewer frames than windows.
        ConfigError: if there are fewer than two windows.
    """
    return np.linalg.norm(np.array(drift_parts(frames, windows)), axis=0)


def drift_parts(frames: FrameArray, windows: int = WINDOWS) -> DriftParts:
    """What the look of each window differs in from that of the first.

    Each frame is cut into 4x4 cells. Of a cell in a window, the median over frames of each of six
    numbers is taken, so that what passes within half of the window leaves no trace; then its
    change against the first window; then the median over cells, so that what is in fewer than
    half of them does not count. Cuts, pans and large things that come to stay count as drift where
    they change most of the picture alike; what drifts in a few cells only, and a change of
    content at equal look, are not seen.

    Args:
        frames: at least one per window.
        windows: parts that the sequence is cut into, at least 2.

    Raises:
        ShapeError: if there are fewer frames than windows.
        ConfigError: if there are fewer than two windows.
    """
    _check_windows(len(frames), windows)
    at_once = max(1, PIXELS_AT_ONCE // (frames.shape[1] * frames.shape[2]))
    looks = np.concatenate(
        [_looks(frames[i : i + at_once]) for i in range(0, len(frames), at_once)]
    )
    usual = np.stack([np.median(part, axis=0) for part in np.array_split(looks, windows)])
    change = np.median(usual - usual[0], axis=1)
    return DriftParts(*(100 * change.T.astype(np.float64)))


def embedding_drift_curve(
    embeddings: Features, windows: int = WINDOWS
) -> Float64[np.ndarray, " windows"]:
    """How far the embeddings of each window are from those of the first, as ``1 - cosine``.

    The directions of the embeddings are averaged over each window. With CLIP or DINO features it
    sees a change of content at equal look; values of one network only may be compared.

    Args:
        embeddings: one vector per frame, in order.
        windows: parts that the sequence is cut into, at least 2.

    Returns:
        0 for the first window and what is like it, 1 for the unrelated, at most 2.

    Raises:
        ShapeError: if these are not vectors, or fewer than windows.
        ConfigError: if one is zero, NaN or infinite, those of a window cancel, or there are fewer
            than two windows.
    """
    _check_windows(len(embeddings), windows)
    parts = np.array_split(unit_vectors(embeddings), windows)
    directions = unit_vectors(np.stack([part.mean(axis=0) for part in parts]))
    return 1 - directions @ directions[0]


def _looks(frames: FrameArray) -> Float32[np.ndarray, "n cells 6"]:
    """Lightness, green-red, blue-yellow, chroma, contrast and detail of each cell."""
    lab = oklab(frames)
    height, width = frames.shape[1:3]
    rows, cols = min(CELLS, height), min(CELLS, width)
    steps = np.zeros((2, *lab.shape[:3]), np.float32)
    steps[0, :, :-1] = np.diff(lab[..., 0], axis=1)
    steps[1, :, :, :-1] = np.diff(lab[..., 0], axis=2)
    layers = np.stack(
        [
            *np.moveaxis(lab, -1, 0),
            np.hypot(lab[..., 1], lab[..., 2]),
            lab[..., 0] ** 2,
            np.square(steps).mean(axis=0),
        ]
    )
    tops, lefts = np.arange(rows) * height // rows, np.arange(cols) * width // cols
    sums = np.add.reduceat(np.add.reduceat(layers, tops, axis=2), lefts, axis=3)
    areas = np.outer(np.diff(tops, append=height), np.diff(lefts, append=width))
    means = rearrange(sums / areas, "look n r c -> n (r c) look")
    means[..., 4] = np.sqrt(np.maximum(means[..., 4] - means[..., 0] ** 2, 0))
    means[..., 5] = np.sqrt(means[..., 5])
    return means.astype(np.float32)


def _check_windows(num_frames: int, windows: int) -> None:
    if windows < 2:
        raise ConfigError(f"{windows} window has nothing to drift from. Ask for at least 2.")
    if num_frames < windows:
        raise ShapeError(
            f"{num_frames} frames do not fill {windows} windows. Ask for fewer, or give more."
        )
