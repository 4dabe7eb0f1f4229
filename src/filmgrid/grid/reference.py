"""Reference: what is known of a sequence before it is sampled, and what of it must stay.

Every task of both papers is a reference grid, a mask of what to keep, and a noise level to
start from. The makers below are the rows of that table; a sampler needs to know no more.

Source: GRID, arXiv:2412.10718, section "omni inference" and Eq. 8-11. There the kept cell is
always the first, and keyframes below the first row are painted over by the release; here every
cell that is named stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.spec import Layout

Frames = Float[Tensor, "b n c h w"]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Known cells, what to keep of them, and the noise level to start from.

    Args:
        cells: pixels in [-1, 1] or latents, one per cell; where nothing is kept they only set
            the start, and at ``start_sigma`` 1 they set nothing.
        keep: True where the sequence must come out as ``cells`` have it; per cell ``b n``, or
            per pixel ``b n h w``.
        start_sigma: true noise level in [0, 1] that ``cells`` are noised to; 0 returns them.

    Raises:
        ShapeError: if the mask does not fit the cells.
        ConfigError: if the start is outside [0, 1].
    """

    cells: Frames
    keep: Bool[Tensor, "b n"] | Bool[Tensor, "b n h w"]
    start_sigma: float = 1.0

    def __post_init__(self) -> None:
        batch, num_cells, _, height, width = self.cells.shape
        if self.keep.shape not in {(batch, num_cells), (batch, num_cells, height, width)}:
            raise ShapeError(
                f"A mask of shape {tuple(self.keep.shape)} does not fit {batch} sequences of "
                f"{num_cells} cells of {height}x{width}. Give one value per cell, or one per pixel."
            )
        if not 0 <= self.start_sigma <= 1:
            raise ConfigError(
                f"A start sigma of {self.start_sigma} is outside 0 to 1. "
                "Use 1 for pure noise, 0.8 to 0.98 to keep more and more of the reference."
            )

    @property
    def mask(self) -> Bool[Tensor, "b n 1 y x"]:
        """What to keep, ready to choose between cells: ``y x`` is ``1 1`` for whole cells."""
        if self.keep.ndim == 2:
            return self.keep[:, :, None, None, None]
        return self.keep[:, :, None]

    @property
    def whole_cells(self) -> Bool[Tensor, "b n"]:
        """Cells that are kept entirely."""
        return self.mask.flatten(2).all(dim=2)


def from_image(
    image: Float[Tensor, "b c h w"], layout: Layout, cell: int = 0, start_sigma: float = 1.0
) -> Reference:
    """Image to sequence: the image in every cell, kept in its own.

    Args:
        image: one per sequence, range [-1, 1].
        layout: of the sequence.
        cell: where the image stands; 0 is the first frame.
        start_sigma: the paper uses 0.8 to 1; 1 gives motion the most room.

    Raises:
        ConfigError: if there is no such cell.
    """
    return from_keyframes({cell: image}, layout, start_sigma)


def from_keyframes(
    keyframes: Mapping[int, Float[Tensor, "b c h w"]], layout: Layout, start_sigma: float = 1.0
) -> Reference:
    """Interpolation, and any cells as keyframes: blends between them, all of them kept.

    ``cell = (1 - s) * before + s * after`` with ``s`` linear between the two keyframes around
    it; cells before the first and after the last keyframe repeat it.

    Source: GRID, Eq. 9, which blends rows between key frames in the first column. Here they may
    stand anywhere, and nothing wraps around at the end.

    Args:
        keyframes: images of range [-1, 1] by cell, at least one, all of one size.
        layout: of the sequence.
        start_sigma: in [0, 1].

    Raises:
        ConfigError: if there is no keyframe, or one is on a cell that the layout does not have.
        ShapeError: if the images differ in size.
    """
    places = sorted(keyframes)
    if not places:
        raise ConfigError("No keyframe was given. Give at least one image and its cell.")
    layout.check_cells(places)
    sizes = {tuple(keyframes[place].shape) for place in places}
    if len(sizes) > 1:
        raise ShapeError(
            f"Keyframes of different sizes arrived: {sorted(sizes)}. Give them one size, batch and "
            "number of channels."
        )
    images = torch.stack([keyframes[place] for place in places], dim=1)
    cells: list[Tensor] = []
    for cell in range(layout.num_cells):
        after = next((i for i, place in enumerate(places) if place >= cell), len(places) - 1)
        before = max((i for i, place in enumerate(places) if place <= cell), default=0)
        span = places[after] - places[before]
        share = (cell - places[before]) / span if span > 0 else 0.0
        cells.append(torch.lerp(images[:, before], images[:, after], share))
    stacked = torch.stack(cells, dim=1)
    keep = [cell in keyframes for cell in range(layout.num_cells)]
    return Reference(stacked, _per_sequence(keep, stacked), start_sigma)


def from_beginning(frames: Frames, layout: Layout, start_sigma: float = 1.0) -> Reference:
    """Extension: frames that are known fill the first cells and stay; the last is repeated.

    With the last rows of a window this gives the next window of a long sequence.

    Args:
        frames: at most one per cell, range [-1, 1].
        layout: of the window.
        start_sigma: in [0, 1]; 1 for new frames that owe nothing to the repeated one.

    Raises:
        ShapeError: if there is no frame, or more than cells.
    """
    known = frames.shape[1]
    if not 1 <= known <= layout.num_cells:
        raise ShapeError(
            f"{known} known frames do not fit into a {layout} grid of {layout.num_cells} cells. "
            f"Give 1 to {layout.num_cells}."
        )
    repeated = frames[:, -1:].expand(-1, layout.num_cells - known, -1, -1, -1)
    cells = torch.cat([frames, repeated], dim=1)
    return Reference(cells, _per_sequence(range_mask(known, layout), cells), start_sigma)


def from_sequence(
    frames: Frames, layout: Layout, start_sigma: float, locked: Sequence[int] = ()
) -> Reference:
    """Restoration, style, editing, motion clone, 3D editing: the whole source, started low.

    Args:
        frames: one per cell, range [-1, 1].
        layout: of the sequence.
        start_sigma: in [0, 1]; how far it may depart from the source. 0 returns the source.
        locked: cells that must not change.

    Raises:
        ShapeError: if there is not one frame per cell.
        ConfigError: if a locked cell does not exist.
    """
    _check_full(frames, layout)
    layout.check_cells(list(locked))
    keep = [cell in locked for cell in range(layout.num_cells)]
    return Reference(frames, _per_sequence(keep, frames), start_sigma)


def from_redraw(
    frames: Frames, layout: Layout, cells: Sequence[int], start_sigma: float = 1.0
) -> Reference:
    """Draw some cells again and keep all others.

    Args:
        frames: one per cell, range [-1, 1].
        layout: of the sequence.
        cells: to draw again, at least one.
        start_sigma: in [0, 1]; 1 forgets what stood in them.

    Raises:
        ShapeError: if there is not one frame per cell.
        ConfigError: if no cell is named, or one does not exist.
    """
    if not cells:
        raise ConfigError("No cell to redraw was named. Name at least one, for example 5,6.")
    layout.check_cells(list(cells))
    locked = [cell for cell in range(layout.num_cells) if cell not in cells]
    return from_sequence(frames, layout, start_sigma, locked)


def from_mask(
    frames: Frames, layout: Layout, redraw: Bool[Tensor, "b n h w"], start_sigma: float = 1.0
) -> Reference:
    """Inpainting, outpainting, removal: draw some pixels of each cell again.

    Args:
        frames: one per cell, range [-1, 1].
        layout: of the sequence.
        redraw: True where pixels are drawn again.
        start_sigma: in [0, 1].

    Raises:
        ShapeError: if frames or mask do not fit.
    """
    _check_full(frames, layout)
    return Reference(frames, ~redraw, start_sigma)


def range_mask(known: int, layout: Layout) -> list[bool]:
    """True for the first ``known`` cells of a layout."""
    return [cell < known for cell in range(layout.num_cells)]


def _check_full(frames: Frames, layout: Layout) -> None:
    if frames.shape[1] != layout.num_cells:
        raise ShapeError(
            f"{frames.shape[1]} frames do not fill a {layout} grid of {layout.num_cells} cells. "
            f"Give {layout.num_cells} frames, or choose a layout with {frames.shape[1]} cells."
        )


def _per_sequence(keep: Sequence[bool], cells: Frames) -> Bool[Tensor, "b n"]:
    return torch.tensor(keep, device=cells.device).expand(cells.shape[0], -1)
