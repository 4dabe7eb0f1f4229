"""Colours as the eye measures them. Free of torch."""

import numpy as np
from jaxtyping import Float32

from filmgrid.types import FrameArray

LEVELS = np.arange(256, dtype=np.float32) / 255
LINEAR = np.where(LEVELS <= 0.04045, LEVELS / 12.92, ((LEVELS + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
"""Light of each sRGB level, 0 to 1."""

CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
).T
"""Linear sRGB to the responses of the three kinds of cones."""

OPPONENTS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
).T
"""Cube roots of these to L, a, b."""


def oklab(frames: FrameArray) -> Float32[np.ndarray, "n h w 3"]:
    """Take colours to OKLab, where distances are about as large as they look.

    Source: Ottosson 2020, "A perceptual color space for image processing".

    Returns:
        L from 0 for black to 1 for white, a (green to red) and b (blue to yellow), which stay
        within -0.4 and 0.4 for sRGB and are 0 for grey.
    """
    return np.cbrt(LINEAR[frames] @ CONES) @ OPPONENTS
