"""The table of bars: sums of readings with their intervals."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from pydantic import BaseModel

from filmgrid.bars.figure import How, Readings, Row
from filmgrid.evaluation.results import RECORD, Interval
from filmgrid.metrics.statistics import bootstrap, bootstrap_mean, wilson_share

Mark = Literal["reached", "missed", "reached?", "missed?"]
"""With a question mark where the interval holds the bar."""


UNTRAINED = "Not trained for: "
"""Begins the note of what is not measured."""


class BarResult(BaseModel):
    """One row of the table."""

    model_config = RECORD

    figure: str
    reading: str
    what: str
    unit: str
    how: How
    at_most: bool
    value: Interval | None
    """None: see the note."""
    real: Interval | None = None
    """The same of the true frames: what the judge leaves to reach."""
    gpu: float | None = None
    """Bar of a model that a GPU was spent on."""
    cpu: float | None = None
    """Bar of a model trained on a CPU."""
    gpu_mark: Mark | None = None
    cpu_mark: Mark | None = None
    note: str = ""


class BarsReport(BaseModel):
    """A model beside its bars, as it is written to a file."""

    model_config = RECORD

    kind: Literal["filmgrid-bars"] = "filmgrid-bars"
    format: Literal[1] = 1
    model: str
    weights: str
    """SHA-256 of the weights."""
    cell: str
    settings: dict[str, object]
    rows: list[BarResult]
    notes: list[str]
    versions: dict[str, str]

    def row(self, figure: str, reading: str) -> BarResult:
        """One of the rows."""
        return next(r for r in self.rows if (r.figure, r.reading) == (figure, reading))

    def text(self) -> str:
        """As a table for people."""
        lines = [f"{self.model}, weights {self.weights[:12]}, cells of {self.cell} px", ""]
        table = [("figure", "value", "true frames", "bar, GPU", "bar, CPU")]
        for row in self.rows:
            if row.value is None:
                trained = not row.note.startswith(UNTRAINED)
                what = row.what if trained else f"{row.figure}: {row.what}"
                table.append((what, "not shown" if trained else "not trained for", "", "", ""))
                continue
            real = "" if row.real is None else _number(row.real.value)
            bars = (_bar(row, row.gpu, row.gpu_mark), _bar(row, row.cpu, row.cpu_mark))
            table.append((row.what, _told(row), real, *bars))
        widths = [2 + max(len(line[column]) for line in table) for column in range(4)]
        lines += [
            "".join([*(f"{line[i]:<{widths[i]}}" for i in range(4)), line[4]]).rstrip()
            for line in table
        ]
        notes = [f"{row.figure}: {row.note}" for row in self.rows if row.note]
        return "\n".join([*lines, "", *dict.fromkeys([*notes, *self.notes])])


def sum_up(figure: str, row: Row, made: Sequence[Readings], real: Sequence[Readings]) -> BarResult:
    """Sum up one reading of all sequences, and compare it with its bars.

    Args:
        figure: its name.
        row: what is summed up, and how.
        made: readings of each sequence.
        real: the same of the true frames.
    """
    value, true = interval_of(row.how, _column(row, made)), interval_of(row.how, _column(row, real))
    return BarResult(
        figure=figure,
        reading=row.reading,
        what=row.what,
        unit=row.unit,
        how=row.how,
        at_most=row.at_most,
        value=value,
        real=true,
        gpu=row.gpu,
        cpu=row.cpu,
        gpu_mark=_mark(row, value, row.gpu),
        cpu_mark=_mark(row, value, row.cpu),
        note="" if value else "No sequence shows it; measure more of them.",
    )


def below_base(
    figure: str, row: Row, made: Sequence[Readings], base: Sequence[Readings]
) -> BarResult:
    """How far a reading is below that of another model on the same scenes, in points."""
    apart = [
        {row.reading: other[row.reading] - one[row.reading]}
        for one, other in zip(made, base, strict=True)
    ]
    found = sum_up(figure, row, apart, [])
    return found.model_copy(update={"reading": "below base"})


def interval_of(how: How, values: np.ndarray) -> Interval | None:
    """Sum up values of sequences; without an interval where there is one, none for none."""
    if not len(values):
        return None
    match how:
        case "share":
            found = Interval.of(wilson_share(values))
            return _scaled(found, 100)
        case "points" if len(values) > 1:
            return _scaled(Interval.of(bootstrap_mean(values, resamples=2000)), 100)
        case "mean" if len(values) > 1:
            return Interval.of(bootstrap_mean(values, resamples=2000))
        case "median" | "90th percentile" if len(values) > 1:
            q = 0.5 if how == "median" else 0.9
            return Interval.of(bootstrap(partial(_quantile, q=q), values))
        case _:
            return Interval(value=float(values[0]) * (100 if how == "points" else 1), n=1)


def _quantile(values: np.ndarray, q: float) -> float:
    return float(np.quantile(values, q))


def _column(row: Row, readings: Sequence[Readings]) -> np.ndarray:
    values = [each[row.reading] for each in readings if row.reading in each]
    return np.array([value for value in values if not math.isnan(value)], np.float64)


def _scaled(interval: Interval, factor: float) -> Interval:
    ends = {
        name: None if end is None else end * factor
        for name, end in (("low", interval.low), ("high", interval.high))
    }
    return interval.model_copy(update={"value": interval.value * factor, **ends})


def _mark(row: Row, value: Interval | None, bar: float | None) -> Mark | None:
    if value is None or bar is None:
        return None
    sign = -1 if row.at_most else 1
    reached = sign * value.value >= sign * bar
    if value.low is None or value.high is None or value.low < bar < value.high:
        return "reached?" if reached else "missed?"
    return "reached" if reached else "missed"


def _bar(row: BarResult, bar: float | None, mark: Mark | None) -> str:
    return "" if bar is None else f"{'<=' if row.at_most else '>='} {bar:g} {mark}"


def _told(row: BarResult) -> str:
    assert row.value is not None
    value, unit = row.value, f" {row.unit}"
    if value.low is None or value.high is None:
        return f"{_number(value.value)}{unit} (n {value.n})"
    ends = f"[{_number(value.low)}, {_number(value.high)}]"
    return f"{_number(value.value)} {ends}{unit} (n {value.n})"


def _number(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
