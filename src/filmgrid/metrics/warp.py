"""Whether things keep their colours while they move: the flow warp error. Free of torch.

For flow from anywhere: :mod:`filmgrid.metrics.flow` estimates it without a download, and networks
such as RAFT give it better. Compare only numbers whose flow has one source.
"""

from dataclasses import dataclass

import numpy as np
from einops import reduce
from jaxtyping import Bool, Float, Float32

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.types import FrameArray

Flow = Float[np.ndarray, "steps h w 2"]
"""Where each pixel goes: to the right and downwards, in pixels."""


@dataclass(frozen=True, slots=True)
class WarpError:
    """How much of the change from frame to frame is left when motion is followed."""

    error: float
    """Mean squared difference along the flow, channels in [0, 1]: 0 to 1, lower is steadier."""
    unwarped: float
    """The same over the same pixels without following the flow."""
    seen_share: float
    """Share of pixels that were judged, 0 to 1; the rest counts as hidden or uncovered."""

    @property
    def ratio(self) -> float:
        """``error / unwarped``: about 0 if all change is motion, 1 if the flow explains nothing.

        Sees flicker and noise, and freezing does not help: a sequence without any change has 1.
        Large motion that flow can follow lowers it, so it does not see shuffled frames.
        """
        return self.error / self.unwarped if self.unwarped > 0 else 1.0


def warp_error(frames: FrameArray, forward: Flow, backward: Flow) -> WarpError:
    """Fetch each pixel of a frame from where it went in the next one, and compare its colour.

    ``mean((frame[i] - frame[i + 1] at forward[i])**2)`` over channels and the pixels that are not
    occluded, then over steps, which weigh the same. Sees flicker, boiling texture, popping and
    changing colours on what moves as flow can follow.

    Rewards freezing, slowness and blur: a still picture has an error of 0. Read ``ratio`` beside
    it. Where flow finds no way (shuffled frames, fast motion), pixels count as occluded and leave
    the mean, so a low ``seen_share`` is a warning of its own.

    Source: Lai et al. 2018, arXiv:1808.00449, section 4.2, per channel as in its release. The
    release gives 0 to a step that is occluded everywhere; here it counts with its unwarped error.

    Args:
        frames: at least two frames.
        forward: item i leads from frame i to frame i + 1.
        backward: item i leads from frame i + 1 back to frame i.

    Raises:
        ShapeError: if there is one frame, or the flow does not fit.
        ConfigError: if flow is NaN or infinite.
    """
    if len(frames) < 2:
        raise ShapeError(f"{len(frames)} frames have no step to follow. Give at least two.")
    expected = (len(frames) - 1, *frames.shape[1:3], 2)
    for name, flow in (("forward", forward), ("backward", backward)):
        if flow.shape != expected:
            raise ShapeError(
                f"The {name} flow has shape {flow.shape}, and these frames need {expected}: one "
                "field less than frames, of their size."
            )
        if not np.isfinite(flow).all():
            raise ConfigError(f"The {name} flow has NaN or infinite motion. Mend its estimator.")
    steps = [
        _step_errors(frames[i], frames[i + 1], forward[i], backward[i]) for i in range(len(forward))
    ]
    error, unwarped, seen = np.mean(steps, axis=0)
    return WarpError(float(error), float(unwarped), float(seen))


def occluded(
    forward: Float[np.ndarray, "h w 2"], backward: Float[np.ndarray, "h w 2"]
) -> Bool[np.ndarray, "h w"]:
    """Find the pixels of a frame whose motion to the next frame cannot be trusted.

    With ``w`` the forward flow and ``b`` the backward flow where it leads, those where
    ``|w + b|**2 > 0.01 (|w|**2 + |b|**2) + 0.5``; those at a boundary of motion,
    ``|grad u|**2 + |grad v|**2 > 0.01 |w|**2 + 0.002``; and those that leave the picture.

    Source: Ruder et al. 2016, arXiv:1604.08610, equations 5 and 6, after Sundaram et al. 2010,
    with steps to the next pixel as gradients. The last rule is ours.

    Args:
        forward: motion from this frame to the next, in pixels.
        backward: motion from the next frame to this one.
    """
    height, width = forward.shape[:2]
    back = _sample(backward, forward)
    square = _square(forward)
    inconsistent = _square(forward + back) > 0.01 * (square + _square(back)) + 0.5
    across = np.diff(forward, axis=1, append=forward[:, -1:])
    along = np.diff(forward, axis=0, append=forward[-1:])
    boundary = _square(across) + _square(along) > 0.01 * square + 0.002
    right, down = _targets(forward)
    outside = (right < 0) | (right > width - 1) | (down < 0) | (down > height - 1)
    return inconsistent | boundary | outside


def _step_errors(
    frame: np.ndarray, following: np.ndarray, forward: np.ndarray, backward: np.ndarray
) -> tuple[float, float, float]:
    """Error along the flow, without it, and share of pixels seen."""
    here, there = frame.astype(np.float32) / 255, following.astype(np.float32) / 255
    unwarped = reduce((here - there) ** 2, "h w c -> h w", "mean")
    seen = ~occluded(forward, backward)
    if not seen.any():
        return float(unwarped.mean()), float(unwarped.mean()), 0.0
    warped = reduce((here - _sample(there, forward)) ** 2, "h w c -> h w", "mean")
    return float(warped[seen].mean()), float(unwarped[seen].mean()), float(seen.mean())


def _sample(
    values: Float[np.ndarray, "h w c"], flow: Float[np.ndarray, "h w 2"]
) -> Float32[np.ndarray, "h w c"]:
    """Values where the flow leads, between pixels linearly, beyond the edge those of the edge."""
    height, width, channels = values.shape
    pixels = values.reshape(-1, channels)
    right, down = _targets(flow)
    right, down = np.clip(right, 0, width - 1), np.clip(down, 0, height - 1)
    col, row = right.astype(np.intp), down.astype(np.intp)
    x, y = (right - col)[..., None], (down - row)[..., None]
    here = row * width + col
    to_right, below = (col < width - 1) * 1, (row < height - 1) * width
    upper = pixels.take(here, axis=0) * (1 - x) + pixels.take(here + to_right, axis=0) * x
    here = here + below
    lower = pixels.take(here, axis=0) * (1 - x) + pixels.take(here + to_right, axis=0) * x
    return (upper * (1 - y) + lower * y).astype(np.float32)


def _targets(flow: Float[np.ndarray, "h w 2"]) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows that the flow leads to."""
    height, width = flow.shape[:2]
    exact = np.result_type(flow, np.float32)
    cols, rows = np.arange(width, dtype=exact), np.arange(height, dtype=exact)
    return cols + flow[..., 0], rows[:, None] + flow[..., 1]


def _square(flow: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w"]:
    return flow[..., 0] ** 2 + flow[..., 1] ** 2
