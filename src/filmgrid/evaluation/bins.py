"""Histograms for offline features, without jumps where a value crosses from bin to bin."""

import numpy as np
from jaxtyping import Float32, Float64, Int

FloatArray = np.ndarray
"""Numbers of any shape, 32-bit."""


def soft_histogram(
    position: FloatArray,
    num_bins: int,
    group: Int[np.ndarray, "..."] | None = None,
    num_groups: int = 1,
    weight: FloatArray | None = None,
    circular: bool = False,
) -> Float64[np.ndarray, "num_groups num_bins"]:
    """Sum of weights per bin, each value shared between the two bins that it lies between.

    Args:
        position: in bins: 0 is the centre of the first, ``num_bins - 1`` that of the last.
            Values beyond count at the ends.
        num_bins: bins.
        group: which histogram each value belongs to, all to the first by default.
        num_groups: histograms.
        weight: what each value counts, 1 by default.
        circular: whether the first bin comes after the last, as for angles.
    """
    position = np.mod(position, num_bins) if circular else np.clip(position, 0, num_bins - 1)
    low = position.astype(np.intp)
    share = (position - low).ravel()
    high = low + 1
    if circular:
        low %= num_bins
        high %= num_bins
    else:
        np.minimum(high, num_bins - 1, out=high)
    if group is not None:
        low += group * num_bins
        high += group * num_bins
    up = share if weight is None else share * weight.ravel()
    down = (1 if weight is None else weight.ravel()) - up
    size = num_groups * num_bins
    total = np.bincount(low.ravel(), down, size) + np.bincount(high.ravel(), up, size)
    return total.reshape(num_groups, num_bins)


def hellinger(histogram: Float64[np.ndarray, "... bins"]) -> Float64[np.ndarray, "... bins"]:
    """Square root of the shares, a vector of length 1; nothing counted gives zeros."""
    total = histogram.sum(axis=-1, keepdims=True)
    return np.sqrt(np.maximum(histogram, 0) / np.maximum(total, 1e-12))


def halve(frames: Float32[np.ndarray, "n h w"], by: int = 2) -> Float32[np.ndarray, "n h2 w2"]:
    """Mean over squares of ``by`` x ``by`` pixels; rows and columns left over are dropped."""
    if by == 1:
        return frames
    count, height, width = frames.shape
    rows, cols = height // by, width // by
    blocks = frames[:, : rows * by, : cols * by].reshape(count, rows, by, cols, by)
    return blocks.mean(axis=(2, 4))


def luma(frames: np.ndarray) -> Float32[np.ndarray, "n h w"]:
    """Brightness as the eye weighs colours, 0 to 1, of 8-bit sRGB (Rec. 601, gamma kept)."""
    return frames @ np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)
