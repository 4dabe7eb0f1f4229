"""All figures by name, in the order of the table."""

import difflib
from collections.abc import Sequence

from filmgrid.bars.editing import RECOLOUR, RESHAPE
from filmgrid.bars.figure import Figure
from filmgrid.bars.longer import LONGER
from filmgrid.bars.pictures import BETWEEN, IMAGE
from filmgrid.bars.restoring import BLOCKED, DEBLUR
from filmgrid.bars.speed import SPEED
from filmgrid.bars.stills import STILLS
from filmgrid.bars.text import HELD_OUT, TEXT
from filmgrid.bars.turntables import (
    HELD_OUT_TURNTABLE,
    IMAGE_TURNTABLE,
    RECOLOUR_TURNTABLE,
    TURNTABLE,
)
from filmgrid.errors import ConfigError

ALL: tuple[Figure, ...] = (
    TEXT,
    HELD_OUT,
    TURNTABLE,
    HELD_OUT_TURNTABLE,
    IMAGE_TURNTABLE,
    RECOLOUR_TURNTABLE,
    IMAGE,
    BETWEEN,
    DEBLUR,
    BLOCKED,
    RECOLOUR,
    RESHAPE,
    LONGER,
    STILLS,
    SPEED,
)
FIGURES = {figure.name: figure for figure in ALL}


def find_figures(names: Sequence[str]) -> list[Figure]:
    """The figures of these names in the order of the table; all if there are none.

    Raises:
        ConfigError: if there is no such figure.
    """
    for name in names:
        if name not in FIGURES:
            near = difflib.get_close_matches(name, FIGURES, n=1)
            fix = f"Did you mean {near[0]}? " if near else ""
            raise ConfigError(f"{name!r} is no figure. {fix}There are {', '.join(FIGURES)}.")
    return [figure for figure in ALL if not names or figure.name in names]
