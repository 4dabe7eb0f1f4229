"""Which grid a picture shows, found without being told. Free of torch."""

import numpy as np
from jaxtyping import Float64

from filmgrid.errors import ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import ImageArray

MOST = 8
"""Rows or columns that are looked for."""
LEAST_CELL = 8
"""Shortest side of a cell, in pixels."""
REPEATS = 0.2
"""Score from which a picture counts as divided."""
TIE = 0.05
"""Scores that count as equal: where 6 cells are the same, so are 2 and 3 parts of them."""
SEAMS = 0.8
"""What lines that all stand out are worth, where a perfect repetition is worth up to 2."""
PER_LINE = 0.03
"""What each of them adds: the two halves of 4 cells have a line between them as well."""
AROUND = 8
"""Steps on each side of a line that it is held against."""


def find_layout(picture: ImageArray) -> Layout:
    """Find the rows and columns of a grid of alike frames.

    Along each side, every number of cells from 2 to 8 is tried. It scores by how much more alike
    the picture is with itself when it is moved by whole cells than by half a cell and whole ones
    (autocorrelation, so that 2 or 8 do not pass for 4), and by whether a line stands out at every
    border. Below 0.2 there is one cell.

    Right for 89 of 90 grids of turntables, for those of 13 of 16 real clips, and for 10 of 16
    single pictures. Blind where cells have little in common and no borders, such as one small
    thing that moves over plain ground, and misled by patterns that repeat inside a cell.

    Args:
        picture: a grid without gaps, or any picture.

    Raises:
        ShapeError: if it is smaller than two cells of 8 px along some side.
    """
    if min(picture.shape[:2]) < 2 * LEAST_CELL:
        raise ShapeError(
            f"A picture of {picture.shape[0]}x{picture.shape[1]} px is too small to hold cells of "
            f"{LEAST_CELL} px. Use one of at least {2 * LEAST_CELL}x{2 * LEAST_CELL} px."
        )
    lightness = picture.astype(np.float64)
    return Layout(_divisions(lightness), _divisions(lightness.swapaxes(0, 1)))


def _divisions(picture: Float64[np.ndarray, "y x c"]) -> int:
    """How many cells stand along the first axis."""
    alike = _autocorrelation(picture.reshape(len(picture), -1))
    steps = np.abs(np.diff(picture, axis=0)).mean(axis=(1, 2))
    most = min(MOST, len(picture) // LEAST_CELL)
    scores = {count: _score(count, alike, steps) for count in range(2, most + 1)}
    best = max(scores.values())
    return max(count for count in scores if scores[count] > best - TIE) if best >= REPEATS else 1


def _score(
    count: int, alike: Float64[np.ndarray, " shifts"], steps: Float64[np.ndarray, " lines"]
) -> float:
    cell = (len(steps) + 1) / count
    whole = np.arange(1, count // 2 + 1) * cell
    repeated = alike[_rounded(whole)].mean() - alike[_rounded(whole - cell / 2)].mean()
    lines = _rounded(_lines(count, cell))
    worth = SEAMS + PER_LINE * len(lines)
    return float(repeated + worth * all(_stands_out(steps, at) for at in lines))


def _lines(count: int, cell: float) -> Float64[np.ndarray, " lines"]:
    """Where the borders between cells are, as numbers of steps."""
    return np.arange(1, count) * cell - 1


def _stands_out(steps: Float64[np.ndarray, " lines"], at: int) -> bool:
    """Whether the step at a line, give or take a pixel, is larger than all around it."""
    around = np.concatenate([steps[max(0, at - AROUND) : at - 1], steps[at + 2 : at + AROUND + 1]])
    return bool(steps[at - 1 : at + 2].max() > around.max() + 1)


def _rounded(at: Float64[np.ndarray, " n"]) -> np.ndarray:
    return np.round(at).astype(int)


def _autocorrelation(rows: Float64[np.ndarray, "n values"]) -> Float64[np.ndarray, " shifts"]:
    """Correlation of a picture with itself, moved by 0 to half its rows."""
    count = len(rows)
    rows = rows - rows.mean()
    power = np.square(np.abs(np.fft.rfft(rows, 2 * count, axis=0))).sum(axis=1)
    products = np.fft.irfft(power, 2 * count)[: count // 2 + 2]
    energy = np.concatenate([[0], np.square(rows).sum(axis=1).cumsum()])
    shifts = np.arange(len(products))
    parts = energy[count - shifts] * (energy[-1] - energy[shifts])
    return products / np.sqrt(np.maximum(parts, 1e-9))
