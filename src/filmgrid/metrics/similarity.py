"""The variants of SSIM that papers and packages call by one name.

They differ in the second digit on one and the same clip (0.713 to 0.763 on the one that the tests
use), so a number without its variant cannot be compared with anything. Free of torch.
"""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from einops import reduce
from jaxtyping import Float64

from filmgrid.errors import ConfigError
from filmgrid.types import ImageArray

SsimVariant = Literal[
    "gaussian", "gaussian-uncropped", "torchmetrics", "uniform-7", "gray", "matlab-3d"
]
"""Which SSIM; all with K1 0.01, K2 0.03 and 8-bit pixels.

- ``gaussian``: the original paper's on each colour channel. Gaussian window of 11x11 px and sigma
  1.5, population covariance, and the 5 px next to the edge left out, where the window would hang
  over. That of scikit-image with ``gaussian_weights``, and of common_metrics_on_video_quality.
- ``gaussian-uncropped``: the same with these 5 px, their window filled by reflection with the
  edge pixel repeated.
- ``torchmetrics``: the same with these 5 px, filled by reflection around the edge pixel.
- ``uniform-7``: the default of scikit-image. Window of 7x7 equal weights, sample covariance,
  3 px left out.
- ``gray``: ``gaussian`` on 8-bit luma, ``0.299 R + 0.587 G + 0.114 B`` rounded, as image
  libraries convert.
- ``matlab-3d``: ``ssim_matlab`` of the frame interpolation papers, that of the UCF-101 and
  Vimeo-90K tables. One Gaussian window of 11x11x11 over rows, columns and *channels*, with the
  edges repeated. Not what MATLAB computes, in spite of its name.
"""


GAUSSIAN = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
GAUSSIAN /= GAUSSIAN.sum()

OVER_CHANNELS = np.array(
    [
        [GAUSSIAN[np.clip(np.arange(-5, 6) + at, 0, 2) == channel].sum() for at in range(3)]
        for channel in range(3)
    ]
)
"""What the window takes from each channel for each, with the outer channels repeated."""


class SsimWindow(NamedTuple):
    """Size of a variant's window, in pixels."""

    side: int
    margin: int
    """Pixels next to each edge without a value."""


def ssim_window(variant: SsimVariant) -> SsimWindow:
    """Tell the size of a variant's window.

    Raises:
        ConfigError: if there is no such variant.
    """
    match variant:
        case "gaussian" | "gray":
            return SsimWindow(11, 5)
        case "gaussian-uncropped" | "torchmetrics" | "matlab-3d":
            return SsimWindow(11, 0)
        case "uniform-7":
            return SsimWindow(7, 3)
    raise ConfigError(f"There is no SSIM {variant!r}. Ask for one of {get_args(SsimVariant)}.")


def ssim_map(
    real: ImageArray, made: ImageArray, variant: SsimVariant = "gaussian"
) -> Float64[np.ndarray, "inner_h inner_w"]:
    """Structural similarity around each pixel, averaged over channels, without the margin.

    Source: Wang et al. 2004, IEEE TIP 13(4), doi:10.1109/TIP.2003.819861, equation 13.

    Args:
        real: the known frame, no smaller than the window.
        made: the frame to judge, of the same size.
        variant: which SSIM.

    Raises:
        ConfigError: if there is no such variant, or OpenCV is not installed.
    """
    first, second = (
        _luma(frame) if variant == "gray" else frame.astype(np.float64) for frame in (real, made)
    )
    first_mean, second_mean = _local_mean(first, variant), _local_mean(second, variant)
    means = first_mean * second_mean
    squares = first_mean**2 + second_mean**2
    variances = _local_mean(first**2 + second**2, variant) - squares
    covariance = _local_mean(first * second, variant) - means
    if variant == "uniform-7":  # of a sample
        variances *= 49 / 48
        covariance *= 49 / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * means + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return reduce(similarity, "h w c -> h w", "mean")


def _local_mean(
    values: Float64[np.ndarray, "h w c"], variant: SsimVariant
) -> Float64[np.ndarray, "inner_h inner_w c"]:
    """Weighted mean of the window around each pixel outside the margin."""
    side, margin = ssim_window(variant)
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            "SSIM needs OpenCV, which is not installed. Run: pip install 'filmgrid[eval]'"
        ) from error
    height, width, channels = values.shape
    if variant == "uniform-7":
        means: Any = cv2.blur(values, (side, side))
    else:
        edges = {"torchmetrics": cv2.BORDER_REFLECT_101, "matlab-3d": cv2.BORDER_REPLICATE}
        border = edges.get(variant, cv2.BORDER_REFLECT)
        means = cv2.sepFilter2D(values, -1, GAUSSIAN, GAUSSIAN, borderType=border)
    inner = means.reshape(height, width, channels)[
        margin : height - margin, margin : width - margin
    ]
    return inner @ OVER_CHANNELS if variant == "matlab-3d" else inner


def _luma(frame: ImageArray) -> Float64[np.ndarray, "h w 1"]:
    return np.round(frame @ np.array([[0.299], [0.587], [0.114]]))
