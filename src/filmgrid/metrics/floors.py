"""Real clips against real clips: what a distance between sets comes to when nothing is wrong.

Free of torch. Distances such as FID and FVD are not 0 between two samples of one and the same
distribution, and with few clips most of the number is this floor.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from filmgrid.errors import ConfigError
from filmgrid.metrics.statistics import (
    Estimate,
    Sample,
    Statistic,
    check_draws,
    draw_clips,
    spread,
    student_reach,
)

FVD_SAMPLE = 2048
"""Clips on each side from which on a Fréchet distance may stand alone."""


@dataclass(frozen=True, slots=True)
class RealFloor:
    """What a distance comes to between real clips and other real clips."""

    estimate: Estimate
    """Mean over the draws, and the range that ``level`` of the draws fall in."""
    asked: int
    """The n that was asked for; ``estimate.n`` was used."""
    repeats: int

    @property
    def n(self) -> int:
        """Clips on each side."""
        return self.estimate.n

    @property
    def has_asked_size(self) -> bool:
        """False if there were fewer than ``2 * asked`` real clips, so that n is smaller."""
        return self.n == self.asked


@dataclass(frozen=True, slots=True)
class SampledDistance:
    """A distance between n real and n made clips."""

    estimate: Estimate
    """Mean over the draws with its interval, which below 4 clips is empty (NaN)."""
    draws: Float64[np.ndarray, " draws"]
    """Distances behind the mean."""
    halves: Float64[np.ndarray, " draws"]
    """Distances between halves of the same draws, whose spread the interval is from."""


def real_floor(
    statistic: Statistic,
    real: Sample,
    n: int,
    *,
    repeats: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> RealFloor:
    """Measure the distance between two disjoint random samples of the real clips.

    What perfect clips would score: a distance near its floor says nothing against the made
    clips, and cannot say anything for them either.

    Args:
        statistic: a distance, called with two samples of real clips.
        real: the real clips.
        n: clips on each side; half of the real ones where there are fewer than ``2 * n``, which
            the result says.
        repeats: draws, at least 2. They share clips, so the mean of them is less certain than
            their range suggests.
        level: between 0 and 1; with few repeats the range is nearly their smallest to largest.
        seed: of the draws.

    Raises:
        ShapeError: if there are fewer than four real clips.
        ConfigError: if n, repeats or level make no sense.
    """
    check_draws(repeats, level, (real,), least=4, least_draws=2)
    _check_size(n)
    random = np.random.default_rng(seed)
    used = min(n, len(real) // 2)
    values = []
    for _ in range(repeats):
        drawn = draw_clips(random, real, 2 * used)
        values.append(statistic(real[drawn[:used]], real[drawn[used:]]))
    low, high = spread(np.array(values), level)
    return RealFloor(Estimate(float(np.mean(values)), low, high, used, level), n, repeats)


def at_sample_size(
    statistic: Statistic,
    real: Sample,
    made: Sample,
    n: int,
    *,
    repeats: int = 20,
    level: float = 0.95,
    seed: int = 0,
) -> SampledDistance:
    """Measure the distance between random samples of n real and n made clips.

    The neighbour of :func:`real_floor`: a biased distance may be held against its floor, or
    against another run's, only at one and the same n. Two runs of equally many clips draw the
    same clips at one seed, so that their draws are pairs.

    The interval is that of half-sampling (see ``filmgrid.metrics.statistics``), from the standard
    deviation of the distances between halves of the draws, since the draws themselves share
    clips and agree too well.

    Args:
        statistic: a distance, called with a sample of real and a sample of made clips.
        real: the real clips, at least n.
        made: the made clips, at least n.
        n: clips on each side, at least 2.
        repeats: draws, at least 2; they share clips.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ShapeError: if there are fewer than n clips.
        ConfigError: if n, repeats or level make no sense.
    """
    _check_size(n)
    check_draws(repeats, level, (real, made), least=n, least_draws=2)
    random = np.random.default_rng(seed)
    values, halves = [], []
    for _ in range(repeats):
        one, other = real[draw_clips(random, real, n)], made[draw_clips(random, made, n)]
        values.append(statistic(one, other))
        if n >= 4:
            halves.append(statistic(one[: n // 2], other[: n // 2]))
    estimate = from_halves(np.mean(values), np.array(halves), n, level)
    return SampledDistance(estimate, np.array(values), np.array(halves))


def from_halves(
    value: float | np.floating, halves: Float64[np.ndarray, " draws"], n: int, level: float
) -> Estimate:
    """A value with the interval that its spread over half-samples gives; NaN without halves."""
    reach = float("nan")
    if len(halves):
        reach = student_reach(level, len(halves) - 1) * float(np.std(halves, ddof=1))
    return Estimate(float(value), float(value) - reach, float(value) + reach, n, level)


def check_fvd_sample(
    num_real: int, num_made: int, floor: RealFloor | None = None, least: int = FVD_SAMPLE
) -> None:
    """Refuse a Fréchet distance from so few clips that it is mostly bias.

    From ``least`` clips on each side it may stand alone. Below, the same number of clips on both
    sides and the real-vs-real floor at that number are needed, to be reported with it.

    Args:
        num_real: real clips that the distance was computed from.
        num_made: made clips that it was computed from.
        floor: the floor that will be printed beside it.
        least: 2,048 as published for FVD.

    Raises:
        ConfigError: if the distance must not be reported like this.
    """
    fewest = min(num_real, num_made)
    if fewest >= least:
        return
    if floor is None:
        raise ConfigError(
            f"A Fréchet distance from {fewest} clips is mostly an effect of their number: give at "
            f"least {least}, or report the real-vs-real floor at the same number beside it, or KID."
        )
    if not num_real == num_made == floor.n:
        raise ConfigError(
            f"Below {least} clips a Fréchet distance needs equal numbers: there are {num_real} "
            f"real and {num_made} made clips, and the floor has {floor.n} on each side. "
            f"Compute it from {min(fewest, floor.n)} each."
        )


def _check_size(n: int) -> None:
    if n < 2:
        raise ConfigError(f"A sample of {n} clips has no distribution. Ask for at least 2.")
