"""Whether a made sequence is fit to be shown, with nothing to compare it to. Free of torch.

These numbers find sequences that are broken (frozen, jumbled, noise); they cannot say whether
a whole sequence shows what the prompt asked for, or looks real.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from einops import rearrange

from filmgrid.errors import ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray, ImageArray

CHANGED_SHARE = 1e-3
"""Share of the pixels that may change before two frames count as different."""

STRIPES = 3
"""Widest stripe at the border that is looked for, in pixels."""

STEPS_INSIDE = 5
"""Steps further in that the step at a stripe is held against."""

STILL_SCORE = 0.55
"""What a frozen step is worth where steady motion is worth 1 and a jumble 0.5."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of one sequence; each number is explained by the function of its name."""

    order_score: float
    """Below 1 for ordered frames, about 1 for shuffled ones."""
    frozen_share: float
    """Share of steps without change, 0 to 1."""
    grain: float
    """Share of each picture that is noise from pixel to pixel: about 0 to 1."""
    loop_closure: float
    """Size of the step from last to first frame beside a usual step."""
    seam_energy: float | None
    """Levels of 255 by which borders of cells stand out; None without a layout."""

    @property
    def score(self) -> float:
        """One number for ranking candidates of one request, 0 to 1, higher is better.

        ``(1 - grain) * ((1 - frozen_share) * (1 - order_score / 2) + 0.55 * frozen_share)``:
        clean motion in order ranks above a still picture, that above a jumble (about 0.5), and
        that above noise (about 0). Seams and loop closure depend too much on the content to take
        part.

        It cannot see meaning: a smooth wobble of nothing in particular scores well, and between
        two good candidates the slower and blurrier one tends to win. Scores of different prompts
        are not comparable.
        """
        order = 1 - min(self.order_score, 2.0) / 2
        motion = (1 - self.frozen_share) * order + self.frozen_share * STILL_SCORE
        return (1 - min(self.grain, 1.0)) * motion


def measure_health(frames: FrameArray, layout: Layout | None = None) -> HealthReport:
    """Measure everything about one sequence.

    Args:
        frames: at least one frame.
        layout: the grid that the frames were made in, one cell per frame, to look for seams.

    Raises:
        ShapeError: if there is no frame, or the frames do not fill the layout.
    """
    if frames.size == 0:
        raise ShapeError("A sequence without pixels has no health. Give at least one frame.")
    return HealthReport(
        order_score=order_score(frames),
        frozen_share=frozen_share(frames),
        grain=grain(frames),
        loop_closure=loop_closure(frames),
        seam_energy=None if layout is None else seam_energy(frames, layout),
    )


def order_score(frames: FrameArray) -> float:
    """Compare the frame deltas with those of the same frames in random order.

    Mean squared frame delta, divided by its mean over all permutations of the frames. That mean
    needs no shuffling: it is twice the variance over time, which makes this half the ratio of
    von Neumann (1941), doi:10.1214/aoms/1177731677.

    Cannot see the direction of time, and takes a thing that jumps by more than its own size from
    frame to frame for disorder. Frozen, two or fewer frames have no order to find: 1.

    Returns:
        Near 0 for slow steady change, about 1 for shuffled frames, up to 2 for flicker.
    """
    if len(frames) < 3:
        return 1.0
    neighbours = np.mean([_mean_square(step) for step in _deltas(frames)])
    mean = frames.mean(axis=0, dtype=np.float64)
    spread = np.mean([_mean_square(frame - mean) for frame in frames])
    expected = 2 * spread * len(frames) / (len(frames) - 1)
    return 1.0 if expected == 0 else float(neighbours / expected)


def frozen_share(frames: FrameArray, tolerance: int = 8) -> float:
    """Share of consecutive frames that are the same, or nearly.

    A step is frozen if at most 1 pixel in 1000 changes by more than ``tolerance`` levels, so that
    faint noise does not pass for motion. Motion smaller or fainter than that is missed too.

    Args:
        frames: a sequence; a single frame counts as frozen.
        tolerance: levels of 255.

    Returns:
        0 if every step changes something, 1 if none does.
    """
    if len(frames) < 2:
        return 1.0
    return float(np.mean([nearly_equal(*pair, tolerance) for pair in pairwise(frames)]))


def nearly_equal(one: ImageArray, other: ImageArray, tolerance: int = 8) -> bool:
    """Whether at most 1 pixel in 1000 differs by more than the tolerance in some channel.

    Args:
        one: a frame.
        other: a frame of the same size.
        tolerance: levels of 255.
    """
    apart = np.abs(one.astype(np.int16) - other)
    return bool((apart > tolerance).any(axis=-1).mean() <= CHANGED_SHARE)


def grain(frames: FrameArray) -> float:
    """How much of the contrast inside frames is noise from one pixel to the next.

    Mean squared step between neighbouring pixels over twice the variance within the frame: the
    ratio of :func:`order_score` in space. Real texture such as grass or rain is grain as well,
    so compare it between candidates only. A frame of one colour has none.

    Returns:
        Below 0.1 for smooth pictures, about 1 for white noise.
    """
    steps, spread = 0.0, 0.0
    for frame in frames:
        pixels = frame.astype(np.float32)
        along = [np.diff(pixels, axis=axis) for axis in (0, 1)]
        steps += float(np.mean([_mean_square(step) for step in along if step.size] or [0.0]))
        spread += _mean_square(pixels - pixels.mean(axis=(0, 1), dtype=np.float64))
    return 0.0 if spread == 0 else steps / (2 * spread)


def loop_closure(frames: FrameArray) -> float:
    """Size of the step from the last frame back to the first, beside a usual step.

    Root mean squared delta of that step over the mean of the others'. About 1 if the sequence
    can be played as a loop without a jump, as a full turntable should; below 1 if the last frame
    repeats the first. A sequence that stands still closes: 1.
    """
    steps = [float(np.sqrt(_mean_square(step))) for step in _deltas(frames)]
    usual = float(np.mean(steps)) if steps else 0.0
    closing = float(np.sqrt(_mean_square(frames[0].astype(np.int16) - frames[-1])))
    return 1.0 if usual == 0 else closing / usual


def seam_energy(frames: FrameArray, layout: Layout) -> float:
    """How much steeper the grid is across borders of cells than inside them.

    Mean absolute step between the pixels on both sides of a border, minus the mean absolute step
    between neighbouring pixels inside cells, in levels of 255, gaps ignored.

    A fact about the grid, not a fault by itself: a real clip whose left and right edges differ
    has strong borders, and cells that bleed into each other have weak ones. Compare it with the
    training grids, or between candidates. Bleeding further than one pixel is not seen.

    Args:
        frames: one frame per cell, in reading order.
        layout: the grid that the frames were made in.

    Returns:
        About 0 where nothing marks the borders; 0 for a single cell.

    Raises:
        ShapeError: if there is not one frame per cell.
    """
    if len(frames) != layout.num_cells:
        raise ShapeError(
            f"{len(frames)} frames do not fill a {layout} grid of {layout.num_cells} cells."
        )
    cells = frames.astype(np.int16).reshape(layout.rows, layout.cols, *frames.shape[1:])
    across = [
        np.abs(cells[:, 1:, :, 0] - cells[:, :-1, :, -1]),
        np.abs(cells[1:, :, 0] - cells[:-1, :, -1]),
    ]
    inside = [np.abs(np.diff(cells, axis=axis)) for axis in (2, 3)]
    if not sum(step.size for step in across):
        return 0.0
    return _mean_of_all(across) - _mean_of_all(inside)


def border_stripes(frames: FrameArray) -> float:
    """How much the outermost pixels of the frames look as if they belonged to other frames.

    When a grid is cut 1 to 3 px beside its borders, each frame shows a stripe of its neighbour.
    Where that stripe ends, colours jump along the whole side, at one place in all frames. So the
    share of pixels along a side is taken at which the step to the next pixel inwards is larger
    than each of the 5 steps after it: the largest such share over the four sides and stripes of
    1, 2 and 3 px.

    :func:`seam_energy` sees such a cut only as weaker borders, which pass for better ones. This
    needs no layout and does not depend on contrast. Lines in the picture that lie along a side (a
    door frame, a horizon, black bars) look the same: compare with real clips. Neighbours that are
    alike at the border (a still wall on both sides) hide the cut.

    Args:
        frames: of at least 9x9 px.

    Returns:
        1/6 by chance, about 1/4 for most real clips, towards 1 for frames that were cut wrongly.

    Raises:
        ShapeError: if there is no frame, or frames are smaller.
    """
    least = STRIPES + STEPS_INSIDE + 1
    if len(frames) == 0 or min(frames.shape[1:3]) < least:
        raise ShapeError(
            f"Frames of shape {frames.shape} have no inside to compare their borders with. Give at "
            f"least one frame of {least}x{least} px or more."
        )
    turned = rearrange(frames, "n h w c -> n w h c")
    return max(
        float((steps[:, stripe - 1] > steps[:, stripe : stripe + STEPS_INSIDE].max(axis=1)).mean())
        for side in (frames, frames[:, ::-1], turned, turned[:, ::-1])
        for steps in [np.abs(np.diff(side[:, :least].astype(np.int16), axis=1)).sum(axis=-1)]
        for stripe in range(1, STRIPES + 1)
    )


def _deltas(frames: FrameArray) -> list[np.ndarray]:
    """Frame deltas in levels, signed."""
    return [frames[i + 1].astype(np.int16) - frames[i] for i in range(len(frames) - 1)]


def _mean_square(values: np.ndarray) -> float:
    return float(np.mean(np.square(values, dtype=np.float64)))


def _mean_of_all(parts: list[np.ndarray]) -> float:
    total = sum(part.sum(dtype=np.float64) for part in parts)
    return float(total) / max(1, sum(part.size for part in parts))
