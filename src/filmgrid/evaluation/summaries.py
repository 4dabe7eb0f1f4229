"""From the scores and features of clips to results: means, distances, floors, intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np

from filmgrid.evaluation.catalogue import Metric
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.instruments import Instruments
from filmgrid.evaluation.passes import Side
from filmgrid.evaluation.results import Interval, MetricResult
from filmgrid.metrics.floors import FVD_SAMPLE, at_sample_size, real_floor
from filmgrid.metrics.frechet import frechet_distance
from filmgrid.metrics.inception import inception_score
from filmgrid.metrics.kernel import polynomial_mmd
from filmgrid.metrics.statistics import bootstrap_mean

Distance = Callable[[np.ndarray, np.ndarray], float]

SPLITS = 10
"""Of the inception score, as published."""


def is_unbiased(name: str) -> bool:
    """Whether a distance is 0 on average between samples of one distribution, however few."""
    return name == "kid" or name.startswith("mmd-")


def summarise(
    metric: Metric,
    sides: tuple[Side, Side],
    pairs: dict[str, str],
    instruments: Instruments,
    config: EvaluateConfig,
) -> MetricResult:
    """What one metric found over both sides, with its interval and its floor."""
    facts: dict[str, Any] = metric_facts(metric, instruments)
    if metric.kind == "distance":
        return _distance(metric, facts, *sides, config)
    if metric.kind == "score":
        return _score(metric, facts, sides[1])
    clips = _in_order(sides[1], metric.name)
    usual = _in_order(sides[0], metric.name) if metric.kind == "clip" else {}
    counted = len(sides[1].clips) - len(clips)
    if counted:
        facts["note"] += f"says nothing of {counted} of {len(sides[1].clips)} clips. "
    infinite = sum(not np.isfinite(score) for score in clips.values())
    if infinite:
        facts["note"] += f"{infinite} of {len(clips)} clips have no finite score. "
    return MetricResult(
        **facts,
        made=_mean(clips, config) if clips else None,
        real=_mean(usual, config) if usual else None,
        paired=_paired(clips, usual, pairs, config),
        clips=clips,
        real_clips=usual,
    )


def metric_facts(metric: Metric, instruments: Instruments) -> dict[str, Any]:
    """What a result says about its metric and what it was measured with."""
    name, note, fingerprint = metric.name, "", ""
    if metric.instruments:
        statement = instruments.statement(metric.instruments[0])
        fingerprint = statement.fingerprint
        if statement.weights.source == "seed" and not metric.is_offline:
            name = f"random-{name}"
            note = "measured with random weights: a test of the way, and no result."
    return {
        "name": name,
        "kind": metric.kind,
        "better": metric.better,
        "about": metric.about,
        "unit": metric.unit,
        "features": fingerprint,
        "note": note,
    }


def _in_order(side: Side, metric: str) -> dict[str, float]:
    scores = side.scores.get(metric, {})
    return {name: scores[name] for name in side.clips.names if name in scores}


def _distance(
    metric: Metric, facts: dict[str, Any], real: Side, made: Side, config: EvaluateConfig
) -> MetricResult:
    """A distance between the sets at one n, and between real clips and real clips at that n."""
    one, other = (side.sample(metric.instruments[0]) for side in (real, made))
    statistic = _statistic(metric)
    draws: dict[str, Any] = config.model_dump(include={"repeats", "level", "seed"})
    whole = min(len(one), len(other))
    used = min(len(other), len(one) // 2) if config.floor else whole
    found = at_sample_size(statistic, one, other, used, **draws)
    floor = full = None
    if config.floor:
        floor = Interval.of(real_floor(statistic, one, used, **draws).estimate)
    if config.floor and whole > used and (whole >= FVD_SAMPLE or is_unbiased(metric.name)):
        full = Interval.of(at_sample_size(statistic, one, other, whole, **draws).estimate)
    return MetricResult(
        **facts,
        made=Interval.of(found.estimate),
        real=floor,
        full=full,
        draws=found.draws.tolist(),
        halves=found.halves.tolist(),
    )


def _statistic(metric: Metric) -> Distance:
    """The distance between sets of clips, whose frames stay together where features have any."""

    def between(one: np.ndarray, other: np.ndarray) -> float:
        real, made = (features.reshape(-1, features.shape[-1]) for features in (one, other))
        if not is_unbiased(metric.name):
            return frechet_distance(real, made)
        rows = (len(real) // len(one), len(made) // len(other))
        return polynomial_mmd(real, made, rows_per_clip=rows)

    return between


def _score(metric: Metric, facts: dict[str, Any], made: Side) -> MetricResult:
    """An inception score, whose spread over splits is no interval."""
    logits = made.sample(metric.instruments[0]).astype(np.float64)
    logits = logits.reshape(-1, logits.shape[-1])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    splits = min(SPLITS, len(logits))
    found = inception_score(weights / weights.sum(axis=1, keepdims=True), splits)
    notes = [facts.pop("note"), f"standard deviation over {splits} splits: {found.std:.4g}."]
    return MetricResult(
        **facts,
        made=Interval(value=found.mean, n=len(made.clips)),
        note=" ".join(note for note in notes if note),
    )


def _mean(scores: dict[str, float], config: EvaluateConfig) -> Interval:
    """Mean over clips; without an interval where one clip or an infinite score allows none."""
    values = np.array(list(scores.values()))
    if len(values) < 2 or not np.isfinite(values).all():
        return Interval(value=float(np.mean(values)), n=len(values))
    return Interval.of(bootstrap_mean(values, level=config.level, seed=config.seed))


def _paired(
    clips: dict[str, float],
    usual: dict[str, float],
    pairs: dict[str, str],
    config: EvaluateConfig,
) -> Interval | None:
    """Made minus real, clip by clip, where every made clip has a real one and there are several."""
    if len(clips) < 2 or any(pairs.get(name) not in usual for name in clips):
        return None
    steps = {name: score - usual[pairs[name]] for name, score in clips.items()}
    return _mean(steps, config) if np.isfinite(list(steps.values())).all() else None
