import math

import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics import statistics
from filmgrid.metrics.frechet import frechet_distance
from filmgrid.metrics.kernel import polynomial_mmd
from filmgrid.metrics.statistics import (
    bootstrap,
    bootstrap_mean,
    half_sampling,
    student_reach,
    wilson_share,
)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def average(scores: np.ndarray) -> float:
    return float(scores.mean())


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    scores = normal(0, 400) * 3 + 20
    estimate = bootstrap_mean(scores)
    error = scores.std() / 20
    assert estimate.value == scores.mean()
    assert estimate.low == pytest.approx(scores.mean() - 1.96 * error, abs=0.1 * error)
    assert estimate.high == pytest.approx(scores.mean() + 1.96 * error, abs=0.1 * error)
    assert (estimate.n, estimate.level) == (400, 0.95)


@pytest.mark.parametrize(
    ("freedom", "reach"), [(1, 12.7062), (2, 4.30265), (5, 2.57058), (30, 2.04227), (500, 1.96472)]
)
def test_quantiles_of_students_t_are_those_of_tables(freedom, reach):
    assert student_reach(0.95, freedom) == pytest.approx(reach, rel=1e-4)
    assert student_reach(0.95) == pytest.approx(1.959964, rel=1e-6)


def test_wilsons_interval_of_eight_of_ten_and_of_none():
    found = wilson_share(np.array([1.0] * 8 + [0.0] * 2))
    assert (found.value, found.n) == (0.8, 10)
    assert (found.low, found.high) == pytest.approx((0.49016, 0.94332), abs=1e-5)
    none = wilson_share(np.zeros(10))
    assert none.low == pytest.approx(0, abs=1e-12)
    assert none.high == pytest.approx(0.27753, abs=1e-5)  # z**2 / (n + z**2)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_few_clips_have_intervals_that_cover_as_they_say(n):
    estimates = [bootstrap_mean(normal(seed, n), resamples=300) for seed in range(400)]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert 0.91 <= covered <= 0.99


def test_ninety_five_intervals_of_a_hundred_cover_the_truth():
    estimates = [bootstrap_mean(normal(seed, 50), resamples=500) for seed in range(300)]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert 0.90 < covered < 0.98


def test_any_statistic_can_be_asked_for_and_agrees_on_means():
    scores = normal(0, 60)
    one, other = bootstrap(average, scores), bootstrap_mean(scores)
    assert one.value == other.value
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.03)
    median = bootstrap(lambda values: float(np.median(values)), scores)
    assert median.low < median.value == np.median(scores) < median.high


def test_windows_of_one_clip_are_drawn_together():
    per_clip = normal(0, 30)
    windows = np.repeat(per_clip[:, None], 10, axis=1)
    apart, together = bootstrap_mean(windows.ravel()), bootstrap(average, windows)
    assert together.n == 30
    ratio = (together.high - together.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.15)


def test_draws_in_parts_are_the_same_draws(monkeypatch: pytest.MonkeyPatch):
    scores = normal(0, 30)
    whole = bootstrap_mean(scores, resamples=1000, seed=5)
    monkeypatch.setattr(statistics, "CHUNK", 100)
    assert bootstrap_mean(scores, resamples=1000, seed=5) == whole
    assert bootstrap_mean(scores, resamples=1000, seed=6) != whole


def test_halves_give_a_mean_the_interval_of_the_bootstrap():
    scores = normal(0, 101) + 7
    halves, draws = half_sampling(average, scores, resamples=3000), bootstrap_mean(scores)
    assert (halves.low, halves.high) == pytest.approx((draws.low, draws.high), abs=0.03)


@pytest.mark.parametrize("distance", [frechet_distance, polynomial_mmd])
def test_intervals_from_halves_cover_where_repeated_clips_do_not(distance):
    """Two samples of one distribution: drawing clips twice misses even the value itself."""

    def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
        return normal(seed, 64, 8), normal(10_000 + seed, 64, 8)

    usual = np.mean([distance(*pair(seed)) for seed in range(1000, 1300)])
    halves = [half_sampling(distance, *pair(seed), resamples=100) for seed in range(30)]
    assert np.mean([each.low <= usual <= each.high for each in halves]) >= 0.9
    assert all(each.low < each.value < each.high for each in halves)
    repeated = [bootstrap(distance, *pair(seed), resamples=100) for seed in range(10)]
    assert np.mean([each.low <= usual <= each.high for each in repeated]) <= 0.2
    assert np.mean([each.low <= each.value for each in repeated]) <= 0.2


def test_halves_are_as_wide_as_the_distance_varies():
    pairs = [(normal(seed, 64, 8), normal(10_000 + seed, 64, 8) + 0.5) for seed in range(300)]
    spread = 3.92 * np.std([frechet_distance(*pair) for pair in pairs])
    halves = [half_sampling(frechet_distance, *pair, resamples=100) for pair in pairs[:20]]
    assert np.mean([each.high - each.low for each in halves]) == pytest.approx(spread, rel=0.15)


def test_what_has_no_spread_is_refused():
    with pytest.raises(ShapeError, match="needs at least 2, and there is 1"):
        bootstrap_mean(np.array([3.0]))
    with pytest.raises(ConfigError, match="clip number 1 is inf, which has no mean"):
        bootstrap_mean(np.array([30.0, np.inf, 28.0]))
    with pytest.raises(ConfigError, match="5 draws are too few"):
        bootstrap_mean(normal(0, 10), resamples=5)
    with pytest.raises(ConfigError, match=r"level of 95\.0 is not between 0 and 1"):
        bootstrap_mean(normal(0, 10), level=95.0)
    with pytest.raises(ShapeError, match="A set of 3 clips is too small: at least 4"):
        half_sampling(average, normal(0, 3))
