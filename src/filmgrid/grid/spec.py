"""Layout: where each frame of a sequence stands in its grid. Free of torch."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from filmgrid.errors import ConfigError, ShapeError

MAX_CELLS = 4096


class Box(NamedTuple):
    """A cell's place in its grid, in pixels (or latents) of that grid."""

    top: int
    left: int
    height: int
    width: int


class CellSize(NamedTuple):
    """Height and width of one cell, in pixels or latents."""

    height: int
    width: int

    @classmethod
    def parse(cls, text: int | str) -> "CellSize":
        """Read ``64`` (square) or ``"48x64"`` (48 high, 64 wide), in pixels.

        Raises:
            ConfigError: if it is neither, or a side is 0.
        """
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[x×X*]\s*(\d{1,5}))?\s*", str(text))
        size = match and cls(int(match[1]), int(match[2] or match[1]))
        if not size or min(size) < 1:
            raise ConfigError(
                f"{text!r} is not the size of a cell. Write a number of pixels such as 64, "
                "or HEIGHTxWIDTH such as 48x64."
            )
        return size

    def __str__(self) -> str:
        """Height x width, as messages print it."""
        return f"{self.height}x{self.width}"


@dataclass(frozen=True, slots=True)
class Layout:
    """A grid of ``rows x cols`` cells read left to right, then top to bottom.

    Args:
        rows: number of rows, at least 1.
        cols: number of columns, at least 1.
        gap: pixels between neighbouring cells (0 for what models see; real mosaics have 1-8).
        margin: pixels around the whole grid; by default the same as ``gap``, as
            ``torchvision.utils.make_grid`` and most mosaics have it.

    Raises:
        ConfigError: if there is no cell, or a gap is negative.
    """

    rows: int
    cols: int
    gap: int = 0
    margin: int | None = None

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1 or self.rows * self.cols > MAX_CELLS:
            raise ConfigError(
                f"A layout of {self.rows} rows x {self.cols} columns is not a grid. "
                f"Use at least 1x1 and at most {MAX_CELLS} cells, for example 4x4."
            )
        if self.gap < 0 or (self.margin or 0) < 0:
            raise ConfigError(
                f"A gap of {self.gap} px with a margin of {self.margin} px is negative. "
                "Use 0 or more pixels between cells."
            )

    @classmethod
    def parse(cls, text: str, gap: int = 0, margin: int | None = None) -> "Layout":
        """Read ``"4x6"``: 4 rows, 6 columns.

        Raises:
            ConfigError: if the text is not ROWSxCOLS.
        """
        match = re.fullmatch(r"\s*(\d{1,4})\s*[x×X*]\s*(\d{1,4})\s*", text)
        if match is None:
            raise ConfigError(
                f"{text!r} is not a layout. Write ROWSxCOLS, for example 4x6 for 4 rows of 6 cells."
            )
        return cls(int(match[1]), int(match[2]), gap, margin)

    def __str__(self) -> str:
        """ROWSxCOLS, as prompts and file names write it."""
        return f"{self.rows}x{self.cols}"

    @property
    def num_cells(self) -> int:
        """Number of cells, hence of frames in one grid."""
        return self.rows * self.cols

    @property
    def border(self) -> int:
        """Pixels around the whole grid."""
        return self.gap if self.margin is None else self.margin

    def place(self, cell: int) -> tuple[int, int]:
        """Row and column of a cell, counted from 0 in reading order.

        Raises:
            ConfigError: if there is no such cell.
        """
        self.check_cells([cell])
        return divmod(cell, self.cols)

    def check_cells(self, cells: list[int]) -> None:
        """Refuse cell numbers that this layout does not have.

        Raises:
            ConfigError: naming the first wrong number.
        """
        for cell in cells:
            if not 0 <= cell < self.num_cells:
                raise ConfigError(
                    f"There is no cell {cell} in a {self} grid. "
                    f"Cells are numbered 0 to {self.num_cells - 1}, row by row."
                )

    def grid_size(self, cell: CellSize) -> CellSize:
        """Height and width of the whole grid for cells of this size."""
        return CellSize(
            self.rows * cell.height + (self.rows - 1) * self.gap + 2 * self.border,
            self.cols * cell.width + (self.cols - 1) * self.gap + 2 * self.border,
        )

    def cell_size(self, grid_height: int, grid_width: int) -> CellSize:
        """Height and width of one cell of a grid of this size.

        Raises:
            ShapeError: if the grid does not divide into equal cells.
        """
        frame = self.grid_size(CellSize(0, 0))
        inner_height, inner_width = grid_height - frame.height, grid_width - frame.width
        height, rest_height = divmod(inner_height, self.rows)
        width, rest_width = divmod(inner_width, self.cols)
        if rest_height or rest_width or height < 1 or width < 1:
            fit = self.grid_size(
                CellSize(
                    max(1, round(inner_height / self.rows)), max(1, round(inner_width / self.cols))
                )
            )
            gaps = f" with gaps of {self.gap} px" if self.gap or self.border else ""
            raise ShapeError(
                f"Cannot cut a {grid_height}x{grid_width} grid into {self.rows} rows x "
                f"{self.cols} columns of equal cells{gaps}. The nearest grid that divides is "
                f"{fit}; or name another layout or gap."
            )
        return CellSize(height, width)

    def box(self, cell: int, size: CellSize) -> Box:
        """Where a cell stands in a grid whose cells have this size."""
        row, col = self.place(cell)
        return Box(
            self.border + row * (size.height + self.gap),
            self.border + col * (size.width + self.gap),
            size.height,
            size.width,
        )

    def boxes(self, size: CellSize) -> list[Box]:
        """Places of all cells in reading order."""
        return [self.box(cell, size) for cell in range(self.num_cells)]


def layouts_of(num_cells: int) -> list[Layout]:
    """All grids of so many cells, the squarest first and wide before tall."""
    rows = [count for count in range(1, num_cells + 1) if num_cells % count == 0]
    layouts = [Layout(count, num_cells // count) for count in rows]
    return sorted(layouts, key=lambda each: (abs(each.rows - each.cols), each.rows))


def check_stride(cell: CellSize, stride: int) -> None:
    """Refuse cells whose sides a model's tokens cannot tile.

    A token that straddles two cells would mix two frames.

    Args:
        cell: height and width of a cell in pixels.
        stride: pixels per token side (codec stride x patch size).

    Raises:
        ShapeError: with the nearest legal size.
    """
    if cell.height < 1 or cell.width < 1 or cell.height % stride or cell.width % stride:
        nearest = CellSize(*(max(stride, round(side / stride) * stride) for side in cell))
        raise ShapeError(
            f"Cells of {cell} px do not fit this model, whose tokens are {stride} px wide. "
            f"Cell sides must be multiples of {stride}; the nearest is {nearest}."
        )
