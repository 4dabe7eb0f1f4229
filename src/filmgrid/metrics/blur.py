"""Gaussian blur of frames, for judges and for what they are tested against."""

import numpy as np
from jaxtyping import Float


def blurred(picture: Float[np.ndarray, "*n h w c"], sigma: float) -> Float[np.ndarray, "*n h w c"]:
    """Blur by ``sigma`` pixels; the border repeats outwards."""
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    result = picture.astype(np.float32)
    for axis in (-3, -2):
        pad = [(0, 0)] * result.ndim
        pad[axis] = (reach, reach)
        padded = np.pad(result, pad, mode="edge")
        size = picture.shape[axis]
        moved = [np.take(padded, range(place, place + size), axis) for place in range(len(kernel))]
        result = np.tensordot(kernel, np.stack(moved), 1)
    return result
