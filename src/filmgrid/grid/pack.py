"""Frames to grid and back, as exact inverses, for pixels and latents alike."""

import torch
from jaxtyping import Shaped
from torch import Tensor

from filmgrid.errors import ShapeError
from filmgrid.grid.spec import CellSize, Layout


def pack_grid(
    frames: Shaped[Tensor, "b n c h w"], layout: Layout, fill: float = 0
) -> Shaped[Tensor, "b c grid_h grid_w"]:
    """Lay the frames of each sequence out as one grid, in reading order.

    Args:
        frames: one frame per cell, any dtype.
        layout: rows and columns, with gaps if the picture should have them.
        fill: value of the pixels in gaps and margin.

    Raises:
        ShapeError: if there is not exactly one frame per cell.
    """
    batch, num_frames, channels, height, width = frames.shape
    if num_frames != layout.num_cells:
        raise ShapeError(
            f"{num_frames} frames do not fill a {layout} grid of {layout.num_cells} cells. "
            f"Give {layout.num_cells} frames, or choose a layout with {num_frames} cells."
        )
    cell = CellSize(height, width)
    grid = frames.new_full((batch, channels, *layout.grid_size(cell)), fill)
    for index, (top, left, _, _) in enumerate(layout.boxes(cell)):
        grid[:, :, top : top + height, left : left + width] = frames[:, index]
    return grid


def split_grid(
    grid: Shaped[Tensor, "b c grid_h grid_w"], layout: Layout
) -> Shaped[Tensor, "b {layout.num_cells} c h w"]:
    """Cut each grid into its frames, in reading order: the inverse of :func:`pack_grid`.

    Raises:
        ShapeError: if the grid does not divide into ``layout``'s cells.
    """
    cell = layout.cell_size(grid.shape[-2], grid.shape[-1])
    return torch.stack(
        [
            grid[:, :, top : top + height, left : left + width]
            for top, left, height, width in layout.boxes(cell)
        ],
        dim=1,
    )
