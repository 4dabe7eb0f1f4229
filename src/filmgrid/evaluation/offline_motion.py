"""offline-motion: how a clip moves. No weights, no torch.

On the brightness of frames whose shorter side is brought to 64 to 127 px by a mean over squares:

::

     8  sizes of changes of pixels, in octaves
     8  sizes of whole steps from frame to frame, in octaves
     3  change over 1, 2, 3 frames, beside that of the frames in any order (1/2)
     8  spectrum over time, 8 equal bands from 0 to 1/2 cycle per frame
    27  directions of flow: 8 and still, in 8x8 px blocks at full, 1/2 and 1/4 size
    18  speeds of flow, 6 steps, at the same sizes
     3  whether flow goes on from step to step as it was (1), or turns about (-1)
     3  skew of the change over 1, 2, 3 frames                                    turns with time
     4  brightening, speeding up, growing, turning clockwise                      turns with time

Flow is that of Lucas and Kanade (1981), least squares per block, between neighbouring frames.
Histograms and spectrum are square roots of shares, each of length 1; all others lie in -1 to 1
by their own definition. Nothing is fitted to the data.

Sees frozen, repeated, dropped, shuffled and jittering frames, wrong speeds and directions, noise
and flicker. The direction of time shows in the directions of flow and in the last seven numbers,
which change their sign. In a set where every motion occurs as often as its reverse (pendulums,
ball games seen from both sides) they cancel: there reversal cannot be seen. The other numbers
never see it. Blind to what moves, and to motion of more than about 8 px of the 64 per frame.
"""

import numpy as np
from jaxtyping import Float32, Float64

from filmgrid.evaluation.bins import halve, hellinger, luma, soft_histogram
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement
from filmgrid.types import FrameArray

SIDE = 64
"""Shorter side after the mean over squares, at least, in pixels."""
LAGS = (1, 2, 3)
SCALES = (1, 2, 4)
BLOCK = 8
DIRECTIONS = 8
SPEEDS = 6
OCTAVES = 8
BANDS = 8
NOISE = 2 / 255
"""Contrast per pixel below which a block counts as flat, and steps as nothing."""
SLOW = 0.25
"""Pixels per frame that are as much still as moving."""
DIM = 2 * OCTAVES + 3 * len(LAGS) + BANDS + len(SCALES) * (DIRECTIONS + 1 + SPEEDS) + 4
SMALLEST_SIDE = 32
FEWEST_FRAMES = 4


class MotionFeatures(Extractor):
    """82 numbers per clip of at least 4 frames of 32x32 px.

    Args:
        frames: which frames are looked at, all by default.
    """

    def __init__(self, frames: FrameChoice | None = None):
        super().__init__(
            Statement(
                name="offline-motion",
                preprocessing=Preprocessing(
                    frames=(frames or FrameChoice()).needing(FEWEST_FRAMES),
                    resize=(Resize(mode="inside"),),
                ),
                layer="changes, spectrum, flow, asymmetry in time",
                dim=DIM,
                options={"shorter_side_at_least": SIDE},
            ),
            min_side=SMALLEST_SIDE,
        )

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Motion of each clip."""
        return np.stack([_motion(clip) for clip in clips])


def _motion(clip: FrameArray) -> Float32[np.ndarray, " dim"]:
    by = max(1, min(clip.shape[1:3]) // SIDE)
    bright = np.concatenate([halve(luma(clip[i : i + 1]), by) for i in range(len(clip))])
    steps = np.diff(bright, axis=0)
    sizes = np.sqrt(np.square(steps).mean(axis=(1, 2)))
    flows = [flow(halve(bright, scale)) for scale in SCALES]
    parts = [
        hellinger(soft_histogram(np.log2(1 + 255 * np.abs(steps)), OCTAVES)[0]),
        hellinger(soft_histogram(np.log2(1 + 255 * sizes), OCTAVES)[0]),
        _order(bright),
        _spectrum(bright),
        *(_directions(right, down) for right, down in flows),
        *(_speeds(right, down) for right, down in flows),
        [_steadiness(right, down) for right, down in flows],
        _skew(bright),
        [_balance(steps), _speeding_up(sizes), *_growing_and_turning(*flows[0])],
    ]
    return np.concatenate(parts).astype(np.float32)


def flow(
    bright: Float32[np.ndarray, "n h w"],
) -> tuple[Float64[np.ndarray, "steps r c"], Float64[np.ndarray, "steps r c"]]:
    """Motion to the right and downwards of each block at each step, in pixels per frame.

    Least squares of ``gradient . motion = -change``, gradients taken from the mean of both
    frames, so that reversed frames give exactly the reversed motion. Flat blocks stand still.
    """
    mean = (bright[1:] + bright[:-1]) / 2
    change = np.diff(bright, axis=0)[:, 1:-1, 1:-1]
    right = (mean[:, 1:-1, 2:] - mean[:, 1:-1, :-2]) / 2
    down = (mean[:, 2:, 1:-1] - mean[:, :-2, 1:-1]) / 2
    block = min(BLOCK, *right.shape[1:])

    def sums(values: np.ndarray) -> np.ndarray:
        return halve(values, block).astype(np.float64)

    xx, yy = sums(right * right) + NOISE**2, sums(down * down) + NOISE**2
    xy, xt, yt = sums(right * down), sums(right * change), sums(down * change)
    area = xx * yy - xy * xy
    return (xy * yt - yy * xt) / area, (xy * xt - xx * yt) / area


def _directions(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Share of each direction, and of standing still."""
    square = right * right + down * down
    moving = square / (square + SLOW**2)
    turn = np.arctan2(down, right) * (DIRECTIONS / (2 * np.pi))
    counts = soft_histogram(turn, DIRECTIONS, weight=moving, circular=True)[0]
    return hellinger(np.append(counts, (1 - moving).sum()))


def _speeds(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Share of 0, 1/4, 3/4, 7/4, 15/4, 31/4 and more pixels per frame."""
    return hellinger(soft_histogram(np.log2(1 + 4 * np.hypot(right, down)), SPEEDS)[0])


def _steadiness(right: np.ndarray, down: np.ndarray) -> float:
    """Agreement of the flow of neighbouring steps, -1 to 1; 0 if nothing moves."""
    product = (right[1:] * right[:-1] + down[1:] * down[:-1]).sum()
    square = right * right + down * down
    size = (square[1:].sum() + square[:-1].sum()) / 2
    return float(product / (size + right[1:].size * SLOW**2 / 16))


def _order(bright: np.ndarray) -> np.ndarray:
    """Mean squared change over each lag over its mean in any order, halved; still: 1/2."""
    apart = bright - bright.mean(axis=0)
    expected = 2 * np.square(apart).mean() * len(bright) / (len(bright) - 1)
    changes = [np.square(bright[lag:] - bright[:-lag]).mean() for lag in LAGS]
    return (np.array(changes) + NOISE**2) / (expected + NOISE**2) / 2


def _spectrum(bright: np.ndarray) -> np.ndarray:
    """Share of the power over time in each band, at 2 frequencies per band."""
    count = len(bright)
    window = np.hanning(count + 2)[1:-1]
    flat = (bright - bright.mean(axis=0)).reshape(count, -1) * window[:, None].astype(np.float32)
    cycles = (np.arange(2 * BANDS) + 0.5) / (4 * BANDS)
    angle = 2 * np.pi * cycles[:, None] * np.arange(count)
    waves = np.concatenate([np.cos(angle), np.sin(angle)]).astype(np.float32)
    power = np.square(waves @ flat).mean(axis=1, dtype=np.float64)
    bands = power.reshape(2, BANDS, 2).sum(axis=(0, 2))
    return np.sqrt(bands / (bands.sum() + NOISE**2))


def _skew(bright: np.ndarray) -> np.ndarray:
    """Third moment of the change over each lag over its second to 3/2, through tanh."""
    values: list[float] = []
    for lag in LAGS:
        change = bright[lag:] - bright[:-lag]
        square = change * change
        third = np.vdot(square, change) / change.size
        values.append(float(np.tanh(third / (square.mean() + NOISE**2) ** 1.5)))
    return np.array(values)


def _balance(steps: np.ndarray) -> float:
    """Whether pixels brighten (1) or darken (-1)."""
    return float(steps.mean() / (np.abs(steps).mean() + NOISE))


def _speeding_up(sizes: np.ndarray) -> float:
    """Correlation of the sizes of steps with time."""
    apart = sizes - sizes.mean()
    time = np.linspace(-1, 1, len(sizes))
    return float(time @ apart / np.sqrt(time @ time * (apart @ apart + NOISE**2)))


def _growing_and_turning(right: np.ndarray, down: np.ndarray) -> tuple[float, float]:
    """Correlation of the flow with that of growing, and of turning clockwise."""
    rows, cols = right.shape[1:]
    across = np.linspace(-1, 1, cols) if cols > 1 else np.zeros(1)
    along = (np.linspace(-1, 1, rows) if rows > 1 else np.zeros(1))[:, None]
    square = (right * right + down * down + SLOW**2 / 16).sum()
    size = np.sqrt(square * len(right) * (across**2 + along**2).sum()) + 1e-12
    growing = (right * across + down * along).sum() / size
    turning = (down * across - right * along).sum() / size
    return float(growing), float(turning)
