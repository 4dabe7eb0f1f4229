"""The distance of FID and FVD: how far apart two sets of features are, seen as Gaussians.

Free of torch. The number depends strongly on how many features it is computed from: two samples
of one 400-dimensional normal distribution are 476 apart at 100 features each and 39 at 2,048,
where 0 is true. See ``filmgrid.metrics.statistics`` for what makes it honest.
"""

import numpy as np
from jaxtyping import Float, Float64

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.feature_sets import Features, check_features, check_pair

SLACK = 1e-6
"""How far a given covariance may be from symmetric and positive, relative to its largest entry."""


class Moments:
    """Mean and covariance of features that arrive in batches, in constant memory.

    Equal to those of all features at once up to rounding, in any order and any cut, also far
    from the origin: batches are joined by their own means and scatters, nothing is squared
    uncentred.

    Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing
    sample variances", Stanford CS-TR-79-773.

    Attributes:
        count: number of features seen.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    @classmethod
    def of(cls, features: Features) -> "Moments":
        """Take the moments of one set of features.

        Raises:
            ShapeError: if these are not vectors.
            ConfigError: if a feature is NaN or infinite.
        """
        moments = cls()
        moments.update(features)
        return moments

    def update(self, features: Features) -> None:
        """Add a batch; an empty one changes nothing.

        Raises:
            ShapeError: if these are not vectors, or longer or shorter than those before.
            ConfigError: if a feature is NaN or infinite.
        """
        features = check_features(features, least=0)
        if len(features):
            mean = features.mean(axis=0)
            centred = features - mean
            self._add(len(features), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> None:
        """Add everything that another accumulator has seen, such as that of another worker.

        Raises:
            ShapeError: if it saw vectors of another length.
        """
        if other.count:
            self._add(other.count, other._mean, other._scatter)

    @property
    def mean(self) -> Float64[np.ndarray, " d"]:
        """Mean of the features seen.

        Raises:
            ShapeError: if there is none.
        """
        self._check_count(1)
        return self._mean.copy()

    @property
    def covariance(self) -> Float64[np.ndarray, "d d"]:
        """Sample covariance, divided by ``count - 1`` as ``numpy.cov`` does.

        Raises:
            ShapeError: if fewer than two features were seen.
        """
        self._check_count(2)
        return self._scatter / (self.count - 1)

    def _add(
        self,
        count: int,
        mean: Float64[np.ndarray, " d"],
        scatter: Float64[np.ndarray, "d d"],
    ) -> None:
        if not self.count:
            self.count, self._mean, self._scatter = count, mean.copy(), scatter.copy()
            return
        if len(mean) != len(self._mean):
            raise ShapeError(
                f"Features of {len(mean)} numbers cannot join features of {len(self._mean)}. "
                "Use one extractor for a whole set."
            )
        total = self.count + count
        step = mean - self._mean
        self._scatter += scatter + np.outer(step, step * (self.count * count / total))
        self._mean += step * (count / total)
        self.count = total

    def _check_count(self, least: int) -> None:
        if self.count < least:
            raise ShapeError(
                f"A set of {self.count} features is too small for a Fréchet distance: "
                f"at least {max(2, least)} are needed. Give more clips."
            )


def frechet_distance(real: Features | Moments, made: Features | Moments) -> float:
    """Squared Fréchet distance between the Gaussians that fit two sets of features.

    ``|m_r - m_g|**2 + tr(C_r + C_g - 2 (C_r C_g)**(1/2))``, covariances divided by n - 1. FID on
    Inception features (Heusel et al. 2017, arXiv:1706.08500), FVD on I3D logits (Unterthiner et
    al. 2018, arXiv:1812.01717).

    Biased upwards, the more so the fewer features there are: compare only distances at the same
    n, beside the real-vs-real floor at that n.

    Args:
        real: known features, or the moments of them.
        made: features to judge, of the same extractor.

    Returns:
        0 for equal sets; in squared units of the features.

    Raises:
        ShapeError: if a set has fewer than two features, or their lengths differ.
        ConfigError: if a feature is NaN or infinite.
    """
    if not isinstance(real, Moments) and not isinstance(made, Moments):
        real, made = check_pair(real, made, least=2)
        if max(len(real), len(made)) < real.shape[1]:
            return _few_features(real, made)
    first, second = (
        each if isinstance(each, Moments) else Moments.of(each) for each in (real, made)
    )
    return gaussian_frechet_distance(first.mean, first.covariance, second.mean, second.covariance)


def _few_features(real: Float64[np.ndarray, "n d"], made: Float64[np.ndarray, "m d"]) -> float:
    """The same from fewer features than dimensions, where the centred features are the factors.

    ``C = F F^T`` with ``F`` the centred features over the root of n - 1, so that nothing of size
    d x d is needed.
    """
    means = [features.mean(axis=0) for features in (real, made)]
    factors = [
        (features - mean) / np.sqrt(len(features) - 1)
        for features, mean in zip((real, made), means, strict=True)
    ]
    common = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False)
    shift = np.square(means[0] - means[1]).sum()
    traces = sum(np.square(factor).sum() for factor in factors)
    return max(0.0, float(shift + traces - 2 * common.sum()))


def gaussian_frechet_distance(
    real_mean: Float[np.ndarray, " d"],
    real_covariance: Float[np.ndarray, "d d"],
    made_mean: Float[np.ndarray, " d"],
    made_covariance: Float[np.ndarray, "d d"],
) -> float:
    """The same distance from means and covariances, such as published statistics.

    The trace of ``(C_r C_g)**(1/2)`` is the sum of the singular values of ``F_r^T F_g``, where
    ``C = F F^T`` from the symmetric eigendecomposition. Nothing turns complex, and no small
    eigenvalue is squared, as it is in a matrix square root of the product. Directions that
    rounding alone fills (eigenvalues below ``d * 2.2e-16`` of the largest) are left out, which
    matters with fewer features than dimensions.

    Source: Dowson, Landau 1982, doi:10.1016/0047-259X(82)90077-X.

    Args:
        real_mean: mean of the known features.
        real_covariance: covariance of them.
        made_mean: mean of the features to judge.
        made_covariance: covariance of them.

    Raises:
        ShapeError: if sizes do not fit together.
        ConfigError: if something is NaN or infinite, or a covariance is not one.
    """
    size = real_mean.size
    if made_mean.size != size:
        raise ShapeError(
            f"Features of {size} numbers cannot be compared with features of {made_mean.size}. "
            "Use one extractor for both sets."
        )
    for mean, covariance in ((real_mean, real_covariance), (made_mean, made_covariance)):
        if mean.shape != (size,) or covariance.shape != (size, size):
            raise ShapeError(
                f"A mean of shape {mean.shape} and a covariance of shape {covariance.shape} do not "
                "fit together: (d,) and (d, d) are needed."
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ConfigError("A mean or covariance is NaN or infinite. Compute it again.")
    shift = np.square(real_mean.astype(np.float64) - made_mean).sum()
    traces = np.trace(real_covariance, dtype=np.float64) + np.trace(
        made_covariance, dtype=np.float64
    )
    common = np.linalg.svd(_factor(real_covariance).T @ _factor(made_covariance), compute_uv=False)
    return max(0.0, float(shift + traces - 2 * common.sum()))


def _factor(covariance: Float[np.ndarray, "d d"]) -> Float64[np.ndarray, "d rank"]:
    """Find F of full column rank with ``F F^T`` equal to the covariance."""
    covariance = covariance.astype(np.float64, copy=False)
    slack = SLACK * np.abs(covariance).max(initial=0)
    values, vectors = np.linalg.eigh(covariance)
    if np.abs(covariance - covariance.T).max(initial=0) > slack or (values < -slack).any():
        raise ConfigError(
            "A covariance is not symmetric with eigenvalues of at least 0, so it belongs to no set "
            "of features. Compute it again."
        )
    kept = values > values.max(initial=0) * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])
