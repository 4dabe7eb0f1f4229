from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.frechet import Moments, frechet_distance, gaussian_frechet_distance
from filmgrid.metrics.kernel import polynomial_mmd


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def turn(seed: int, size: int) -> np.ndarray:
    return np.linalg.qr(normal(seed, size, size))[0]


@pytest.mark.parametrize("smallest", [1e-2, 1e-8])
@pytest.mark.parametrize("turned", [False, True])
def test_gaussians_with_common_axes_have_their_closed_form(smallest: float, turned: bool):
    random = np.random.default_rng(0)
    first, second = np.exp(random.uniform(np.log(smallest), np.log(100), (2, 60)))
    mean = random.normal(size=60)
    axes = turn(1, 60) if turned else np.eye(60)
    distance = gaussian_frechet_distance(
        mean, (axes * first) @ axes.T, np.zeros(60), (axes * second) @ axes.T
    )
    expected = mean @ mean + np.square(np.sqrt(first) - np.sqrt(second)).sum()
    assert distance == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n", [32, 150, 600])
def test_it_agrees_with_the_eigenvalues_of_the_product_of_covariances(n: int):
    real, made = normal(0, n, 100), normal(1, n, 100) * 1.3 + 0.1
    first, second = np.cov(real.T), np.cov(made.T)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    shift = real.mean(axis=0) - made.mean(axis=0)
    expected = shift @ shift + np.trace(first) + np.trace(second) - 2 * roots
    assert frechet_distance(real, made) == pytest.approx(expected, abs=1e-5)


def test_fewer_features_than_dimensions_lose_no_digits():
    real, made = normal(0, 32, 400), normal(1, 32, 400)
    centred = real - real.mean(axis=0), made - made.mean(axis=0)
    # With C = A^T A the trace of the root is the nuclear norm of A_r A_g^T: no root is taken.
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum() / 31
    shift = real.mean(axis=0) - made.mean(axis=0)
    traces = sum(np.square(each).sum() for each in centred) / 31
    assert frechet_distance(real, made) == pytest.approx(
        shift @ shift + traces - 2 * roots, abs=1e-9
    )


@pytest.mark.parametrize("n", [20, 500])
def test_a_set_is_at_no_distance_from_itself_in_any_order(n: int):
    real = normal(0, n, 40)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(real, real[::-1]) == pytest.approx(0, abs=1e-10)


def test_the_distance_is_symmetric_and_does_not_see_rotations():
    real, made = normal(0, 300, 30), normal(1, 300, 30) @ normal(2, 30, 30)
    distance = frechet_distance(real, made)
    assert frechet_distance(made, real) == pytest.approx(distance, rel=1e-10)
    axes = turn(3, 30)
    assert frechet_distance(real @ axes, made @ axes) == pytest.approx(distance, rel=1e-10)


def test_a_shift_adds_its_squared_length():
    real, made = normal(0, 300, 30), normal(1, 300, 30)
    made += real.mean(axis=0) - made.mean(axis=0)
    shift = normal(2, 30)
    added = frechet_distance(real, made + shift) - frechet_distance(real, made)
    assert added == pytest.approx(shift @ shift, rel=1e-10)


def test_features_without_spread_differ_by_their_means_alone():
    assert frechet_distance(np.ones((3, 2)), np.full((5, 2), 3.0)) == 8


def test_features_in_single_precision_are_added_up_in_double():
    real, made = normal(0, 300, 30).astype(np.float32), normal(1, 300, 30).astype(np.float32)
    assert frechet_distance(real, made) == frechet_distance(
        real.astype(np.float64), made.astype(np.float64)
    )


def test_streamed_moments_are_those_of_numpy_even_far_from_the_origin():
    features = normal(0, 1000, 30) @ normal(1, 30, 30) + 1e4
    moments = Moments()
    for batch in np.split(features, [1, 2, 50, 50, 700]):
        moments.update(batch)
    assert moments.count == 1000
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov((features - 1e4).T), rtol=0, atol=1e-10)


def test_merged_moments_are_those_of_the_whole_and_leave_the_part_alone():
    features = normal(0, 100, 7)
    first, second, both = Moments(), Moments.of(features[30:]), Moments.of(features)
    first.merge(Moments.of(features[:30]))
    first.merge(Moments())
    before = second.mean
    first.merge(second)
    np.testing.assert_allclose(first.mean, both.mean, atol=1e-14)
    np.testing.assert_allclose(first.covariance, both.covariance, atol=1e-14)
    np.testing.assert_array_equal(second.mean, before)
    assert frechet_distance(first, features) == pytest.approx(0, abs=1e-12)


def test_moments_that_were_handed_out_do_not_change_any_more():
    moments, features = Moments(), normal(0, 10, 3)
    moments.update(features)
    mean, covariance = moments.mean, moments.covariance
    mean_before, covariance_before = mean.copy(), covariance.copy()
    moments.update(features + 5)
    np.testing.assert_array_equal(mean, mean_before)
    np.testing.assert_array_equal(covariance, covariance_before)


@pytest.mark.parametrize(("n", "m"), [(32, 32), (2, 30), (60, 20), (39, 41)])
def test_fewer_features_than_dimensions_give_what_their_moments_give(n, m):
    real, made = normal(0, n, 40) + 3, normal(1, m, 40) * 1.4
    from_moments = frechet_distance(Moments.of(real), Moments.of(made))
    assert frechet_distance(real, made) == pytest.approx(from_moments, rel=1e-9)


def test_features_that_do_not_fit_are_refused():
    good = normal(0, 10, 4)
    with pytest.raises(ShapeError, match="of 4 numbers cannot be compared with features of 5"):
        frechet_distance(good, normal(0, 10, 5))
    with pytest.raises(ShapeError, match="A set of 1 is too small: at least 2"):
        frechet_distance(good, good[:1])
    with pytest.raises(ShapeError, match="A set of 0 is too small: at least 2"):
        frechet_distance(good, good[:0])
    with pytest.raises(ShapeError, match="of 5 numbers cannot join features of 4"):
        Moments.of(good).update(normal(0, 10, 5))
    broken = good.copy()
    broken[6, 1] = np.nan
    with pytest.raises(ConfigError, match=r"1 of 10 feature vectors are NaN .* number 6"):
        frechet_distance(good, broken)


def test_statistics_that_belong_to_no_features_are_refused():
    mean, covariance = np.zeros(2), np.eye(2)
    with pytest.raises(ShapeError, match=r"covariance of shape \(3, 3\) do not fit"):
        gaussian_frechet_distance(mean, np.eye(3), mean, covariance)
    with pytest.raises(ShapeError, match="of 2 numbers cannot be compared with features of 3"):
        gaussian_frechet_distance(mean, covariance, np.zeros(3), np.eye(3))
    with pytest.raises(ConfigError, match="NaN or infinite"):
        gaussian_frechet_distance(mean, covariance * np.nan, mean, covariance)
    for wrong in (np.array([[1.0, 0.5], [0.0, 1.0]]), np.diag([1.0, -0.1])):
        with pytest.raises(ConfigError, match="belongs to no set of features"):
            gaussian_frechet_distance(mean, covariance, mean, wrong)


# The clips that growing damage is tried on, and features that need no network.


@pytest.fixture(scope="module")
def sky(real_data: Path) -> np.ndarray:
    """Every other frame and pixel of 48 real time-lapse clips, as gray levels."""
    with av.open(str(real_data / "videos" / "mdgan_real_video.mp4")) as container:
        mosaic = np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
    corners = [(2 + 130 * row, 2 + 130 * col) for row in range(6) for col in range(8)]
    clips = [mosaic[::2, top : top + 128 : 2, left : left + 128 : 2] for top, left in corners]
    return np.stack(clips).astype(np.float64)


def steps(clips: np.ndarray) -> np.ndarray:
    """Sizes of steps between neighbours in time, down and across, and their coarse counterparts."""
    sizes = []
    for stride in (1, 2, 4):
        for axis in (1, 2, 3):
            ahead, behind = [slice(None)] * 4, [slice(None)] * 4
            ahead[axis], behind[axis] = slice(stride, None), slice(None, -stride)
            step = np.abs(clips[tuple(ahead)] - clips[tuple(behind)])
            sizes.append(np.log(0.1 + step.mean(axis=(1, 2, 3))))
    return np.stack(sizes, axis=1)


def blurred(clips: np.ndarray, amount: int) -> np.ndarray:
    for _ in range(amount):
        padded = np.pad(clips, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        rows = (padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]) / 4
        clips = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4
    return clips


def noisy(clips: np.ndarray, amount: int) -> np.ndarray:
    return clips + 2 * amount * normal(0, *clips.shape)


def shuffled(clips: np.ndarray, amount: int) -> np.ndarray:
    random = np.random.default_rng(0)
    clips = clips.copy()
    for clip in clips:
        moved = random.choice(len(clip), 4 * amount, replace=False)
        clip[moved] = clip[np.roll(moved, 1)]
    return clips


@pytest.mark.parametrize("damage", [blurred, noisy, shuffled])
def test_growing_damage_to_real_clips_grows_both_distances(
    sky: np.ndarray, damage: Callable[[np.ndarray, int], np.ndarray]
):
    real = steps(sky)
    made = [steps(damage(sky, amount)) for amount in range(5)]
    centre, scale = real.mean(axis=0), real.std(axis=0)
    for distance in (frechet_distance, polynomial_mmd):
        scores = [distance((real - centre) / scale, (each - centre) / scale) for each in made]
        assert np.all(np.diff(scores) > 0), scores
