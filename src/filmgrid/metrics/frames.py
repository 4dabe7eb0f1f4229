"""How close frames are to known ones: PSNR and SSIM, everywhere or where something moves.

Free of torch. Both compare pixel with pixel: they reward a blurred average over a sharp frame
that moved by two pixels, so look at the frames as well. Kept frames, which should be the known
ones themselves, are looked at apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.similarity import SsimVariant, ssim_map, ssim_window
from filmgrid.types import FrameArray

PixelMask = Bool[np.ndarray, "n h w"]
"""Pixels that count: True where a score looks."""


@dataclass(frozen=True, slots=True)
class KeptExactness:
    """Whether frames that were to be kept came back as they were."""

    equal_share: float
    """Share of kept frames that are the given ones bit for bit, 0 to 1."""
    largest_difference: int
    """Of any channel of any pixel of a kept frame, in levels of 255; 0 if all are equal."""


def kept_exactness(real: FrameArray, made: FrameArray, kept: Sequence[int]) -> KeptExactness:
    """Compare the frames that were to be kept with those that were given.

    In memory and in lossless files they are equal; after mp4 they differ by what the codec takes.
    It says nothing about the other frames, nor whether they fit.

    Args:
        real: the frames that were given.
        made: the sequence that was made around them.
        kept: numbers of the kept frames, 0 first.

    Raises:
        ShapeError: if the sizes differ.
        ConfigError: if nothing is kept, or there is no such frame.
    """
    _check_sizes(real, made, None)
    numbers = list(kept)
    if not numbers:
        raise ConfigError("No frame is kept, so there is nothing to compare. Name at least one.")
    missing = [number for number in numbers if not 0 <= number < len(real)]
    if missing:
        raise ConfigError(
            f"There is no frame {missing[0]} to keep: these {len(real)} frames are counted from 0 "
            f"to {len(real) - 1}."
        )
    apart = np.abs(real[numbers].astype(np.int16) - made[numbers])
    return KeptExactness(
        equal_share=float((~apart.any(axis=(1, 2, 3))).mean()),
        largest_difference=int(apart.max()),
    )


def psnr(real: FrameArray, made: FrameArray, mask: PixelMask | None = None) -> float:
    """Peak signal-to-noise ratio in decibels: ``10 log10(255**2 / mean squared error)``.

    Computed per frame and averaged, as frame interpolation is usually scored. One frame that is
    equal to the real one makes the average infinite: leave kept frames out.

    Args:
        real: the known frames.
        made: the frames to judge.
        mask: pixels that count, all by default; frames without any are left out.

    Returns:
        Higher is closer.

    Raises:
        ShapeError: if the sizes differ.
        ConfigError: if the mask leaves no pixel.
    """
    _check_sizes(real, made, mask)
    squared = np.square(real.astype(np.float32) - made).mean(axis=-1)
    error = _mean_per_frame(squared, mask)
    if not error.all():
        return float("inf")
    return float(np.mean(10 * np.log10(255**2 / error)))


def ssim(
    real: FrameArray,
    made: FrameArray,
    mask: PixelMask | None = None,
    variant: SsimVariant = "gaussian",
) -> float:
    """Structural similarity, averaged over the channels and pixels of each frame, then over frames.

    Source: Wang et al. 2004, IEEE TIP 13(4), doi:10.1109/TIP.2003.819861.

    Args:
        real: the known frames.
        made: the frames to judge.
        mask: pixels that count, all by default; frames without any are left out. The window
            still sees the neighbours of these pixels.
        variant: which SSIM, see :data:`filmgrid.metrics.similarity.SsimVariant`; the original
            paper's by default. Compare like with like, and name it beside the number.

    Returns:
        At most 1, which equal frames have.

    Raises:
        ShapeError: if the sizes differ, or frames are smaller than the window.
        ConfigError: if the mask leaves no pixel, there is no such variant, or OpenCV is not
            installed.
    """
    _check_sizes(real, made, mask)
    side, margin = ssim_window(variant)
    height, width = real.shape[1:3]
    if min(height, width) < side:
        raise ShapeError(
            f"Frames of {height}x{width} px are smaller than the {side}x{side} px window of SSIM. "
            f"Use frames of at least {side}x{side} px, or PSNR alone."
        )
    similarity = [ssim_map(*pair, variant) for pair in zip(real, made, strict=True)]
    inner = np.s_[:, margin : height - margin, margin : width - margin]
    inner_mask = None if mask is None else mask[inner]
    if inner_mask is not None and not inner_mask.any():
        raise ConfigError(
            f"The mask leaves no pixel further than {margin} px from the edge, where this SSIM is "
            "defined. Lower its threshold, or use PSNR alone."
        )
    return float(np.mean(_mean_per_frame(np.stack(similarity), inner_mask)))


def moving_pixels(real: FrameArray, threshold: int = 16) -> PixelMask:
    """Find the pixels that change from or to a neighbouring frame.

    On clips with a still background a copied frame scores well over all pixels; over these it
    does not. Compression noise above the threshold counts as motion, and the inside of an evenly
    coloured moving thing does not.

    Args:
        real: the known frames, at least two.
        threshold: levels of 255 by which some colour channel must change to count.

    Raises:
        ShapeError: if there is only one frame.
        ConfigError: if the threshold is not from 0 to 254.
    """
    if len(real) < 2:
        raise ShapeError("One frame does not show what moves. Give at least two.")
    if not 0 <= threshold <= 254:
        raise ConfigError(f"A threshold of {threshold} levels is not from 0 to 254; 16 is usual.")
    signed = real.astype(np.int16)
    changed = (np.abs(np.diff(signed, axis=0)) > threshold).any(axis=-1)
    moving = np.zeros(real.shape[:3], dtype=bool)
    moving[:-1] |= changed
    moving[1:] |= changed
    return moving


def _mean_per_frame(
    values: Float[np.ndarray, "n h w"], mask: PixelMask | None
) -> Float64[np.ndarray, " scored"]:
    """Average each frame over its pixels that count, leaving out frames without any."""
    if mask is None:
        return values.mean(axis=(1, 2), dtype=np.float64)
    counts = mask.sum(axis=(1, 2))
    totals = np.where(mask, values, 0).sum(axis=(1, 2), dtype=np.float64)
    return totals[counts > 0] / counts[counts > 0]


def _check_sizes(real: FrameArray, made: FrameArray, mask: PixelMask | None) -> None:
    if real.shape != made.shape:
        raise ShapeError(
            f"Frames of {_size(real)} cannot be compared with frames of {_size(made)}. "
            "Give the same number of frames of the same size."
        )
    if mask is not None and mask.shape != real.shape[:3]:
        raise ShapeError(f"A mask of {_size(mask)} does not fit frames of {_size(real)}.")
    if real.size == 0 or (mask is not None and not mask.any()):
        raise ConfigError(
            "There is no pixel to compare. Give at least one frame, and a mask that is not empty."
        )


def _size(frames: np.ndarray) -> str:
    return "x".join(str(side) for side in frames.shape[:3])
