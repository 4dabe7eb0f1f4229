"""Where pixels go from frame to frame, estimated without weights or downloads. Free of torch."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.types import FrameArray

LEAST_SIDE = 12
"""Shortest side of frames that DIS can follow, in pixels."""

GRAY = np.array([0.299, 0.587, 0.114], np.float32)
"""Brightness of red, green and blue, Rec. 601."""


def dis_flow(
    frames: FrameArray,
) -> tuple[Float32[np.ndarray, "steps h w 2"], Float32[np.ndarray, "steps h w 2"]]:
    """Estimate the flow forward and backward through a sequence, by dense inverse search.

    On 8-bit brightness, at full resolution down to single pixels. Textured pictures of 64x64 px
    that move as a whole by up to 10 px are followed to about 0.01 px. Flat areas are filled from
    their surroundings; small things that move by more than their size are lost. The result does
    not depend on the number of threads.

    Source: Kroeger et al. 2016, arXiv:1603.03590, as in OpenCV, its medium preset with the finest
    scale 0.

    Args:
        frames: at least two frames of at least 12x12 px.

    Returns:
        Forward flow, whose item i leads from frame i to i + 1, and backward flow, whose item i
        leads from frame i + 1 to i: pixels to the right and downwards.

    Raises:
        ShapeError: if there is one frame, or frames are smaller than 12x12 px.
        ConfigError: if OpenCV is not installed.
    """
    if len(frames) < 2:
        raise ShapeError(f"{len(frames)} frames have no step to follow. Give at least two.")
    if min(frames.shape[1:3]) < LEAST_SIDE:
        raise ShapeError(
            f"Frames of {frames.shape[1]}x{frames.shape[2]} px are too small for flow. Use frames "
            f"of at least {LEAST_SIDE}x{LEAST_SIDE} px."
        )
    estimator = _estimator()
    gray = np.round(frames @ GRAY).astype(np.uint8)
    forward = [estimator.calc(*gray[i : i + 2], None) for i in range(len(gray) - 1)]
    backward = [estimator.calc(gray[i + 1], gray[i], None) for i in range(len(gray) - 1)]
    return np.stack(forward), np.stack(backward)


def _estimator() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            "Flow needs OpenCV, which is not installed. Run: pip install 'filmgrid[eval]'"
        ) from error
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)
    return estimator
