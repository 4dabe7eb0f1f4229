"""How noise levels follow the size of what is generated. Free of torch."""

import math


def layout_shift(num_cells: int, default_cells: int) -> float:
    """Factor of the shift for a layout beside the one that a model was made for.

    More cells of the same content show it through more noise, so their schedule spends more
    steps there. Source: Stable Diffusion 3, Eq. 23, with cells in place of pixels.

    Args:
        num_cells: of the layout in use.
        default_cells: of the layout that the shift was chosen for.
    """
    return math.sqrt(num_cells / default_cells)
