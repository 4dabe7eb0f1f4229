"""How much of a number is noise: intervals by clip, floors, paired differences.

Free of torch. The clip is what is drawn anew, never the frame: frames of one clip resemble each
other, and counting each as evidence makes intervals several times too narrow. Everywhere here the
first axis of an array counts clips; several windows of one clip go along a second axis, and the
statistic flattens them.

Two ways to draw clips anew, because they are right for different numbers:

- :func:`bootstrap` draws as many clips as there are, some twice: for means, medians, quantiles.
- :func:`half_sampling` draws half of them, none twice: for distances between sets (Fréchet, MMD,
  inception score). A set with repeated clips is another kind of set: it has fewer directions
  and pairs at distance 0, so the bootstrap puts such distances far from the value itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Float64, Int64

from filmgrid.errors import ConfigError, ShapeError

Sample = Float[np.ndarray, "_clips ..."]
"""Something for each clip: a score, a feature vector, several."""

Scores = Float[np.ndarray, " clips"]
"""One score per clip."""

Statistic = Callable[..., float]
"""Takes as many samples as were given beside it, in the same order."""

MANY = 10_000
"""Degrees of freedom from which on Student's t is normal, and steps of its angle."""

CHUNK = 1_000_000
"""Drawn clips that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    """Lower end of the interval."""
    high: float
    n: int
    """Number of clips; of the smaller set where there are two."""
    level: float
    """How often such intervals are meant to cover, such as 0.95."""


def bootstrap_mean(
    scores: Scores, *, resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean of one score per clip, with its expanded percentile bootstrap interval.

    The plain interval is too narrow for few clips: of two, it holds the truth half of the time. So
    its ends are moved away from the mean by ``t / z * sqrt(n / (n - 1))``, with the quantiles of
    Student's t with n - 1 degrees of freedom and of the normal distribution.

    Source: Efron 1979, doi:10.1214/aos/1176344552; expanded as in Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789.

    Args:
        scores: finite; leave out kept frames, whose PSNR is infinite, before averaging a clip.
        resamples: at least 100.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ShapeError: if there are fewer than two scores.
        ConfigError: if a score is not finite, or resamples or level make no sense.
    """
    check_draws(resamples, level)
    scores = check_scores(scores)
    random = np.random.default_rng(seed)
    n = len(scores)
    means = [
        scores[random.integers(0, n, (count, n))].mean(axis=1)
        for count in cut_draws(resamples, CHUNK // n)
    ]
    low, high = spread(np.concatenate(means), level)
    mean = float(scores.mean())
    wider = student_reach(level, n - 1) / student_reach(level) * (n / (n - 1)) ** 0.5
    return Estimate(mean, mean - wider * (mean - low), mean + wider * (high - mean), n, level)


def wilson_share(rights: Scores, *, level: float = 0.95) -> Estimate:
    """Share of clips that are right, with Wilson's interval, which holds at 0 and at 1 too.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Args:
        rights: 1 or 0 for each clip, at least one.
        level: between 0 and 1.

    Raises:
        ShapeError: if there is no clip.
        ConfigError: if there is no such level.
    """
    check_draws(100, level, (rights,), least=1)
    n, share, z = len(rights), float(np.mean(rights)), student_reach(level)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n, level)


def student_reach(level: float, freedom: float = np.inf) -> float:
    """Half-width that a share ``level`` of Student's t lies within; of a normal by default.

    With ``t = sqrt(freedom) tan(angle)`` the density is ``cos(angle)**(freedom - 1)``, which is
    summed over small steps of the angle.

    Args:
        level: between 0 and 1.
        freedom: degrees of freedom, at least 1.
    """
    if freedom > MANY:
        return NormalDist().inv_cdf((1 + level) / 2)
    angles = np.linspace(0, np.pi / 2, MANY + 1)
    density = np.cos(angles) ** (freedom - 1)
    share = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return float(np.sqrt(freedom) * np.tan(np.interp(level * share[-1], share, angles)))


def bootstrap(
    statistic: Statistic,
    *samples: Sample,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Any statistic of clips that may occur twice, with its percentile bootstrap interval.

    Samples are drawn independently of each other; stack what belongs together into one.

    Source: Efron 1979, doi:10.1214/aos/1176344552.

    Args:
        statistic: called with the samples, then ``resamples`` times with clips drawn from them.
        samples: at least two clips each.
        resamples: at least 100.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ShapeError: if a sample has fewer than two clips.
        ConfigError: if resamples or level make no sense.
    """
    check_draws(resamples, level, samples)
    random = np.random.default_rng(seed)
    values = np.array(
        [
            statistic(*(sample[random.integers(0, len(sample), len(sample))] for sample in samples))
            for _ in range(resamples)
        ]
    )
    low, high = spread(values, level)
    return Estimate(float(statistic(*samples)), low, high, min(map(len, samples)), level)


def half_sampling(
    statistic: Statistic,
    *samples: Sample,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """A distance between sets of clips, with an interval from random halves of them.

    The mean of a random half, drawn without replacement, spreads around the mean of all as that
    mean spreads around the truth: half as many clips, half of the variance taken away. So the
    spread of the statistic over halves, around its own mean, is laid around the value.

    The interval is about chance alone. It covers what the statistic is on average *at this n*;
    what it would be with endless clips is another matter, for which there is the floor.

    Source: Politis, Romano 1994, doi:10.1214/aos/1176325770, with subsamples of half the size.

    Args:
        statistic: called with the samples, then ``resamples`` times with halves of them.
        samples: at least four clips each.
        resamples: at least 100.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ShapeError: if a sample has fewer than four clips.
        ConfigError: if resamples or level make no sense.
    """
    check_draws(resamples, level, samples, least=4)
    random = np.random.default_rng(seed)
    values = np.array(
        [
            statistic(*(sample[draw_clips(random, sample, len(sample) // 2)] for sample in samples))
            for _ in range(resamples)
        ]
    )
    value = float(statistic(*samples))
    below, above = spread(values - values.mean(), level)
    return Estimate(value, value - above, value - below, min(map(len, samples)), level)


def cut_draws(total: int, size: int) -> list[int]:
    """Cut a number of draws into parts of bounded size."""
    size = max(1, size)
    return [min(size, total - start) for start in range(0, total, size)]


def draw_clips(
    random: np.random.Generator, sample: Sample, count: int
) -> Int64[np.ndarray, " count"]:
    """Numbers of different clips, in random order."""
    return random.permutation(len(sample))[:count]


def spread(values: Float64[np.ndarray, " draws"], level: float) -> tuple[float, float]:
    """Ends of the range that ``level`` of the values lie in."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def check_scores(scores: Scores, names: list[str] | None = None) -> Float64[np.ndarray, " clips"]:
    """Give scores in double precision.

    Raises:
        ShapeError: if there are fewer than two.
        ConfigError: if one is not finite, by its name where there are names.
    """
    broken = np.flatnonzero(~np.isfinite(scores))
    if broken.size:
        name = f"number {broken[0]}" if names is None else names[broken[0]]
        raise ConfigError(
            f"The score of clip {name} is {scores[broken[0]]}, which has no mean. Leave out frames "
            "that were kept (their PSNR is infinite) and clips that could not be scored."
        )
    if len(scores) < 2:
        raise ShapeError(
            f"A spread over clips needs at least 2, and there is {len(scores)}. Give more clips."
        )
    return scores.astype(np.float64)


def check_draws(
    draws: int,
    level: float,
    samples: tuple[Sample, ...] = (),
    least: int = 2,
    least_draws: int = 100,
) -> None:
    """Refuse to draw too seldom or from too few clips.

    Raises:
        ShapeError: if a sample has fewer than ``least`` clips.
        ConfigError: if there are fewer than ``least_draws`` draws, or no such level.
    """
    if draws < least_draws:
        raise ConfigError(
            f"{draws} draws are too few to tell a spread. Ask for at least {least_draws}."
        )
    if not 0 < level < 1:
        raise ConfigError(f"A level of {level} is not between 0 and 1; 0.95 is usual.")
    for sample in samples:
        if len(sample) < least:
            raise ShapeError(
                f"A set of {len(sample)} clips is too small: at least {least} are needed here. "
                "Give more clips."
            )
