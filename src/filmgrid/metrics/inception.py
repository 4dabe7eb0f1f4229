"""The inception score: how sure a classifier is of each sample, and how varied its answers are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from filmgrid.errors import ConfigError
from filmgrid.metrics.feature_sets import check_features


@dataclass(frozen=True, slots=True)
class InceptionScore:
    """An inception score over the splits of one set."""

    mean: float
    """From 1 to the number of classes, higher is better."""
    std: float
    """Standard deviation over the splits: not an interval for the mean."""
    splits: int
    n: int
    """Number of samples."""


def inception_score(
    probabilities: Float[np.ndarray, "n classes"], splits: int = 10, seed: int | None = 42
) -> InceptionScore:
    """Score ``exp(mean KL(p(y|x) || p(y)))``, per split, then mean and deviation over splits.

    Compares with nothing real: a set of perfect samples of one class scores 1. Smaller splits
    score lower, since a split of n samples cannot score above n: keep n and splits when comparing.

    Source: Salimans et al. 2016, arXiv:1606.03498, on Inception-v3; for video on C3D with 2,048
    samples, TGAN (Saito et al. 2017, arXiv:1611.06624).

    Args:
        probabilities: of each class for each sample; rows sum to 1. Zeros count nothing, as
            ``p log p`` tends to 0.
        splits: number of parts, 10 as usual.
        seed: of the shuffling before the set is cut, since samples often arrive sorted by class;
            None keeps the order.

    Raises:
        ShapeError: if this is no table.
        ConfigError: if rows are not probabilities, or there are fewer samples than splits.
    """
    table = check_features(probabilities)
    if (table < 0).any() or np.abs(table.sum(axis=1) - 1).max() > 1e-3:
        raise ConfigError(
            "The inception score takes probabilities: numbers of at least 0 that sum to 1 in each "
            "row. Apply softmax to logits first."
        )
    if not 1 <= splits <= len(table):
        raise ConfigError(
            f"{len(table)} samples cannot be cut into {splits} splits. "
            f"Ask for 1 to {len(table)}; 10 are usual."
        )
    if seed is not None:
        table = np.random.default_rng(seed).permutation(table)
    scores = [np.exp(_information(part)) for part in np.array_split(table, splits)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), splits, len(table))


def _information(table: Float[np.ndarray, "n classes"]) -> float:
    """Mean KL divergence, in nats, of the rows from their mean."""
    marginal = np.broadcast_to(table.mean(axis=0), table.shape)
    seen = (table > 0) & (marginal > 0)  # the mean of denormal numbers can be 0
    terms = np.zeros_like(table)
    terms[seen] = table[seen] * (np.log(table[seen]) - np.log(marginal[seen]))
    return float(terms.sum(axis=1).mean())
