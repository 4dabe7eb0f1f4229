"""Where the attention of a backbone goes: to the own cell, to other cells, to the words."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from filmgrid.grid.spec import CellSize, Layout
from filmgrid.models.backbone import Backbone

ROWS_AT_ONCE = 256
"""Queries whose scores are in memory together."""


class AttentionWatch(TorchFunctionMode):
    """Reads the attention of all calls inside it that see the whole grid of one sequence.

    ::

        with AttentionWatch(backbone, layout, cell) as watch:
            backbone.velocity(noisy, sigma, condition, layout)
        watch.shares  # one matrix per layer

    Every backbone is read in the same way, at torch's one function for attention; backends that
    go past it, and compiled networks, are not seen. Blocks that see single frames are left out.

    Source: GRID, appendix A.2, which splits self-attention into that within frames and that
    between frames, beside that to the text.

    Args:
        backbone: whose tokens these are.
        layout: of the grid.
        cell: of a frame, in pixels.

    Attributes:
        shares: for each layer in order, how the attention of each cell (row) is shared between
            all cells and the words (columns, the words last), mean over heads and tokens; rows
            sum to 1.
    """

    def __init__(self, backbone: Backbone, layout: Layout, cell: CellSize) -> None:
        super().__init__()
        self.shares: list[Float[Tensor, "cells places"]] = []
        self._cells = cells_of_tokens(backbone, layout, cell)
        self._image_first = backbone.image_first

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read a call of attention, and let it through."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            given = kwargs["query"] if "query" in kwargs else args[0]
            with torch.autocast(given.device.type, enabled=False):  # read in 32 bits
                self._read(*args, **kwargs)
        return func(*args, **kwargs)

    def _read(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **_: Any,
    ) -> None:
        count = len(self._cells)
        if len(query) != 1 or query.shape[-2] < count or key.shape[-2] < count:
            return
        query = query[:, :, :count] if self._image_first else query[:, :, -count:]
        places = self._places(key.shape[-2]).to(key.device)
        places = F.one_hot(places).to(torch.float32)
        factor = key.shape[-1] ** -0.5 if scale is None else scale
        parts = []
        for rows in query.float().split(ROWS_AT_ONCE, dim=-2):
            scores = rows * factor @ key.float().mT
            if attn_mask is not None:  # of mini and Z-Image: the same for all queries
                hidden = attn_mask[..., -1:, :]
                scores = (
                    scores.masked_fill(~hidden, -torch.inf)
                    if hidden.dtype == torch.bool
                    else scores + hidden
                )
            parts.append((scores.softmax(dim=-1) @ places).mean(dim=(0, 1)))
        by_token = torch.cat(parts)
        own = F.one_hot(self._cells).to(by_token)
        self.shares.append((own.mT @ by_token / own.sum(dim=0)[:, None]).cpu())

    def _places(self, keys: int) -> Int[Tensor, " keys"]:
        """Cell of each key, words after the last cell."""
        words = self._cells.new_full((keys - len(self._cells),), int(self._cells.max()) + 1)
        return torch.cat([self._cells, words] if self._image_first else [words, self._cells])


def cells_of_tokens(backbone: Backbone, layout: Layout, cell: CellSize) -> Int[Tensor, " tokens"]:
    """Number of the cell of each image token, in the order in which a backbone has them."""
    stride = backbone.facts.stride
    rows, cols = cell.height // stride, cell.width // stride
    cells = torch.arange(layout.num_cells)
    if backbone.cell_by_cell:
        return repeat(cells, "n -> (n p)", p=rows * cols)
    grid = rearrange(cells, "(r c) -> r c", r=layout.rows)
    return repeat(grid, "r c -> (r y c x)", y=rows, x=cols)
