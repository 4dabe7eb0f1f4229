"""Sets of features: one vector per clip or frame, as distances between distributions take them."""

import numpy as np
from jaxtyping import Float, Float64

from filmgrid.errors import ConfigError, ShapeError

Features = Float[np.ndarray, "_n _d"]
"""One feature vector per row, from one extractor."""


def check_features(features: Features, least: int = 1) -> Float64[np.ndarray, "n d"]:
    """Check a set of features, and give it in double precision.

    Args:
        features: what an extractor gave.
        least: how many rows the statistic needs.

    Raises:
        ShapeError: if it is not a table of vectors, or has fewer rows.
        ConfigError: if a feature is NaN or infinite.
    """
    if features.ndim != 2 or features.shape[1] == 0:
        raise ShapeError(
            f"Features of shape {features.shape} are not one vector per row. "
            "Flatten what comes after the first axis."
        )
    if len(features) < least:
        raise ShapeError(
            f"A set of {len(features)} is too small: at least {least} are needed. Give more clips."
        )
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if broken.size:
        raise ConfigError(
            f"{broken.size} of {len(features)} feature vectors are NaN or infinite, the first is "
            f"number {broken[0]}. Look at the frames it was made from."
        )
    return features.astype(np.float64, copy=False)


def check_pair(
    real: Features, made: Features, least: int = 1
) -> tuple[Float64[np.ndarray, "n_real d"], Float64[np.ndarray, "n_made d"]]:
    """Check two sets of features that will be compared.

    Raises:
        ShapeError: if one is no set of at least ``least`` vectors, or their lengths differ.
        ConfigError: if a feature is NaN or infinite.
    """
    real, made = check_features(real, least), check_features(made, least)
    if real.shape[1] != made.shape[1]:
        raise ShapeError(
            f"Features of {real.shape[1]} numbers cannot be compared with features of "
            f"{made.shape[1]}. Use one extractor for both sets."
        )
    return real, made
