"""What a protocol is: a paper's table as data to fetch, clips to take and metrics. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filmgrid.data.fit import FitMode
from filmgrid.evaluation.selection import Start


class Prompt(NamedTuple):
    """A clip to make: its name below the folder of the made clips, and what it shows."""

    name: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Download:
    """Data that nobody may fetch for you.

    Args:
        name: its proper name.
        page: where it is offered.
        size: of the download.
        licence: as far as it is publicly known.
        unverified: which of these facts nobody has checked.
        archives: names under which it arrives, to be unpacked.
    """

    name: str
    page: str
    size: str
    licence: str
    unverified: str
    archives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A folder below the data folder where the real clips may lie.

    Args:
        path: of the folder, with forward slashes.
        holds: what lies in it.
        names: pattern of the names of clips, see :class:`~.selection.Selection`.
        pictures: pattern of the pictures that are frames.
    """

    path: str
    holds: str
    names: str | None = None
    pictures: str = "*"

    def under(self, data: Path) -> Path:
        """The folder itself."""
        return data / self.path


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Trained weights that some metrics of a protocol need.

    Args:
        name: for ``--weights``.
        files: below ``weights/`` of the data folder, all of them; the first is the one to name.
        source: whose they are, and how large.
        hub: id of a model that may lie in the cache of the Hub instead.
    """

    name: str
    files: tuple[str, ...]
    source: str
    hub: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Published numbers.

    Args:
        columns: metrics by our names.
        rows: method and its numbers, in the order of the columns.
        own: the rows of the paper's own system.
        weakness: how far they can be trusted.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[float, ...]], ...] = ()
    own: tuple[str, ...] = ()
    weakness: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """An evaluation of a paper that can be run on what is there of its data.

    Args:
        name: what it is asked for by.
        title: task and data in words.
        source: paper and table.
        download: the real clips.
        places: where they may lie, the usual place first.
        num_real: clips of the whole set; None if nobody can say.
        num_made: clips to make.
        frames: of each clip.
        start: where they are taken in a longer real clip.
        size: HEIGHTxWIDTH that both sides are brought to; None compares them as they are.
        fit: how.
        metrics: those of the paper.
        beside: ours, which need no download.
        choices: sentences on what the paper leaves open.
        figures: published numbers.
        naming: how the made clips are called.
        making: a command that makes one.
        weights: what ``metrics`` need.
        prompts: what to make, where that does not depend on the data.
        foreign: suffix of files that are not read, and what to do with them.
    """

    name: str
    title: str
    source: str
    download: Download
    places: tuple[Place, ...]
    num_real: int | None
    num_made: int
    frames: int
    start: Start
    size: str | None
    fit: FitMode
    metrics: tuple[str, ...]
    beside: tuple[str, ...]
    choices: tuple[str, ...]
    figures: Figures
    naming: str
    making: str
    weights: tuple[WeightsFile, ...] = ()
    prompts: Callable[[], list[Prompt]] | None = None
    foreign: tuple[str, str] | None = None
