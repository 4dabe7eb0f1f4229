import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.floors import (
    at_sample_size,
    check_fvd_sample,
    from_halves,
    real_floor,
)
from filmgrid.metrics.frechet import frechet_distance
from filmgrid.metrics.kernel import polynomial_mmd


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(("n", "expected"), [(32, 631), (100, 476), (300, 266)])
def test_the_floor_of_a_standard_normal_is_as_high_as_known(n: int, expected: float):
    floor = real_floor(frechet_distance, normal(0, 600, 400), n, repeats=2)
    assert floor.estimate.value == pytest.approx(expected, rel=0.03)
    assert floor.n == n and floor.has_asked_size


def test_the_two_samples_of_a_floor_share_no_clip():
    clips = np.arange(40.0)

    def overlap(first: np.ndarray, second: np.ndarray) -> float:
        assert len(first) == len(second) == 15
        return float(len(np.intersect1d(first, second)))

    floor = real_floor(overlap, clips, 15)
    assert (floor.estimate.value, floor.repeats) == (0, 20)


def test_a_floor_of_too_few_clips_says_how_many_it_used():
    floor = real_floor(frechet_distance, normal(0, 61, 4), 48)
    assert (floor.n, floor.asked, floor.has_asked_size) == (30, 48, False)
    assert floor.estimate.low < floor.estimate.value < floor.estimate.high


def test_made_clips_as_good_as_real_ones_are_at_the_floor_and_others_are_not():
    real, good, bad = normal(0, 200, 6), normal(1, 200, 6), normal(2, 200, 6) * 1.5
    for distance in (frechet_distance, polynomial_mmd):
        floor = real_floor(distance, real, 80).estimate
        near = at_sample_size(distance, real, good, 80).estimate
        far = at_sample_size(distance, real, bad, 80).estimate
        assert floor.low < near.value < 2 * floor.high < far.low
        assert near.n == 80


def test_intervals_cover_the_mean_distance_of_so_many_clips():
    def draw(seed):
        return normal(seed, 120, 4), normal(seed + 10_000, 60, 4) * 1.2

    for distance in (frechet_distance, polynomial_mmd):
        truth = np.mean([distance(real[:60], made) for real, made in map(draw, range(1000, 1400))])
        covered = 0
        for seed in range(60):
            found = at_sample_size(distance, *draw(seed), 60).estimate
            covered += found.low <= truth <= found.high
        assert covered >= 53  # 57 of 60 are meant to; fewer than 53 have a chance of 1 in 60


def test_two_runs_draw_the_same_clips():
    real, made = normal(0, 60, 4), normal(1, 30, 4)
    first = at_sample_size(frechet_distance, real, made, 30, seed=5)
    moved = at_sample_size(frechet_distance, real + 3, made + 3, 30, seed=5)
    np.testing.assert_allclose(first.draws, moved.draws, rtol=1e-9)
    np.testing.assert_allclose(first.halves, moved.halves, rtol=1e-9)


def test_equally_good_runs_are_rarely_called_different():
    alarms = 0
    for seed in range(40):
        real, first, second = (normal(10 * seed + part, 40, 4) for part in range(3))
        one, two = (at_sample_size(polynomial_mmd, real, made, 20) for made in (first, second))
        halves = two.halves - one.halves
        found = from_halves((two.draws - one.draws).mean(), halves, 20, 0.95)
        alarms += not found.low <= 0 <= found.high
    assert alarms <= 5


def test_two_clips_have_a_distance_without_an_interval():
    found = at_sample_size(frechet_distance, normal(0, 4, 3), normal(1, 2, 3), 2)
    assert np.isfinite(found.estimate.value) and np.isfinite(found.draws).all()
    assert np.isnan(found.estimate.low) and len(found.halves) == 0


def test_a_frechet_distance_of_few_clips_is_refused_without_its_floor():
    check_fvd_sample(2048, 2048)
    check_fvd_sample(5000, 2048)
    with pytest.raises(ConfigError, match="from 300 clips is mostly an effect of their number"):
        check_fvd_sample(2048, 300)
    floor = real_floor(frechet_distance, normal(0, 60, 4), 30)
    check_fvd_sample(30, 30, floor)
    with pytest.raises(ConfigError, match=r"40 real and 30 made .* Compute it from 30 each"):
        check_fvd_sample(40, 30, floor)
    with pytest.raises(ConfigError, match="the floor has 30 on each side"):
        check_fvd_sample(60, 60, floor)
    check_fvd_sample(30, 30, least=30)


def test_sizes_that_cannot_be_drawn_are_refused():
    with pytest.raises(ShapeError, match="A set of 3 clips is too small: at least 4"):
        real_floor(frechet_distance, normal(0, 3, 4), 30)
    with pytest.raises(ConfigError, match="A sample of 1 clips has no distribution"):
        real_floor(frechet_distance, normal(0, 30, 4), 1)
    with pytest.raises(ConfigError, match="1 draws are too few"):
        real_floor(frechet_distance, normal(0, 30, 4), 10, repeats=1)
    with pytest.raises(ShapeError, match="A set of 20 clips is too small: at least 25"):
        at_sample_size(frechet_distance, normal(0, 30, 4), normal(1, 20, 4), 25)
