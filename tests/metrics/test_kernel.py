import math

import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics import kernel
from filmgrid.metrics.kernel import kernel_distance, median_distance, polynomial_mmd, rbf_mmd


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def frames_of_clips(seed: int, clips: int, frames: int) -> np.ndarray:
    """Frames that hardly differ within a clip, one row each."""
    own, each = normal(seed, clips, 1, 8), normal(seed + 5000, clips, frames, 8)
    return (0.95 * own + 0.3 * each).reshape(clips * frames, 8)


def test_frames_of_one_distribution_of_clips_are_not_apart_on_average():
    pairs = [(frames_of_clips(2 * s, 10, 6), frames_of_clips(2 * s + 1, 12, 4)) for s in range(60)]
    apart = [polynomial_mmd(*pair, rows_per_clip=(6, 4)) for pair in pairs]
    assert abs(np.mean(apart)) < 3 * np.std(apart) / len(apart) ** 0.5
    careless = [polynomial_mmd(*pair) for pair in pairs]
    assert np.mean(careless) > 5 * np.std(careless) / len(careless) ** 0.5
    with pytest.raises(ShapeError, match="no two clips"):
        polynomial_mmd(*pairs[0], rows_per_clip=(60, 4))


def test_three_points_by_hand():
    real = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    made = np.array([[1.0, 1.0], [2.0, 0.0]])
    # (x.y / 2 + 1)**3: real pairs 1, 1, 1; made pair 8; mixed 1, 1, 3.375, 8, 8, 1.
    expected = 1 + 8 - 2 * (1 + 1 + 3.375 + 8 + 8 + 1) / 6
    assert polynomial_mmd(real, made) == pytest.approx(expected, rel=1e-14)
    # exp(-distance**2 / 2): squared distances 1, 4, 5; 2; then 2, 4, 1, 1, 2, 8.
    gauss = [math.exp(-squared / 2) for squared in (1, 4, 5, 2, 2, 4, 1, 1, 2, 8)]
    expected = sum(gauss[:3]) / 3 + gauss[3] - 2 * sum(gauss[4:]) / 6
    assert rbf_mmd(real, made, bandwidth=1.0) == pytest.approx(expected, rel=1e-13)
    assert median_distance(real) == pytest.approx(2)


def test_degree_one_compares_means_alone():
    real, made = normal(0, 50, 8), normal(1, 50, 8)
    step = real.mean(axis=0) - made.mean(axis=0)
    spread = sum(each.var(axis=0, ddof=1).sum() / 50 for each in (real, made))
    # |m_r - m_g|**2 expects to be the sum of variances over n too large.
    assert polynomial_mmd(real, made, degree=1, gamma=1.0) == pytest.approx(step @ step - spread)


@pytest.mark.parametrize("distance", [polynomial_mmd, rbf_mmd])
def test_two_samples_of_one_distribution_are_at_zero_on_average(distance):
    values = [distance(normal(seed, 20, 5), normal(1000 + seed, 30, 5)) for seed in range(400)]
    standard_error = np.std(values) / 20
    assert abs(np.mean(values)) < 3 * standard_error
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("distance", [polynomial_mmd, rbf_mmd])
def test_order_does_not_matter_and_a_growing_shift_counts(distance):
    real, made = normal(0, 60, 5), normal(1, 80, 5)
    assert distance(real[::-1], made[::-1]) == pytest.approx(distance(real, made), abs=1e-12)
    scores = [distance(real, made + shift) for shift in (0, 0.5, 1, 2)]
    assert np.all(np.diff(scores) > 0)


def test_the_rbf_kernel_does_not_see_where_the_origin_is():
    real, made = normal(0, 60, 5), normal(1, 60, 5) + 1
    assert rbf_mmd(real + 1e5, made + 1e5) == pytest.approx(rbf_mmd(real, made), rel=1e-9)


def test_large_sets_are_added_up_in_blocks(monkeypatch: pytest.MonkeyPatch):
    real, made = normal(0, 50, 5), normal(1, 33, 5)
    whole = polynomial_mmd(real, made), rbf_mmd(real, made)
    monkeypatch.setattr(kernel, "BLOCK", 7)
    assert (polynomial_mmd(real, made), rbf_mmd(real, made)) == pytest.approx(whole, rel=1e-12)


def test_kid_of_whole_sets_is_the_polynomial_mmd_without_spread():
    real, made = normal(0, 40, 5), normal(1, 40, 5)
    score = kernel_distance(real, made, num_subsets=3, subset_size=40)
    assert score.mean == pytest.approx(polynomial_mmd(real, made), rel=1e-12)
    assert score.std == pytest.approx(0, abs=1e-12)


def test_kid_over_subsets_agrees_with_all_pairs_and_repeats_with_its_seed():
    real, made = normal(0, 300, 5), normal(1, 300, 5) + 0.5
    score = kernel_distance(real, made, num_subsets=50, subset_size=100, seed=3)
    everything = polynomial_mmd(real, made)
    assert score.mean == pytest.approx(everything, abs=3 * score.std / math.sqrt(50))
    assert score == kernel_distance(real, made, num_subsets=50, subset_size=100, seed=3)
    assert score != kernel_distance(real, made, num_subsets=50, subset_size=100, seed=4)


def test_the_median_distance_of_many_features_is_that_of_some(monkeypatch: pytest.MonkeyPatch):
    features = normal(0, 500, 5)
    exact = median_distance(features)
    monkeypatch.setattr(kernel, "MEDIAN_SAMPLE", 200)
    assert median_distance(features) == pytest.approx(exact, rel=0.05)


def test_what_does_not_fit_is_refused():
    good = normal(0, 10, 4)
    with pytest.raises(ShapeError, match="A set of 1 is too small: at least 2"):
        polynomial_mmd(good, good[:1])
    with pytest.raises(ShapeError, match="of 4 numbers cannot be compared with features of 3"):
        rbf_mmd(good, good[:, :3])
    with pytest.raises(ShapeError, match=r"shape \(10, 2, 2\) are not one vector per row"):
        polynomial_mmd(good.reshape(10, 2, 2), good)
    with pytest.raises(ConfigError, match=r"bandwidth of 0\.0 is not above 0"):
        rbf_mmd(np.ones((5, 2)), good[:, :2])
    with pytest.raises(ConfigError, match="100 subsets of 1000 does not fit sets of 10 and 8"):
        kernel_distance(good, good[:8])
    with pytest.raises(ConfigError, match="at least 1 subset, of 2 to 10 features"):
        kernel_distance(good, good, num_subsets=0, subset_size=5)
