import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.paired import paired_difference
from filmgrid.metrics.statistics import bootstrap_mean


def named(scores: np.ndarray | list[float]) -> dict[str, float]:
    return {f"clip-{index:03d}": float(score) for index, score in enumerate(scores)}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_scores_meet_by_name_in_any_order():
    first = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    second = {"d": 4.0, "c": 3.5, "a": 1.5, "b": 1.75}
    pair = paired_difference(first, second)
    assert pair.difference.value == pytest.approx(0.1875)
    assert (pair.share_better, pair.share_equal) == (0.5, 0.25)
    assert paired_difference(first, second, higher_is_better=False).share_better == 0.25


def test_a_pair_sees_what_two_intervals_cannot():
    hardness = 5 * normal(0, 40)
    before, after = 25 + hardness, 25.3 + hardness + 0.3 * normal(1, 40)
    pair = paired_difference(named(before), named(after))
    assert 0 < pair.difference.low < 0.3 < pair.difference.high
    assert bootstrap_mean(after).low < bootstrap_mean(before).high
    assert pair.p_value < 0.001


def test_few_clips_have_the_exact_p_value():
    # Of 32 choices of signs, only all plus and all minus are as far out.
    pair = paired_difference(named([0.0] * 5), named([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert pair.p_value == 2 / 32
    # At least 0.4 away from 0: 0.2 + 0.3 with or without 0.1, and the opposites, as they round.
    pair = paired_difference(named([0.0] * 3), named([-0.1, 0.2, 0.3]))
    assert pair.p_value == 4 / 8


def test_two_equal_runs_do_not_differ():
    scores = named(normal(0, 30))
    pair = paired_difference(scores, scores)
    assert (pair.difference.low, pair.difference.value, pair.difference.high) == (0, 0, 0)
    assert (pair.share_better, pair.share_equal, pair.p_value) == (0, 1, 1)


def test_without_a_difference_p_values_are_spread_evenly():
    values = [
        paired_difference(
            named(normal(seed, 20)), named(normal(1000 + seed, 20)), resamples=500
        ).p_value
        for seed in range(200)
    ]
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(values) == pytest.approx(0.5, abs=0.07)
    assert min(values) > 0


def test_runs_on_other_clips_are_refused_by_name():
    with pytest.raises(ConfigError, match="4 are in one of them alone: clip-002, clip-003, clip-"):
        paired_difference(named([1.0] * 2), named([1.0] * 6))
    with pytest.raises(ConfigError, match="clip clip-001 is inf"):
        paired_difference(named([1.0, 2.0]), named([1.0, np.inf]))
    with pytest.raises(ShapeError, match="needs at least 2, and there is 1"):
        paired_difference(named([1.0]), named([2.0]))
