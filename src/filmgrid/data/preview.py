"""Pictures of exactly what is trained on: the stored grids, pixel for pixel, with their facts."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from filmgrid.data.export import save_image
from filmgrid.data.gate import enlarge
from filmgrid.data.manifest import Entry, Split
from filmgrid.data.provenance import Provenance
from filmgrid.data.sequences import Sequence, SequenceFolder
from filmgrid.errors import ConfigError

# Pixels. Cells are enlarged by a whole number to about CELL_SIDE; pages stay near PAGE.
CELL_SIDE = 112
PAGE_WIDTH, PAGE_HEIGHT = 1500, 1400
MARGIN = 28
GUTTER = 6
LABEL_HEIGHT = 16

PAPER, INK, FAINT, LINE = "#ffffff", "#1b1f24", "#6a737d", "#c3c9d0"
TRAIN, HELD_OUT = "#1a7f4b", "#b35900"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_preview(
    dataset: Path, out: Path, *, limit: int = 8, split: Split | None = None
) -> list[Path]:
    """Draw sequences of a dataset, spread evenly over it, as pages of pictures.

    Every cell is shown whole and enlarged by a whole number without smoothing. Above it stand
    its cell number, the number of its frame in the source and, where the source has time, the
    seconds; above the grid its caption, source, split and group.

    Args:
        dataset: the dataset's folder.
        out: folder for ``preview-0.png``, ``preview-1.png``, …
        limit: number of sequences to draw.
        split: side to draw from; both by default.

    Returns:
        The pages written.

    Raises:
        ConfigError: if ``limit`` is below 1.
        DatasetError: if the dataset or one of its files is damaged.
        MediaError: if the pages cannot be written.
    """
    if limit < 1:
        raise ConfigError(f"{limit} sequences make no preview. Use a limit of 1 or more.")
    folder = SequenceFolder(dataset, split)
    count = min(limit, len(folder))
    chosen = [round(place) for place in np.linspace(0, len(folder) - 1, count)]
    panels = [_panel(folder[index]) for index in chosen]
    request = {"preview": str(dataset), "limit": limit, "split": split}
    return [
        save_image(np.asarray(page), out / f"preview-{number}.png", Provenance(request=request))
        for number, page in enumerate(_pages(panels))
    ]


def _panel(sequence: Sequence) -> Image.Image:
    """One sequence: heading lines, then its grid with a label above every cell."""
    entry, layout = sequence.entry, sequence.layout
    scale = max(1, round(CELL_SIDE / min(entry.cell)))
    height, width = (side * scale for side in entry.cell)
    labels = [_label(entry, cell) for cell in range(layout.num_cells)]
    small = ImageFont.load_default(11)
    column = max(width, *(round(small.getlength(label)) for label in labels)) + 2 + GUTTER
    row = height + 2 + LABEL_HEIGHT + GUTTER
    panel_width = max(layout.cols * column - GUTTER, 360)
    heading = _heading(entry, panel_width)
    top = sum(line_height for *_, line_height in heading) + 6
    panel = Image.new("RGB", (panel_width, top + layout.rows * row), PAPER)
    draw = ImageDraw.Draw(panel)
    line_top = 0
    for text, font, colour, line_height in heading:
        draw.text((0, line_top), text, colour, font)
        line_top += line_height
    for cell, frame in enumerate(sequence.frames):
        cell_row, cell_col = layout.place(cell)
        left, upper = cell_col * column, top + cell_row * row
        draw.text((left, upper), labels[cell], FAINT, small)
        upper += LABEL_HEIGHT
        draw.rectangle((left, upper, left + width + 1, upper + height + 1), outline=LINE)
        panel.paste(Image.fromarray(enlarge(frame, scale)), (left + 1, upper + 1))
    return panel


def _heading(entry: Entry, width: int) -> list[tuple[str, Font, str, int]]:
    """Lines above a grid: text, font, colour and height."""
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    caption = _wrap(entry.caption or "(no caption)", large, width, lines=2)
    side = TRAIN if entry.split == "train" else HELD_OUT
    first, last = entry.indices[0], entry.indices[-1]
    facts = f"{entry.split} · group {entry.group}"
    where = f"{entry.source} · frames {first}–{last}, every {_nth(entry.stride)}"
    if entry.fps:
        where += f" · {entry.fps:.4g} fps"
    grid = f"{entry.layout} of {entry.cell_size} px · {entry.id}"
    return [
        *((line, large, INK if entry.caption else FAINT, 23) for line in caption),
        *((line, small, FAINT, 18) for line in _wrap(where, small, width, lines=2)),
        *((line, small, side, 18) for line in _wrap(facts, small, width, lines=1)),
        *((line, small, FAINT, 18) for line in _wrap(grid, small, width, lines=1)),
    ]


def _label(entry: Entry, cell: int) -> str:
    index = entry.indices[cell]
    time = f" · {index / entry.fps:.2f} s" if entry.fps else ""
    return f"{cell} · f{index}{time}"


def _nth(stride: int) -> str:
    return "frame" if stride == 1 else f"{stride} frames"


def _wrap(text: str, font: Font, width: int, lines: int) -> list[str]:
    """Break a text into at most so many lines of a width in pixels; what is cut shows as ``…``."""
    wrapped: list[str] = []
    rest = " ".join(text.split())
    while rest and len(wrapped) < lines:
        fitting = _fitting(rest, font, width)
        if fitting == len(rest):
            return [*wrapped, rest]
        if len(wrapped) == lines - 1:
            return [*wrapped, rest[: _fitting(rest, font, width - font.getlength("…"))] + "…"]
        space = rest.rfind(" ", 0, fitting + 1)
        end = space if space > 0 else max(1, fitting)
        wrapped.append(rest[:end])
        rest = rest[end:].lstrip()
    return wrapped


def _fitting(text: str, font: Font, width: float) -> int:
    """Number of leading characters that are no wider than so many pixels."""
    end = len(text)
    while end and font.getlength(text[:end]) > width:
        end -= 1
    return end


def _pages(panels: list[Image.Image]) -> list[Image.Image]:
    """Set panels into columns of equal width, page after page."""
    step_x = max(panel.width for panel in panels) + MARGIN
    step_y = max(panel.height for panel in panels) + MARGIN
    columns = min(len(panels), max(1, (PAGE_WIDTH - MARGIN) // step_x))
    rows = max(1, (PAGE_HEIGHT - MARGIN) // step_y)
    pages: list[Image.Image] = []
    for start in range(0, len(panels), columns * rows):
        members = panels[start : start + columns * rows]
        used_rows = -(-len(members) // columns)
        page = Image.new("RGB", (MARGIN + columns * step_x, MARGIN + used_rows * step_y), PAPER)
        for place, panel in enumerate(members):
            row, col = divmod(place, columns)
            page.paste(panel, (MARGIN + col * step_x, MARGIN + row * step_y))
        pages.append(page)
    return pages
