"""offline-colour: which colours a clip has, and how they drift. No weights, no torch.

Colours are taken to OKLab (Ottosson 2020), where distances are about as large as they look.

::

    27  mean, spread and skew of L, a, b per frame -> mean over frames, spread over frames, trend
    40  histograms of L (16 bins), a (12), b (12), square roots of shares

Scaled once and for all, never to the data: L counts from 0 to 1, a and b times 2.5 (sRGB stays
within -1 and 1), spreads over frames times 4.

Sees brightness, contrast, casts, noise in flat colours, flicker, fading, drift. Blind to where
colours are and what they show: blur and scrambled pixels hardly count. Shuffled and reversed
frames count through the trend alone.
"""

import numpy as np
from jaxtyping import Float32

from filmgrid.evaluation.bins import hellinger, soft_histogram
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Statement
from filmgrid.metrics.colour import oklab
from filmgrid.types import FrameArray

CHROMA = 2.5
FLICKER = 4.0
BINS = (16, 12, 12)
DIM = 27 + sum(BINS)
PIXELS_AT_ONCE = 1 << 18


class ColourFeatures(Extractor):
    """67 numbers per clip of any size.

    Args:
        frames: which frames are looked at, all by default.
    """

    def __init__(self, frames: FrameChoice | None = None):
        super().__init__(
            Statement(
                name="offline-colour",
                preprocessing=Preprocessing(frames=frames or FrameChoice()),
                layer="OKLab moments and histograms",
                dim=DIM,
            )
        )

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Moments and histograms of each clip."""
        return np.stack([_colours(clip) for clip in clips])


def _colours(clip: FrameArray) -> Float32[np.ndarray, " dim"]:
    at_once = max(1, PIXELS_AT_ONCE // (clip.shape[1] * clip.shape[2]))
    moments: list[np.ndarray] = []
    counts = [np.zeros(bins) for bins in BINS]
    for first in range(0, len(clip), at_once):
        lab = oklab(clip[first : first + at_once])
        lab[..., 1:] *= CHROMA
        flat = np.moveaxis(lab, -1, 1).reshape(len(lab), 3, -1)
        moments.append(_moments(flat))
        for channel, bins in enumerate(BINS):
            low, high = (0, 1) if channel == 0 else (-1, 1)
            place = (flat[:, channel] - low) * ((bins - 1) / (high - low))
            counts[channel] += soft_histogram(place, bins)[0]
    each = np.concatenate(moments).reshape(len(clip), -1)
    over_time = (each.mean(axis=0), FLICKER * each.std(axis=0), _trend(each))
    return np.concatenate([*over_time, *map(hellinger, counts)]).astype(np.float32)


def _moments(flat: Float32[np.ndarray, "n 3 pixels"]) -> np.ndarray:
    """Mean, standard deviation and cube root of the third moment, per frame and channel."""
    mean = flat.mean(axis=-1, keepdims=True)
    apart = flat - mean
    square = apart * apart
    spread = np.sqrt(square.mean(axis=-1))
    skew = np.cbrt(np.einsum("ncp,ncp->nc", square, apart) / flat.shape[-1])
    return np.stack([mean[..., 0], spread, skew], axis=1)


def _trend(each: np.ndarray) -> np.ndarray:
    """Change from the first to the last frame along the straight line that fits best."""
    if len(each) < 2:
        return np.zeros(each.shape[1])
    time = np.linspace(-0.5, 0.5, len(each))
    return time @ each / (time @ time)
