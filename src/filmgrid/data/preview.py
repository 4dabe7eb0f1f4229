"""Pictures of exactly what is trained on: the stored grids, pixel for pixel, with their facts."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from re import fullmatch

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from filmgrid.data.export import save_image
from filmgrid.data.files import atomic_folder
from filmgrid.data.gate import enlarge
from filmgrid.data.manifest import Entry, Split
from filmgrid.data.provenance import Provenance
from filmgrid.data.sequences import Sequence, SequenceFolder
from filmgrid.errors import ConfigError

# Pixels. Cells are enlarged by a whole number to about CELL_SIDE; pages stay near PAGE.
CELL_SIDE = 112
PAGE_WIDTH, PAGE_HEIGHT = 1500, 1500
MARGIN = 28
GUTTER = 6
LABEL_HEIGHT = 16

PAPER, INK, FAINT, LINE = "#ffffff", "#1b1f24", "#6a737d", "#c3c9d0"
TRAIN, HELD_OUT = "#1a7f4b", "#b35900"

# Pillow brings a font for Latin letters only; for others, what systems usually have.
WIDER_FONTS = ("DejaVuSans.ttf", "Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc")
UNKNOWN = "\uffff"

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
        out: folder for ``preview-0.png``, ``preview-1.png``, …; it must be new, empty, or hold
            an earlier preview, which is replaced.
        limit: number of sequences to draw.
        split: side to draw from; both by default.

    Returns:
        The pages written.

    Raises:
        ConfigError: if ``limit`` is below 1.
        DatasetError: if the dataset or one of its files is damaged.
        MediaError: if other files are in the way, or the pages cannot be written.
    """
    if limit < 1:
        raise ConfigError(f"{limit} sequences make no preview. Use a limit of 1 or more.")
    folder = SequenceFolder(dataset, split)
    count = min(limit, len(folder))
    chosen = [round(place) for place in np.linspace(0, len(folder) - 1, count)]
    panels = [_panel(folder[index]) for index in chosen]
    told = Provenance(request={"preview": str(dataset), "limit": limit, "split": split})
    names: list[str] = []
    with atomic_folder(out, _holds_only_pages) as part:
        for number, page in enumerate(_pages(panels)):
            names.append(f"preview-{number}.png")
            save_image(np.asarray(page), part / names[-1], told)
    return [Path(out) / name for name in names]


def _holds_only_pages(folder: Path) -> bool:
    return all(fullmatch(r"preview-\d+\.png", path.name) for path in folder.iterdir())


def _panel(sequence: Sequence) -> Image.Image:
    """One sequence: heading lines, then its grid with a label above every cell."""
    entry, layout = sequence.entry, sequence.layout
    scale = max(1, round(CELL_SIDE / min(entry.cell)))
    height, width = (side * scale for side in entry.cell)
    labels = [_label(entry, cell) for cell in range(layout.num_cells)]
    small = _default_font(11)
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
    side = TRAIN if entry.split == "train" else HELD_OUT
    first, last = entry.indices[0], entry.indices[-1]
    facts = f"{entry.split} · group {entry.group}"
    where = f"{entry.source} · frames {first} to {last}"
    if entry.stride > 1:
        where += f" in steps of {entry.stride}"
    if entry.fps:
        where += f" · {entry.fps:.4g} fps"
    grid = f"{entry.layout} of {entry.cell_size} px · {entry.id}"
    return [
        *_lines(entry.caption or "(no caption)", 17, INK if entry.caption else FAINT, width, 2),
        *_lines(where, 13, FAINT, width, 2),
        *_lines(facts, 13, side, width, 1),
        *_lines(grid, 13, FAINT, width, 1),
    ]


def _lines(
    text: str, size: int, colour: str, width: int, most: int
) -> Iterator[tuple[str, Font, str, int]]:
    font, shown = _legible(text, size)
    for line in _wrap(shown, font, width, most):
        yield line, font, colour, round(1.4 * size)


def _legible(text: str, size: int) -> tuple[Font, str]:
    """The font that has most letters of a text, and the text with the others escaped."""

    def lacks(font: Font) -> int:
        return sum(not _has(font, letter) for letter in set(text))

    font = min((_default_font(size), *_wider_fonts(size)), key=lacks)
    escaped = (
        letter if _has(font, letter) else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return font, "".join(escaped)


@cache
def _default_font(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _wider_fonts(size: int) -> tuple[Font, ...]:
    found: list[Font] = []
    for name in WIDER_FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(name, size))
    return tuple(found)


@cache
def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or _drawn(font, letter) != _drawn(font, UNKNOWN)


@cache
def _drawn(font: Font, letter: str) -> bytes:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).text((16, 16), letter, 255, font)
    return image.tobytes()


def _label(entry: Entry, cell: int) -> str:
    index = entry.indices[cell]
    time = f" · {index / entry.fps:.2f} s" if entry.fps else ""
    return f"{cell} · f{index}{time}"


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
    ends = range(1, len(text) + 1)
    return bisect_right(ends, width, key=lambda end: font.getlength(text[:end]))


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
