"""Two evaluations against the same real clips: is the other run better? Torch-free."""

import numpy as np
from pydantic import BaseModel

from filmgrid.errors import ConfigError
from filmgrid.evaluation.results import RECORD, Evaluation, Interval, MetricResult
from filmgrid.metrics.floors import from_halves
from filmgrid.metrics.paired import paired_difference


class Difference(BaseModel):
    """How the second run differs from the first in one metric."""

    model_config = RECORD

    name: str
    better: str
    """Which way is better; ``real``: neither, being like the real clips is."""
    first: float
    second: float
    difference: Interval
    """Second minus first: by clip, or by draw for distances between sets."""
    share_better: float | None = None
    """Share of clips (or draws) on which the second run is better, 0 to 1."""
    p_value: float | None = None
    """Of the two-sided sign-flip test over clips; None for distances."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Which run is better, where the interval leaves 0 out and the p-value agrees.

        With five clips or fewer the p-value never does, at a level of 0.95.
        """
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "no clear difference"
        if self.p_value is not None and self.p_value > 1 - (self.difference.level or 0.95):
            return "no clear difference"
        if self.better == "real":
            return "differ"
        return "second better" if (low > 0) == (self.better == "higher") else "first better"

    def text(self) -> str:
        """As a line for people."""
        change = self.difference
        interval = "" if change.low is None else f" [{change.low:+.4g}, {change.high:+.4g}]"
        line = f"{self.name:<24}second - first {change.value:+.4g}{interval}"
        if self.share_better is not None and self.better != "real":
            of = f"{change.n} clips" if self.p_value is not None else "the draws"
            line += f", second better on {self.share_better:.0%} of {of}"
        if self.p_value is not None:
            line += f", p {self.p_value:.3g}"
        return f"{line}: {self.verdict}" + (f" ({self.note})" if self.note else "")


def compare_runs(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Paired differences, second minus first, of every metric that both measured alike.

    Scores of clips are compared clip by clip (see ``filmgrid.metrics.paired``). Distances between
    sets are compared draw by draw: both runs drew the same real clips and made clips of the same
    numbers, so that what they share cancels. The interval is from the differences between halves
    of the draws, as that of each distance is; there is no p-value.

    Raises:
        ConfigError: if they have no metric in common, or were held against other real clips.
    """
    if first.real.sha256 != second.real.sha256:
        raise ConfigError(
            f"The runs were held against different real clips: {first.real.path} "
            f"({first.real.num_clips} clips) and {second.real.path} ({second.real.num_clips}). "
            "Evaluate both against the same, with the same --frames, --clips and --size."
        )
    _check_settings(first, second)
    found: dict[str, Difference] = {}
    others = {metric.name: metric for metric in second.metrics}
    for one in first.metrics:
        other = others.get(one.name)
        if other is None or one.made is None or other.made is None:
            continue
        if one.features != other.features:
            raise ConfigError(
                f"{one.name} was measured with other weights or another preprocessing in the two "
                "runs. Evaluate both in the same way."
            )
        difference = _difference(one, other)
        if difference is not None:
            found[one.name] = difference
    if not found:
        raise ConfigError(
            "The runs share no metric that can be compared. Evaluate both with the same --metrics."
        )
    return found


MUST_AGREE = ("frames", "start", "real_stride", "size", "fit", "kept", "layout")
"""Settings that decide what any metric looks at."""
DRAWS = ("seed", "repeats", "level", "floor")
"""Settings that decide which clips distances are drawn from."""


def _check_settings(first: Evaluation, second: Evaluation) -> None:
    """Refuse runs that were not measured in the same way."""
    has_distances = any(metric.draws for metric in first.metrics)
    for name in (*MUST_AGREE, *(DRAWS if has_distances else ())):
        one, other = (run.settings.get(name) for run in (first, second))
        if one != other:
            raise ConfigError(
                f"The runs were measured with another --{name.replace('_', '-')}: {one} and "
                f"{other}. Evaluate both with the same."
            )


def _difference(one: MetricResult, other: MetricResult) -> Difference | None:
    assert one.made is not None and other.made is not None
    if one.clips and other.clips:
        scores, left = _finite(one.clips, other.clips)
        if len(scores[0]) < 2:
            return None
        pair = paired_difference(*scores, higher_is_better=one.better == "higher")
        return Difference(
            name=one.name,
            better=one.better,
            difference=Interval.of(pair.difference),
            share_better=pair.share_better,
            p_value=pair.p_value,
            note=f"{left} clips with an infinite score left out" if left else "",
            first=one.made.value,
            second=other.made.value,
        )
    if not one.draws or len(one.draws) != len(other.draws) or one.made.n != other.made.n:
        return None
    steps = np.array(other.draws) - np.array(one.draws)
    halves = np.array(other.halves) - np.array(one.halves)
    estimate = from_halves(steps.mean(), halves, one.made.n, one.made.level or 0.95)
    better = steps < 0 if one.better == "lower" else steps > 0
    return Difference(
        name=one.name,
        better=one.better,
        difference=Interval.of(estimate),
        share_better=float(better.mean()),
        first=one.made.value,
        second=other.made.value,
    )


def _finite(
    one: dict[str, float], other: dict[str, float]
) -> tuple[tuple[dict[str, float], dict[str, float]], int]:
    """Both without the clips that have no finite score in one of them."""
    left = {name for scores in (one, other) for name, v in scores.items() if not np.isfinite(v)}
    kept = [{k: v for k, v in scores.items() if k not in left} for scores in (one, other)]
    return (kept[0], kept[1]), len(left)
