"""What a report says in words: numbers, verdicts, the headline, warnings."""

import math
from collections import Counter
from collections.abc import Mapping

from filmgrid.evaluation.catalogue import CATALOGUE, companion
from filmgrid.evaluation.compare import Difference
from filmgrid.evaluation.results import Evaluation, Interval, MetricResult, Verdict
from filmgrid.metrics.floors import FVD_SAMPLE

FEW = 20
"""Clips below which intervals are so wide that only large differences show."""

RANDOM = "random-"
"""Begins the name of a metric that was measured with random weights."""

_VERDICTS: dict[Verdict, str] = {
    "worse": "worse than real",
    "unlike real": "unlike real",
    "within noise": "within noise",
    "": "no verdict",
}


def number(value: float | None) -> str:
    """To four digits."""
    if value is None:
        return ""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4g}"


def brackets(interval: Interval | None) -> str:
    """The ends of an interval, or nothing."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    return f"[{number(interval.low)}, {number(interval.high)}]"


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, and so on."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if place % 100 in (11, 12, 13) else ending}"


def is_test(metric: MetricResult | Difference) -> bool:
    """Whether it was measured with random weights, and says nothing about the clips."""
    return metric.name.startswith(RANDOM)


def verdict_in_words(metric: MetricResult) -> str:
    """What is to be thought of a metric, in at most three words."""
    if metric.made is None:
        return "not measured"
    if is_test(metric):
        return "test only"
    has_none = not metric.verdict and metric.real is None and metric.paired is None
    return "no floor" if has_none else _VERDICTS[metric.verdict]


def is_by_clip(metric: MetricResult) -> bool:
    """Whether its verdict comes from generated minus real, clip by clip."""
    has_interval = metric.paired is not None and metric.paired.low is not None
    return has_interval and bool(metric.verdict) and not is_test(metric)


def reading(evaluation: Evaluation) -> list[str]:
    """How the verdicts come about, one text each; only what this evaluation needs."""
    found = [
        "Worse or unlike real: the two intervals do not touch; unlike also where the generated "
        "clips score better than real ones. Within noise: they touch, or a distance is below its "
        "floor."
    ]
    said = verdicts(evaluation)
    if "no floor" in said:
        found.append("No floor: there is nothing real to hold the number against.")
    if "no verdict" in said:
        found.append("No verdict: too few clips, or scores without an interval.")
    if any(map(is_by_clip, evaluation.metrics)):
        found.append(
            "Where every generated clip has a real one of its name, the verdict comes from "
            "“minus its real clip”: generated minus real, clip by clip, and whether that interval "
            "leaves 0 out. It sees smaller differences than the two means beside it, whose "
            "intervals may overlap all the same."
        )
    return found


def headline(evaluation: Evaluation) -> tuple[str, str]:
    """What a tired reader has to know: one line, and a sentence or two below it."""
    results = [metric for metric in evaluation.metrics if not is_test(metric)]
    counts = Counter(map(verdict_in_words, results))
    total = count_of(len(results), "metric")
    if not results:
        line = "Nothing but tests with random weights"
    elif not any(metric.verdict for metric in results):
        held = any(verdict_in_words(metric) == "no verdict" for metric in results)
        why = "a verdict" if held else "real clips to hold it against"
        line = f"{total}, none with {why}"
    elif len(results) == 1:
        line = f"{results[0].name}: {verdict_in_words(results[0])}"
    else:
        unlike = f", unlike them in {counts['unlike real']}" if counts["unlike real"] else ""
        line = f"Worse than real clips in {counts['worse than real'] or 'none'}{unlike} of {total}"
    told = {
        "within noise": "within noise",
        "no floor": "without a floor",
        "no verdict": "without a verdict",
        "not measured": "not measured",
    }
    others = [f"{counts[words]} {said}" for words, said in told.items() if counts[words]]
    tests = len(evaluation.metrics) - len(results)
    others += [f"{count_of(tests, 'test')} with random weights"] if tests else []
    made, real = evaluation.generated, evaluation.real
    sets = (
        f"{count_of(made.num_clips, 'generated clip')} of {made.frames} frames, {made.size} px, "
        f"against {real.num_clips:,} real."
    )
    return line, f"{sentence(', '.join(others))} {sets}".strip()


def verdicts(evaluation: Evaluation) -> dict[str, list[str]]:
    """Names of metrics by what is to be thought of them, worst news first."""
    order = (*_VERDICTS.values(), "no floor", "not measured", "test only")
    found: dict[str, list[str]] = {words: [] for words in order}
    for metric in evaluation.metrics:
        found[verdict_in_words(metric)].append(metric.name)
    return {words: names for words, names in found.items() if names}


def warnings(evaluation: Evaluation) -> list[str]:
    """What keeps the numbers from being taken at face value, one sentence each."""
    found: list[str] = []
    tests = [metric.name for metric in evaluation.metrics if is_test(metric)]
    if tests:
        found.append(
            f"Random weights: {', '.join(tests)}. These are tests that the way works, "
            "and no results."
        )
    few = {
        metric.name: metric.made.n
        for metric in evaluation.metrics
        if _is_frechet(metric) and metric.made is not None and metric.made.n < FVD_SAMPLE
    }
    if few:
        found.append(
            f"Small n: {', '.join(few)} from {min(few.values()):,} clips, fewer than "
            f"{FVD_SAMPLE:,}. Such Fréchet distances are mostly an effect of the number of clips. "
            "Compare them with their floor at the same n only, never with published ones."
        )
    clips = min(evaluation.real.num_clips, evaluation.generated.num_clips)
    if clips < FEW:
        found.append(
            f"Only {count_of(clips, 'clip')} on one side: below about {FEW}, intervals are so "
            "wide that only large differences show."
        )
    return found


def notes(evaluation: Evaluation) -> list[str]:
    """What the measuring itself had to say."""
    return [*evaluation.notes, *(f"{m.name}: {m.note}" for m in evaluation.metrics if m.note)]


def comparison_headline(differences: Mapping[str, Difference]) -> tuple[str, str]:
    """Which of two runs is better, in one line, and how the metrics fall."""
    results = [each for each in differences.values() if not is_test(each)]
    counts = Counter(each.verdict for each in results)
    total = count_of(len(results), "metric")
    if not counts["second better"] and not counts["first better"]:
        line = f"No clear winner in {total}"
    else:
        line = (
            f"The second run is better in {counts['second better'] or 'none'}, "
            f"the first in {counts['first better'] or 'none'} of {total}"
        )
    others: list[str] = []
    if counts["no clear difference"]:
        others.append(f"{counts['no clear difference']} without a clear difference")
    if counts["differ"]:
        others.append(
            f"{counts['differ']} with one in what should be like the real clips, where its sign "
            "alone does not say which run is better"
        )
    return line, sentence(", ".join(others))


def count_of(count: int, noun: str) -> str:
    """1 clip, 2 clips."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith(".") else ".")


def _is_frechet(metric: MetricResult) -> bool:
    known = CATALOGUE.get(metric.name.removeprefix(RANDOM))
    return known is not None and companion(known) is not None
