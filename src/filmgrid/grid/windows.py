"""Windows: the grids that a sequence longer than one of them is made of. Free of torch.

Two ways. *Continuation*: each grid holds the last rows of the one before, which stay, and new
frames below them. *Coarse to fine*: a grid of frames far apart, then grids that fill between
them, then the next grid of far frames.

Source: GriDiT's sampler has the same two passes, but puts the second between grids of the first
that follow each other at once, so that motion slows down after its first grid, and its number of
frames is not the one that was asked for. Here frames have numbers, and a pass is a stride.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout

RELEASE_STEPS, RELEASE_ROWS = 250, 4
"""Of GriDiT's released sampler: steps of a grid, and its rows."""


@dataclass(frozen=True, slots=True)
class Window:
    """One grid of a long sequence.

    Args:
        frames: numbers of the frames in its cells, in reading order; some may lie beyond the end.
        fresh: numbers of the frames that it is there to make.
        needed: lowest number of a frame that any later window looks at.
    """

    frames: range
    fresh: range
    needed: int


def kept_cells(layout: Layout, keep_rows: int | None = None) -> int:
    """Cells of a grid that the next one begins with: whole rows, of a single row half of it.

    Args:
        layout: of every grid.
        keep_rows: rows that stay, by default half of them, rounded down.

    Raises:
        ConfigError: if no row or no new row would be left.
    """
    if layout.num_cells == 1:
        raise ConfigError(
            "Grids of 1x1 hold nothing that a next one could begin with. Use a larger layout, "
            "such as 4x4."
        )
    if layout.rows == 1:
        if keep_rows is not None:
            raise ConfigError(
                f"A {layout} grid has one row, half of which is kept. Leave keep_rows out."
            )
        return layout.cols // 2
    rows = layout.rows // 2 if keep_rows is None else keep_rows
    if not 1 <= rows < layout.rows:
        raise ConfigError(
            f"{rows} kept rows of a {layout} grid leave none to continue from or none to make. "
            f"Keep 1 to {layout.rows - 1}."
        )
    return rows * layout.cols


def loop_frames(layout: Layout, kept: int) -> int:
    """Frames of the beginning that the last grid of a loop ends with: a row, or what leaves room.

    Args:
        layout: of every window.
        kept: cells that a window begins with.
    """
    return max(1, min(layout.cols, (layout.num_cells - kept - 1) // 2))


def plan_windows(
    layout: Layout,
    num_frames: int,
    kept: int,
    *,
    given: int = 0,
    spread: int = 1,
    arrivals: Sequence[int] = (),
) -> Iterator[Window]:
    """Plan the windows of a sequence, one after the other, without keeping them.

    Every frame from ``given`` to ``num_frames - 1`` is fresh in exactly one window.

    Args:
        layout: of every window.
        num_frames: length of the sequence.
        kept: cells that a window begins with, from :func:`kept_cells`.
        given: frames known from the start, without a gap.
        spread: frames from one cell to the next in the coarse grids; 1 makes none.
        arrivals: other frames that are known, rising; at ``num_frames`` and above if it closes to
            a loop. Two windows before one that the first of them does not see share the new
            frames, so that there is room to arrive. Not for coarse grids, whose far frames they
            must be.

    Raises:
        ConfigError: if far frames lie further apart than a grid is long.
    """
    if spread == 1:
        return _continue(layout.num_cells, num_frames, kept, given, arrivals)
    _check_apart(layout, spread)
    return _fill(layout.num_cells, num_frames, kept, given, spread)


def plan_between(layout: Layout, num_frames: int, kept: int, apart: int) -> Iterator[Window]:
    """Plan the windows that fill between frames which are all given, each up to one of these.

    Args:
        layout: of every window.
        num_frames: length of the sequence, with both ends given.
        kept: cells before the new ones, as far as the distance allows.
        apart: frames from one given frame to the next.

    Raises:
        ConfigError: if given frames lie further apart than a grid is long.
    """
    _check_apart(layout, apart)
    cells = layout.num_cells
    step = max(apart, (cells - kept) // apart * apart)
    stops = range(step, num_frames - 1 + step, step)
    for stop in stops:
        end = min(stop, num_frames - 1)
        first = max(0, end - cells + 1)
        needed = max(0, min(stop + step, num_frames - 1) - cells + 1)
        yield Window(range(first, first + cells), range(stop - step + 1, end), needed)


def _check_apart(layout: Layout, apart: int) -> None:
    if apart >= layout.num_cells:
        raise ConfigError(
            f"Frames {apart} apart cannot be joined by a {layout} grid. Use at most "
            f"{layout.num_cells - 1}."
        )


def count_windows(windows: Iterator[Window]) -> int:
    """Number of planned windows."""
    return sum(1 for _ in windows)


def _continue(
    cells: int, num_frames: int, kept: int, given: int, arrivals: Sequence[int]
) -> Iterator[Window]:
    spans = _spans(cells, num_frames, kept, given, arrivals)
    for (first, begin, stop), following in pairwise(chain(spans, [(num_frames, 0, 0)])):
        yield Window(range(first, first + cells), range(begin, min(stop, num_frames)), following[0])


def _spans(
    cells: int, num_frames: int, kept: int, given: int, arrivals: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """The first frame of each window, its first fresh one, and the first that is not."""
    covered, step = given, cells - kept
    while covered < num_frames:
        new = step if covered >= kept else cells - covered
        unseen = next((frame for frame in arrivals if frame >= covered + new), None)
        if unseen is not None and unseen < covered + new + step:
            left = unseen + 1 - covered
            seen = max((frame for frame in arrivals if frame < covered + new), default=-1)
            new = max(left // 2, left - step, seen + 1 - covered)
        yield max(0, covered + new - cells), covered, covered + new
        covered += new


def _fill(cells: int, num_frames: int, kept: int, given: int, spread: int) -> Iterator[Window]:
    reached = max(0, given - 1)  # all frames up to here are known, once the first window is made
    first = max(reached % spread, reached - (kept - 1) * spread)
    far = reached  # the last far frame that is known
    step = (cells - 1) // spread * spread
    known_far = given > 0
    while reached < num_frames - 1 or not known_far:
        far_frames = range(first, first + cells * spread, spread)
        begin = far + spread if known_far else far
        yield Window(far_frames, range(begin, far_frames[-1] + 1, spread), min(first, reached))
        far, known_far = far_frames[-1], True
        first += (cells - kept) * spread
        while reached < min(far, num_frames - 1):
            stop = reached + min(step, far - reached)
            fresh = range(reached + 1, min(stop, num_frames))
            if len(fresh):
                needed = min(stop, first)
                yield Window(range(reached, reached + cells), fresh, needed)
            reached = stop


def release_runs(num_frames: int) -> int:
    """Grids that the release makes beyond its first, for a length in frames; then as many between.

    Source: GriDiT's release, ``floor((L - 8) / 12) + 1``.
    """
    return max(0, (num_frames - 8) // 12 + 1)


def release_length(num_frames: int) -> int:
    """Frames that the release gives when so many are asked of it."""
    return 16 + 8 * release_runs(num_frames)
