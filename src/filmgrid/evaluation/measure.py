"""Carry out an evaluation: every metric with its interval, and its floor where it has one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from filmgrid.data.provenance import current_versions
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.evaluation.clips import ClipSet
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.features import Extractor
from filmgrid.evaluation.offline import offline_features
from filmgrid.evaluation.results import Evaluation, Interval, MetricResult
from filmgrid.metrics.floors import at_sample_size, real_floor
from filmgrid.metrics.frames import moving_pixels, psnr, ssim
from filmgrid.metrics.frechet import frechet_distance
from filmgrid.metrics.health import frozen_share, grain, loop_closure, order_score
from filmgrid.metrics.kernel import polynomial_mmd
from filmgrid.metrics.statistics import bootstrap_mean
from filmgrid.types import FrameArray

HEALTH: dict[str, Callable[[FrameArray], float]] = {
    "order": order_score,
    "frozen": frozen_share,
    "grain": grain,
    "loop": loop_closure,
}
FIDELITY: dict[str, Callable[[FrameArray, FrameArray], float]] = {
    "psnr": psnr,
    "ssim": ssim,
    "psnr-moving": lambda real, made: psnr(real, made, moving_pixels(real)),
    "ssim-moving": lambda real, made: ssim(real, made, moving_pixels(real)),
}
DISTANCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mmd": polynomial_mmd,
    "fd": frechet_distance,
}
LEAST_CLIPS = 4
"""Clips on the real side from which on there is a floor: two against two others."""


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Measure made clips against real ones.

    Raises:
        DatasetError: if one side has no clips.
        ShapeError: if clips that are compared differ in size or length.
        ConfigError: if there are too few clips for a metric, or no names in common.
    """
    real = ClipSet(config.real, config.split, config.frames)
    made = ClipSet(config.generated, config.split, config.frames)
    results = [_measured(name, real, made, config) for name in config.metrics]
    return Evaluation(
        real=str(config.real),
        generated=str(config.generated),
        num_real=len(real),
        num_generated=len(made),
        settings=config.model_dump(mode="json", exclude={"real", "generated"}),
        metrics=results,
        versions=current_versions(),
    )


def _measured(name: str, real: ClipSet, made: ClipSet, config: EvaluateConfig) -> MetricResult:
    if name in FIDELITY:
        scores = dict(_fidelity(name, real, made))
        return MetricResult(name=name, made=_mean(list(scores.values()), config), clips=scores)
    if name in HEALTH:
        scores = {clip: HEALTH[name](made[clip]) for clip in made.names}
        usual = [HEALTH[name](clip) for clip in real]
        return MetricResult(
            name=name,
            made=_mean(list(scores.values()), config),
            real=_mean(usual, config),
            clips=scores,
        )
    kind, _, features = name.partition("-")
    extractor = offline_features(features)  # pyright: ignore[reportArgumentType]  # checked before
    return _distance(name, DISTANCES[kind], extractor, real, made, config)


def _fidelity(name: str, real: ClipSet, made: ClipSet) -> Iterator[tuple[str, float]]:
    """Score every made clip against the real clip of its name."""
    known = set(real.names)
    missing = [clip for clip in made.names if clip not in known]
    if missing:
        raise ConfigError(
            f"{name} compares clips of the same name, and {real.path} has no {missing[0]} "
            f"({len(missing)} of {len(made)} have no partner). Rename the made clips as the real "
            "ones, or leave that metric out."
        )
    for clip in made.names:
        one, other = real[clip], made[clip]
        if one.shape != other.shape:
            raise ShapeError(
                f"{clip} has {_size(one)} in {real.path} and {_size(other)} in {made.path}. Bring "
                "both to one size and length first, or use --frames."
            )
        yield clip, FIDELITY[name](one, other)


def _distance(
    name: str,
    distance: Callable[[np.ndarray, np.ndarray], float],
    extractor: Extractor,
    real: ClipSet,
    made: ClipSet,
    config: EvaluateConfig,
) -> MetricResult:
    """A distance between the sets at one n, and between real clips and real clips at that n."""
    one, other = (np.stack(list(extractor.extract(clips))) for clips in (real, made))
    used = min(len(other), len(one) // 2)
    if len(one) < LEAST_CLIPS or used < LEAST_CLIPS // 2:
        raise ConfigError(
            f"{name} needs at least {LEAST_CLIPS} real clips and {LEAST_CLIPS // 2} made ones, and "
            f"there are {len(one)} and {len(other)}. Give more, or leave that metric out."
        )
    draws: dict[str, Any] = config.model_dump(include={"repeats", "level", "seed"})
    return MetricResult(
        name=name,
        made=Interval.of(at_sample_size(distance, one, other, used, **draws)),
        real=Interval.of(real_floor(distance, one, used, **draws).estimate),
        features=extractor.statement.fingerprint,
    )


def _mean(scores: list[float], config: EvaluateConfig) -> Interval:
    """Mean over clips; without an interval where one clip or an infinite score allows none."""
    if len(scores) < 2 or not np.isfinite(scores).all():
        return Interval(value=float(np.mean(scores)), n=len(scores))
    return Interval.of(bootstrap_mean(np.array(scores), level=config.level, seed=config.seed))


def _size(clip: FrameArray) -> str:
    return f"{len(clip)} frames of {clip.shape[1]}x{clip.shape[2]} px"
