"""Tiles that overlap, each fading into the next, so that no seam shows."""

import torch
from jaxtyping import Float
from torch import Tensor


def tile_starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles along an axis begin: evenly, with at least ``overlap`` pixels in common.

    Args:
        length: of the axis, in pixels.
        side: of a tile; above ``overlap``.
        overlap: pixels.
    """
    if length <= side:
        return [0]
    count = -(-(length - side) // (side - overlap)) + 1
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def fading(
    begin: int, end: int, length: int, *, hidden: int = 0, blend: int = 1, factor: int = 1
) -> Float[Tensor, " pixels"]:
    """Weights along a tile: 1 inside, falling to 0 at edges that are not those of the axis.

    Args:
        begin: first pixel of the tile.
        end: pixel behind its last.
        length: of the axis.
        hidden: pixels at such an edge that do not count at all.
        blend: pixels behind them over which the weight rises.
        factor: weights per pixel, where tiles are enlarged.
    """
    at = (torch.arange((end - begin) * factor) + 0.5) / factor
    from_begin = (at - hidden) / blend if begin > 0 else torch.ones_like(at)
    from_end = (end - begin - at - hidden) / blend if end < length else torch.ones_like(at)
    return torch.minimum(from_begin, from_end).clamp(0, 1)
