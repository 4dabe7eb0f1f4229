"""Tables and plots of ``docs/ablation.md`` from what was scored."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.ablation.arms import EFFICIENCY, QUESTIONS, SEEDS, SHAPE_OF_DATA, Question
from benchmarks.ablation.run import read
from filmgrid.evaluation.report_plots import Row, interval_plot, standalone
from filmgrid.evaluation.results import Interval
from filmgrid.metrics.paired import PairedDifference, paired_difference


class Reading(NamedTuple):
    """A column.

    Args:
        words: its head.
        shares: whether it is a share of scenes, told in percent.
        up: whether more is better.
    """

    words: str
    shares: bool = True
    up: bool = True


READINGS = {
    "psnr": Reading("denoising, dB", shares=False),
    "colour": Reading("colour"),
    "shape": Reading("shape"),
    "verb": Reading("verb"),
    "path": Reading("path, px", shares=False, up=False),
    "last colour": Reading("colour at the end"),
    "last shape": Reading("shape at the end"),
    "image verb": Reading("verb"),
    "between": Reading("interpolation, dB", shares=False),
    "unseen": Reading("nothing to see", up=False),
    "off path": Reading("off its path, px", shares=False, up=False),
}


def report(results: Path, docs: Path) -> None:
    """Bring the tables and plots up to date; the words between them stay.

    Args:
        results: where scores are.
        docs: with ``ablation.md``, and ``images/ablation`` for the plots.
    """
    page = docs / "ablation.md"
    text = page.read_text(encoding="utf-8")
    pictures = docs / "images" / "ablation"
    pictures.mkdir(parents=True, exist_ok=True)
    for question in QUESTIONS:
        text = _put(text, question.name, table(question, results))
        plot = plot_of(question, results)
        if plot:
            (pictures / f"{question.name}.svg").write_text(standalone(plot), encoding="utf-8")
    curve = curve_of(results)
    if curve:
        (pictures / "data.svg").write_text(standalone(curve), encoding="utf-8")
    page.write_text(text, encoding="utf-8")


def _put(text: str, name: str, table: str) -> str:
    """The page with the block of this name replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    block = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    if not block.search(text):
        raise SystemExit(f"docs/ablation.md has no place {begin} … {end}. Add one.")
    return block.sub(lambda _: f"{begin}\n{table}\n{end}", text)


def table(question: Question, results: Path) -> str:
    """Means of every arm, and below each other arm how it differs from the first."""
    arms = {words: read(results, arm.name) for words, arm in question.arms.items()}
    columns = question.readings
    heads = [READINGS[name].words for name in columns]
    lines = [f"| | {' | '.join(heads)} | steps | seeds |", "|---" * (len(heads) + 3) + "|"]
    first = next(iter(arms.values()))
    for words, arm in arms.items():
        if not arm:
            lines.append(f"| {words} |{' |' * len(heads)} | not yet |")
            continue
        cells = [_cell(name, arm, first) for name in columns]
        steps = "/".join(sorted({str(told["steps"]) for told in arm.values()}))
        lines.append(f"| {words} | {' | '.join(cells)} | {steps} | {len(arm)} |")
    return "\n".join(lines)


def _cell(name: str, arm: dict[str, Any], first: dict[str, Any]) -> str:
    seeds = [seed for seed in arm if name in arm[seed]["scores"]]
    if not seeds:
        return "–"
    found = np.array([np.nanmean(_values(arm[seed], name)) for seed in seeds])
    told = _told(float(found.mean()), name)
    if arm is first:
        return told
    compared = difference(name, first, arm)
    return told if compared is None else f"{told} ({_words(name, *compared)})"


def _words(name: str, found: PairedDifference, by_seed: Sequence[float]) -> str:
    """The difference and its interval; bold where all seeds agree with it."""
    value, low, high = (
        _told(each, name, sign=True)
        for each in (found.difference.value, found.difference.low, found.difference.high)
    )
    sure = found.difference.low * found.difference.high > 0
    agree = len(by_seed) >= len(SEEDS) and len({np.sign(each) for each in by_seed}) == 1
    said = f"{value}, {low} to {high}"
    return f"**{said}**" if sure and agree else said


def difference(
    name: str, first: dict[str, Any], second: dict[str, Any]
) -> tuple[PairedDifference, list[float]] | None:
    """Second less first, scene by scene, each the mean over the seeds that both have.

    Returns:
        The difference with its interval over scenes, and the difference of each seed; None
        where they have nothing in common.
    """
    seeds = [
        seed
        for seed in first
        if seed in second and name in first[seed]["scores"] and name in second[seed]["scores"]
    ]
    if not seeds:
        return None
    before = np.array([_values(first[seed], name) for seed in seeds])
    after = np.array([_values(second[seed], name) for seed in seeds])
    both = np.isfinite(before + after).all(axis=0)
    if both.sum() < 2:
        return None
    before, after = before[:, both], after[:, both]
    numbers = [str(number) for number in np.flatnonzero(both)]
    found = paired_difference(
        dict(zip(numbers, before.mean(0).tolist(), strict=True)),
        dict(zip(numbers, after.mean(0).tolist(), strict=True)),
        higher_is_better=READINGS[name].up,
    )
    return found, (after - before).mean(1).tolist()


def _values(told: dict[str, Any], name: str) -> np.ndarray:
    return np.array(
        [np.nan if value is None else value for value in told["scores"][name]], dtype=np.float64
    )


def _told(value: float, name: str, sign: bool = False) -> str:
    reading = READINGS[name]
    if reading.shares:
        return f"{100 * value:+.0f}" if sign else f"{100 * value:.0f} %"
    return f"{value:+.2f}" if sign else f"{value:.2f}"


def plot_of(question: Question, results: Path) -> str:
    """How the other arms differ from the first in the first reading of the question."""
    (_, base), *others = question.arms.items()
    name = question.readings[0]
    rows = []
    for number, (_, arm) in enumerate(others, start=1):
        found = difference(name, read(results, base.name), read(results, arm.name))
        if found is not None:
            rows.append(Row(f"{number} − 0", "made", Interval.of(found[0].difference)))
    about = f"{question.name}: difference of {READINGS[name].words} from the first line"
    return interval_plot(rows, about, zero=True) if rows else ""


def curve_of(results: Path) -> str:
    """One denoising step against the share of the dataset, for grids and for stacked frames."""
    rows = []
    for percent, question in {**EFFICIENCY, 100: SHAPE_OF_DATA}.items():
        for tone, arm in zip(("made", "real"), question.arms.values(), strict=True):
            found = _interval(read(results, arm.name))
            if found is not None:
                kind = "grid" if tone == "made" else "stack"
                rows.append(Row(f"{percent} % {kind}", tone, found))
    about = "PSNR of one denoising step, by share of the dataset: grids and stacked frames"
    return interval_plot(rows, about) if rows else ""


def _interval(arm: dict[str, Any]) -> Interval | None:
    """Mean over seeds, from the lowest seed to the highest."""
    means = [float(np.nanmean(_values(told, "psnr"))) for told in arm.values()]
    if not means:
        return None
    return Interval(value=float(np.mean(means)), low=min(means), high=max(means), n=len(means))
