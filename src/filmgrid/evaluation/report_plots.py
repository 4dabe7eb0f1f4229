"""Plots of a report as SVG: few marks, no dependency, crisp at any size, light or dark.

Colours are CSS classes, which the page defines; :func:`standalone` gives them to a single file.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from filmgrid.evaluation.report_words import number
from filmgrid.evaluation.results import Interval

# User units, which are pixels on a phone: there a plot is about as wide as the page.
WIDTH, LEFT, RIGHT = 340, 80, 16
ROW, STRIP, AXIS = 26, 46, 22
MAX_DOTS = 300
"""Clips drawn one by one; of more, so many, evenly by rank."""

STYLE = """
svg.plot{--made:#b4460b;--real:#1f5fbf;--ink:#3d444d;--line:#8c959f}
@media (prefers-color-scheme:dark){
svg.plot{--made:#ff9d5c;--real:#7fb3ff;--ink:#d0d7de;--line:#768390}}
svg.plot{font:12px system-ui,sans-serif}
svg.plot text{fill:var(--ink)}
svg.plot .axis{stroke:var(--line);stroke-width:1}
svg.plot .zero{stroke:var(--line);stroke-width:1;stroke-dasharray:3 3}
svg.plot .made{stroke:var(--made);fill:var(--made)}
svg.plot .real{stroke:var(--real);fill:var(--real)}
svg.plot .whisker{stroke-width:3;stroke-linecap:round}
svg.plot .dots{stroke-width:5;stroke-linecap:round;stroke-opacity:.55;fill:none}
svg.plot .mean{stroke-width:2}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a plot of intervals.

    Args:
        label: at its left.
        tone: its colour, ``"made"`` or ``"real"``.
        interval: what is drawn.
    """

    label: str
    tone: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float]) -> "_Axis":
        """An axis that shows all of these, with a little room at both ends."""
        found = list(values)
        low, high = min(found), max(found)
        room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> str:
        """Place of a value, in user units."""
        share = (value - self.low) / (self.high - self.low)
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}"

    def ticks(self) -> list[float]:
        """Three to six round numbers along it."""
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [float(f"{step * index:.10g}") for index in range(first, last + 1)]

    def draw(self, top: float) -> str:
        """The line with its ticks and numbers."""
        marks = [f'<path class="axis" d="M{LEFT} {top}H{WIDTH - RIGHT}"/>']
        for tick in self.ticks():
            at = self.at(tick)
            marks.append(f'<path class="axis" d="M{at} {top}v4"/>')
            marks.append(f'<text x="{at}" y="{top + 16}" text-anchor="middle">{tick:g}</text>')
        return "".join(marks)


def interval_plot(rows: Sequence[Row], about: str, *, zero: bool = False) -> str:
    """Values with their intervals, one below the other on one axis.

    Args:
        rows: what is drawn; a value that is not finite is written instead.
        about: says the same to those who cannot see it.
        zero: whether 0 is on the axis, with a line.

    Returns:
        The SVG, or nothing where no value is finite.
    """
    values = [
        value
        for row in rows
        for value in (row.interval.value, row.interval.low, row.interval.high)
        if value is not None and math.isfinite(value)
    ]
    if not values:
        return ""
    axis = _Axis.around([*values, 0.0] if zero else values)
    bottom = ROW * len(rows)
    marks: list[str] = []
    if zero:
        marks.append(f'<path class="zero" d="M{axis.at(0)} 0V{bottom}"/>')
    for index, row in enumerate(rows):
        middle = ROW * (index + 0.5)
        marks.append(_label(row.label, middle))
        value, low, high = row.interval.value, row.interval.low, row.interval.high
        if low is not None and high is not None and math.isfinite(low + high):
            marks.append(
                f'<path class="whisker {row.tone}" d="M{axis.at(low)} {middle}H{axis.at(high)}"/>'
            )
        if math.isfinite(value):
            marks.append(
                f'<circle class="{row.tone}" cx="{axis.at(value)}" cy="{middle}" r="5.5"/>'
            )
        else:
            marks.append(f'<text x="{LEFT}" y="{middle + 4}">{number(value)}</text>')
    return _svg([*marks, axis.draw(bottom)], bottom + AXIS, about)


def strip_plot(sets: Sequence[tuple[str, str, Sequence[float]]], about: str) -> str:
    """Every clip as a dot, and the mean as a line: how two sets of scores lie.

    Args:
        sets: label, colour and scores of each; scores that are not finite are counted instead.
        about: says the same to those who cannot see it.

    Returns:
        The SVG, or nothing where no score is finite.
    """
    finite = [np.sort([score for score in scores if math.isfinite(score)]) for *_, scores in sets]
    if not any(map(len, finite)):
        return ""
    axis = _Axis.around(float(score) for scores in finite for score in scores)
    bottom = STRIP * len(sets)
    marks: list[str] = []
    for index, ((label, tone, scores), drawn) in enumerate(zip(sets, finite, strict=True)):
        middle = STRIP * (index + 0.5)
        marks.append(_label(label, middle))
        lost = len(scores) - len(drawn)
        if lost:
            marks.append(f'<text x="0" y="{middle + 18}">+{lost} infinite</text>')
        if len(drawn):
            path = "".join(
                f"M{axis.at(float(score))} {middle + offset:.1f}h0"
                for score, offset in zip(*_spread_out(drawn), strict=True)
            )
            at = axis.at(float(drawn.mean()))
            marks.append(f'<path class="dots {tone}" d="{path}"/>')
            marks.append(f'<path class="mean {tone}" d="M{at} {middle - 18}v36"/>')
    return _svg([*marks, axis.draw(bottom)], bottom + AXIS, about)


def standalone(svg: str) -> str:
    """The same as a file of its own."""
    opening, rest = svg.split(">", 1)
    return f"{opening}><style>{STYLE}</style>{rest}"


def _spread_out(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores to draw, and how far above or below the line, so that dots do not hide each other."""
    if len(scores) > MAX_DOTS:
        scores = scores[np.linspace(0, len(scores) - 1, MAX_DOTS).round().astype(int)]
    golden = 0.618034  # neighbours in rank land far from each other
    return scores, ((np.arange(len(scores)) * golden) % 1 - 0.5) * (STRIP - 20)


def _label(text: str, middle: float) -> str:
    return f'<text x="0" y="{middle + 4}">{escape(text)}</text>'


def _svg(marks: list[str], height: float, about: str) -> str:
    told = escape(about)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {height:g}" '
        f'width="{WIDTH}" height="{height:g}" role="img" aria-label="{told}">'
        f"{''.join(marks)}</svg>"
    )
