"""Which clips a report shows: those that score worst, usual ones, and where two runs differ.

Metrics with random weights are tests of the way, and choose nothing.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from filmgrid.evaluation.compare import Difference
from filmgrid.evaluation.report_words import count_of, is_test, number, ordinal
from filmgrid.evaluation.results import Evaluation, MetricResult

NOTABLE = 3
"""Up to which place from the worst a score is told with its clip."""
MAX_REASONS = 5
"""Scores told with one clip."""

Badness = dict[str, float]
"""By clip: larger is worse."""
Places = dict[str, int]
"""By clip: 1 is the worst."""


@dataclass(frozen=True, slots=True)
class Case:
    """A clip to look at.

    Args:
        name: of the made clip.
        reasons: its scores that brought it here, one text each.
    """

    name: str
    reasons: tuple[str, ...] = ()


def worst_cases(evaluation: Evaluation) -> Iterator[Case]:
    """Clips that metrics score badly, worst first, so that few of them show all that goes wrong.

    In every round each metric is to have its worst clip that is not shown yet; one that is the
    worst in many metrics comes before one that is so in few.
    """
    metrics = list(_judging(evaluation))
    places = {metric.name: _places(badness(metric)) for metric in metrics}
    for name in _covering(places):
        yield Case(name, _why_worst(name, metrics, places))


def usual_cases(evaluation: Evaluation) -> list[Case]:
    """All clips that a metric scores, those nearest to the middle of most metrics first."""
    metrics = list(_judging(evaluation))
    places = {metric.name: _places(badness(metric)) for metric in metrics}

    def from_middle(name: str) -> float:
        """0 in the middle of every metric, 1 at one end of each."""
        found = [
            abs(2 * places[metric.name].get(name, count) / (count + 1) - 1)
            for metric in metrics
            if name in metric.clips and (count := len(metric.clips))
        ]
        return sum(found) / len(found)

    names = dict.fromkeys(name for metric in metrics for name in metric.clips)
    return [Case(name, _told(metrics, name, {})) for name in sorted(names, key=from_middle)]


def differing_cases(
    first: Evaluation, second: Evaluation, differences: Mapping[str, Difference]
) -> Iterator[Case]:
    """Clips of two runs, those first whose scores differ most, as :func:`worst_cases` orders."""
    places: dict[str, Places] = {}
    told: dict[str, dict[str, str]] = {}
    for each in differences.values():
        one, other = first.metric(each.name), second.metric(each.name)
        if one is None or other is None or is_test(each):
            continue
        shared = [clip for clip in one.clips if clip in other.clips]
        steps = {clip: abs(other.clips[clip] - one.clips[clip]) for clip in shared}
        finite = {clip: step for clip, step in steps.items() if math.isfinite(step)}
        places[each.name] = _places(_above_best(finite))
        told[each.name] = {
            clip: f"{each.name} {number(one.clips[clip])} → {number(other.clips[clip])}{_unit(one)}"
            for clip in shared
        }
    for clip in _covering(places):
        ranked = sorted((of[clip], name) for name, of in places.items() if clip in of)
        bar = max(NOTABLE, ranked[0][0])
        yield Case(
            clip,
            tuple(
                f"{told[name][clip]}: {_placed(place, 'largest change')} of {len(told[name])}"
                for place, name in ranked[:MAX_REASONS]
                if place <= bar
            ),
        )


def badness(metric: MetricResult) -> Badness:
    """How bad each clip is, without those that score best; empty where all score the same."""
    scores = {name: score for name, score in metric.clips.items() if not math.isnan(score)}
    if metric.better == "real":
        usual = usual_score(metric)
        if usual is None:
            return {}
        scores = {name: abs(score - usual) for name, score in scores.items()}
    elif metric.better == "higher":
        scores = {name: -score for name, score in scores.items()}
    return _above_best(scores)


def usual_score(metric: MetricResult) -> float | None:
    """Mean score of the real clips, infinite ones left out."""
    finite = [score for score in metric.real_clips.values() if math.isfinite(score)]
    return sum(finite) / len(finite) if finite else None


def _judging(evaluation: Evaluation) -> Iterator[MetricResult]:
    return (metric for metric in evaluation.metrics if not is_test(metric) and badness(metric))


def _above_best(found: Badness) -> Badness:
    best = min(found.values(), default=0.0)
    return {name: bad for name, bad in found.items() if bad > best}


def _places(found: Badness) -> Places:
    """Place of each clip from the worst, 1 first; equal clips share the best of theirs."""
    bad = np.array(list(found.values()))
    num_worse = len(bad) - np.searchsorted(np.sort(bad), bad, side="right")
    return {name: 1 + int(count) for name, count in zip(found, num_worse, strict=True)}


def _covering(places: Mapping[str, Places]) -> Iterator[str]:
    """All clips, so that every metric soon has its worst ones: greedy covers, one after another."""
    left = {name: dict(of) for name, of in places.items() if of}
    while left:
        waiting = {name: _first(of) for name, of in left.items()}
        while waiting:
            counts = Counter(clip for clips in waiting.values() for clip in clips)
            chosen = max(counts, key=lambda clip: counts[clip])
            yield chosen
            waiting = {name: clips for name, clips in waiting.items() if chosen not in clips}
            for of in left.values():
                of.pop(chosen, None)
        left = {name: of for name, of in left.items() if of}


def _first(of: Places) -> list[str]:
    """Clips at the worst place there is."""
    place = min(of.values())
    return [name for name, own in of.items() if own == place]


def _why_worst(
    name: str, metrics: Sequence[MetricResult], places: Mapping[str, Places]
) -> tuple[str, ...]:
    own = {metric: of[name] for metric, of in places.items() if name in of}
    bar = max(NOTABLE, min(own.values()))
    notable = [metric for metric in metrics if own.get(metric.name, bar + 1) <= bar]
    notable.sort(key=lambda metric: own[metric.name])
    words: dict[str, str] = {}
    for metric in notable:
        place = own[metric.name]
        sharing = sum(other == place for other in places[metric.name].values())
        words[metric.name] = f"{_placed(place, 'worst')} of {len(metric.clips)}" + (
            f", shared by {sharing}" if sharing > 1 else ""
        )
    return _told(notable, name, words)


def _told(metrics: Sequence[MetricResult], name: str, words: Mapping[str, str]) -> tuple[str, ...]:
    """Scores of a clip with the mean of the real ones, and what else is to be said of each."""
    texts: list[str] = []
    scored = [metric for metric in metrics if name in metric.clips]
    for metric in scored[:MAX_REASONS]:
        usual = usual_score(metric)
        text = f"{metric.name} {number(metric.clips[name])}{_unit(metric)}"
        text += "" if usual is None else f" (real clips {number(usual)})"
        texts.append(text + (f": {words[metric.name]}" if metric.name in words else ""))
    if len(scored) > MAX_REASONS:
        texts.append(f"and {count_of(len(scored) - MAX_REASONS, 'more metric')}")
    return tuple(texts)


def _placed(place: int, what: str) -> str:
    return what if place == 1 else f"{ordinal(place)} {what}"


def _unit(metric: MetricResult) -> str:
    return f" {metric.unit}" if metric.unit else ""
