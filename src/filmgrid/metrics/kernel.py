"""Maximum mean discrepancy: a distance between sets of features that few samples do not inflate.

Free of torch. The estimates here are unbiased: two samples of one distribution are 0 apart on
average at any number of features, so single values may be below 0. That makes them the honest
neighbour of a Fréchet distance at small n.

Source: Gretton et al. 2012, "A kernel two-sample test", JMLR 13, lemma 6.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.feature_sets import Features, check_features, check_pair

Matrix = Float64[np.ndarray, "_n _d"]
Kernel = Callable[[Matrix, Matrix], Float64[np.ndarray, "_rows _cols"]]

BLOCK = 1024
"""Rows of a kernel matrix that are in memory at once."""

MEDIAN_SAMPLE = 4096
"""Features that the median distance looks at, at most."""


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """A kernel inception distance; papers often print it times 1,000."""

    mean: float
    """Mean over the subsets; about 0 for one distribution, and below 0 at times."""
    std: float
    """Standard deviation over the subsets: not an interval for the mean."""
    num_subsets: int
    subset_size: int


def polynomial_mmd(
    real: Features,
    made: Features,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
    rows_per_clip: tuple[int, int] = (1, 1),
) -> float:
    """Unbiased squared MMD with the kernel ``(gamma <x, y> + coef) ** degree``.

    Unlike a Fréchet distance it depends on where the origin is.

    Args:
        real: known features, at least two.
        made: features to judge, at least two.
        degree: 1 compares means, 2 covariances too, 3 skewness too.
        gamma: 1 / d by default, as KID has it.
        coef: 1 in KID.
        rows_per_clip: of the real and of the made features, where several rows in a row are
            frames of one clip. Such rows resemble each other, which two sets never do, so pairs
            of them are left out; else two samples of one distribution would not be 0 apart.

    Raises:
        ShapeError: if a set is too small, or their lengths differ.
        ConfigError: if a feature is NaN or infinite.
    """
    real, made = check_pair(real, made, least=2)
    scale = 1 / real.shape[1] if gamma is None else gamma
    return _unbiased(
        lambda rows, cols: (scale * rows @ cols.T + coef) ** degree, real, made, rows_per_clip
    )


def rbf_mmd(real: Features, made: Features, bandwidth: float | None = None) -> float:
    """Unbiased squared MMD with the kernel ``exp(-|x - y|**2 / (2 bandwidth**2))``.

    Sees every difference between distributions, given enough samples.

    Args:
        real: known features, at least two.
        made: features to judge, at least two.
        bandwidth: the :func:`median_distance` of the real features by default, so that all runs
            judged against the same real features are judged by the same kernel. Fix it when you
            resample the real ones.

    Returns:
        At most 2.

    Raises:
        ShapeError: if a set is too small, or their lengths differ.
        ConfigError: if a feature is NaN or infinite, or the bandwidth is not above 0.
    """
    real, made = check_pair(real, made, least=2)
    width = median_distance(real) if bandwidth is None else bandwidth
    if not 0 < width < np.inf:
        raise ConfigError(
            f"A bandwidth of {width} is not above 0. Give one about as large as the usual distance "
            "between two features; the median is 0 where most real features are the same."
        )
    centre = real.mean(axis=0)  # distances do not change, their rounding errors do
    return _unbiased(
        lambda rows, cols: np.exp(_squared_distances(rows, cols) / (-2 * width**2)),
        real - centre,
        made - centre,
    )


def median_distance(features: Features) -> float:
    """Median Euclidean distance between two different features of a set.

    The usual bandwidth of :func:`rbf_mmd` (Gretton et al. 2012, section 8, who pool both sets).
    Of more than 4,096 features, as many evenly spaced ones are looked at.

    Raises:
        ShapeError: if there are fewer than two.
        ConfigError: if a feature is NaN or infinite.
    """
    features = check_features(features, least=2)
    if len(features) > MEDIAN_SAMPLE:
        features = features[np.linspace(0, len(features) - 1, MEDIAN_SAMPLE).astype(int)]
    features = features - features.mean(axis=0)
    distances = _squared_distances(features, features)
    return float(np.sqrt(np.median(distances[np.triu_indices(len(features), k=1)])))


def kernel_distance(
    real: Features,
    made: Features,
    *,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> KernelDistance:
    """KID: the unbiased polynomial MMD of degree 3, averaged over random subsets of both sets.

    Subsets are drawn without replacement, each anew. Their spread says how far two subsets of
    that size differ, and shrinks to 0 as they near the whole set: for an interval, resample clips
    (``filmgrid.metrics.statistics.half_sampling``).

    Source: Bińkowski et al. 2018, arXiv:1801.01401; 100 subsets of 1,000 are usual.

    Args:
        real: known features, more than ``subset_size`` or as many.
        made: features to judge, more than ``subset_size`` or as many.
        num_subsets: at least 1.
        subset_size: at least 2.
        seed: of the choice of subsets.

    Raises:
        ShapeError: if lengths differ.
        ConfigError: if a feature is NaN or infinite, or a set is smaller than a subset.
    """
    real, made = check_pair(real, made, least=2)
    smallest = min(len(real), len(made))
    if num_subsets < 1 or not 2 <= subset_size <= smallest:
        raise ConfigError(
            f"KID over {num_subsets} subsets of {subset_size} does not fit sets of {len(real)} and "
            f"{len(made)} features. Ask for at least 1 subset, of 2 to {smallest} features."
        )
    random = np.random.default_rng(seed)
    values = [
        polynomial_mmd(
            real[random.choice(len(real), subset_size, replace=False)],
            made[random.choice(len(made), subset_size, replace=False)],
        )
        for _ in range(num_subsets)
    ]
    return KernelDistance(float(np.mean(values)), float(np.std(values)), num_subsets, subset_size)


def _unbiased(
    kernel: Kernel, real: Matrix, made: Matrix, rows_per_clip: tuple[int, int] = (1, 1)
) -> float:
    """Mean of k over pairs of two real, plus two made, minus twice over mixed pairs."""
    value = -2 * _sum(kernel, real, made) / (len(real) * len(made))
    for features, size in zip((real, made), rows_per_clip, strict=True):
        clips = [features[start : start + size] for start in range(0, len(features), size)]
        if len(clips) < 2:
            raise ShapeError(
                f"A set of {len(features)} rows, {size} to a clip, is no two clips. Give more."
            )
        inside = sum(float(kernel(clip, clip).sum()) for clip in clips)
        pairs = len(features) ** 2 - sum(len(clip) ** 2 for clip in clips)
        value += (_sum(kernel, features, features) - inside) / pairs
    return value


def _sum(kernel: Kernel, rows: Matrix, cols: Matrix) -> float:
    """Sum of a kernel matrix."""
    parts = range(0, len(rows), BLOCK)
    return sum(float(kernel(rows[start : start + BLOCK], cols).sum()) for start in parts)


def _squared_distances(rows: Matrix, cols: Matrix) -> Float64[np.ndarray, "rows cols"]:
    squares = np.square(rows).sum(axis=1)[:, None] + np.square(cols).sum(axis=1)
    return np.maximum(squares - 2 * rows @ cols.T, 0)
