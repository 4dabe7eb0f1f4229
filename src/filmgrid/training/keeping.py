"""Which cells stay clean in training: the patterns that tasks ask for later. Free of torch."""

import numpy as np
from jaxtyping import Bool

from filmgrid.grid.spec import Layout

PATTERNS = ("first", "ends", "spaced", "rows", "random")


def draw_keep(
    layout: Layout, probability: float, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Draw the cells that are given clean; at least one is always left to predict.

    With ``probability`` one of five patterns, else none: the first cell (image to sequence), the
    first and the last (interpolation), every k-th (keyframes), leading rows (extension), or any
    cells with any density (redraw).
    """
    num_cells = layout.num_cells
    keep = np.zeros(num_cells, bool)
    if num_cells == 1 or rng.random() >= probability:
        return keep
    match PATTERNS[int(rng.integers(len(PATTERNS)))]:
        case "first":
            keep[0] = True
        case "ends":
            keep[[0, -1]] = True
        case "spaced":
            every = int(rng.integers(2, max(3, num_cells // 2)))
            keep[int(rng.integers(every)) :: every] = True
        case "rows":
            keep[: layout.cols * int(rng.integers(1, max(2, layout.rows)))] = True
        case _:
            keep = rng.random(num_cells) < rng.random()
    if keep.all():
        keep[int(rng.integers(num_cells))] = False
    return keep
