"""The variants of SSIM that papers and packages call by one name.

They differ in the second digit on one and the same clip (0.713 to 0.763 on the one that the tests
use), so a number without its variant cannot be compared with anything. Free of torch.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
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

    Source: Wang et al. 2004, IEEE TIP 13(4), doi:10.1109/TIP.2003.819861.

    Args:
        real: the known frame, no smaller than the window.
        made: the frame to judge, of the same size.
        variant: which SSIM.

    Raises:
        ConfigError: if there is no such variant, or scikit-image is not installed.
    """
    side, margin = ssim_window(variant)
    if variant == "torchmetrics":
        return _gaussian_map(real, made, "mirror", channel_axis=-1)
    if variant == "matlab-3d":
        return _gaussian_map(real, made, "nearest", channel_axis=None)
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise _without_scikit_image() from error
    if variant == "gray":
        real, made = _luma(real), _luma(made)
    is_gaussian = variant != "uniform-7"
    similarity: np.ndarray = structural_similarity(
        real,
        made,
        win_size=side,
        gaussian_weights=is_gaussian,
        use_sample_covariance=not is_gaussian,
        data_range=255,
        channel_axis=-1,
        full=True,
    )[1]
    height, width = real.shape[:2]
    inner = similarity[margin : height - margin, margin : width - margin]
    return inner.mean(axis=-1)


def _gaussian_map(
    real: ImageArray, made: ImageArray, edges: str, channel_axis: int | None
) -> Float64[np.ndarray, "h w"]:
    """Compare Gaussian-weighted moments (the paper's eq. 13); without channel axis, in 3-D."""
    try:
        from skimage.filters import gaussian
    except ImportError as error:
        raise _without_scikit_image() from error

    def local_mean(values: Float64[np.ndarray, "h w c"]) -> Float64[np.ndarray, "h w c"]:
        return gaussian(
            values,
            sigma=1.5,
            truncate=3.5,  # 5 px to each side
            mode=edges,
            channel_axis=channel_axis,
            preserve_range=True,
        )

    first, second = real.astype(np.float64), made.astype(np.float64)
    first_mean, second_mean = local_mean(first), local_mean(second)
    means = first_mean * second_mean
    squares = first_mean**2 + second_mean**2
    variances = local_mean(first**2 + second**2) - squares
    covariance = local_mean(first * second) - means
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * means + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return similarity.mean(axis=-1)


def _luma(frame: ImageArray) -> Float64[np.ndarray, "h w 1"]:
    return np.round(frame @ np.array([[0.299], [0.587], [0.114]]))


def _without_scikit_image() -> ConfigError:
    return ConfigError(
        "SSIM needs scikit-image, which is not installed. Run: pip install 'filmgrid[eval]'"
    )
