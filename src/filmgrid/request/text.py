"""How cells, pictures at cells, segments and factors are written in one word. Free of torch."""

import re
from pathlib import Path

from filmgrid.errors import ConfigError


def parse_cells(text: str) -> list[int]:
    """Read ``"5,6"`` or ``"4-7,12"``: cells in rising order, each once.

    Raises:
        ConfigError: if it is not a list of cells.
    """
    cells: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,7})(?:\s*-\s*(\d{1,7}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ConfigError(
                f"{part!r} is not a cell nor a range of cells. Write for example 5,6 or 4-7,12."
            )
        cells.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return sorted(cells)


def parse_keyframe(text: str) -> tuple[int, Path]:
    """Read ``"5=photo.png"``.

    Raises:
        ConfigError: if it is not CELL=FILE.
    """
    match = re.fullmatch(r"\s*(\d{1,7})\s*=\s*(.+)", text)
    if match is None:
        raise ConfigError(f"{text!r} is not a keyframe. Write CELL=FILE, for example 5=photo.png.")
    return int(match[1]), Path(match[2])


def parse_segment(text: str) -> tuple[int, str]:
    """Read ``"64=a red star falls"``.

    Raises:
        ConfigError: if it is not FRAME=PROMPT.
    """
    match = re.fullmatch(r"\s*(\d{1,7})\s*=\s*(.+)", text, re.DOTALL)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a segment. Write FRAME=PROMPT, for example '64=a red star falls'."
        )
    return int(match[1]), match[2]


def parse_upscale(value: object) -> int | Path:
    """How much is enlarged: 1, 2 or 4 times, or by what is in a file or a folder.

    Raises:
        ValueError: if it is another number, or a file that could hold a program.
    """
    text = str(value)
    if text in ("1", "2", "4"):
        return int(text)
    if text.isdecimal():
        raise ValueError(
            f"{text} is no factor of the shipped network. Use 2 or 4, a .pth or .safetensors file, "
            "or the folder of a model that was trained with super_resolution."
        )
    path = Path(text).expanduser()
    if path.suffix not in ("", ".pth", ".safetensors") and not path.is_dir():
        raise ValueError(
            f"{text} is neither 2 nor 4, nor a .pth or .safetensors file, nor the folder of a "
            "model. (Other files of weights can hold programs.)"
        )
    return path
