"""Two runs on the same clips, clip by clip. Free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from filmgrid.errors import ConfigError
from filmgrid.metrics.statistics import (
    CHUNK,
    Estimate,
    bootstrap_mean,
    check_scores,
    cut_draws,
)

EXACT_FLIPS = 13
"""Up to this many clips, all choices of signs are tried."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How the second run differs from the first on the same clips."""

    difference: Estimate
    """Mean over clips of the second score minus the first."""
    share_better: float
    """Share of clips on which the second run scores better, 0 to 1."""
    share_equal: float
    """Share of clips on which both score the same, 0 to 1."""
    p_value: float
    """How often chance alone, flipping which run is which per clip, differs by as much."""


def paired_difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    *,
    higher_is_better: bool = True,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Compare two runs on the same clips, clip by clip.

    Much sharper than two separate intervals, since easy and hard clips are so for both. The
    p-value is that of the two-sided sign-flip test (Fisher 1935, "The Design of Experiments",
    section 21): exact up to 13 clips, by ``resamples`` random flips above, which then cannot go
    below ``1 / (resamples + 1)``. It belongs to one comparison decided upon beforehand; with many
    metrics some will be small by chance.

    Args:
        first: score of each clip by its name, in the first run.
        second: the same clips in the second run.
        higher_is_better: False for errors and distances.
        resamples: draws for the interval and the flips, at least 100.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ShapeError: if there are fewer than two clips.
        ConfigError: if the clips differ, a score is not finite, or resamples or level make no
            sense.
    """
    lone = sorted(first.keys() ^ second.keys())
    if lone:
        names = ", ".join(lone[:3]) + (", …" if len(lone) > 3 else "")
        raise ConfigError(
            f"Two runs can be compared on the same clips only, and {len(lone)} are in one of them "
            f"alone: {names}. Leave these out, or make them in both."
        )
    names = sorted(first)
    before = check_scores(np.array([first[name] for name in names], dtype=np.float64), names)
    after = check_scores(np.array([second[name] for name in names], dtype=np.float64), names)
    steps = after - before
    better = steps > 0 if higher_is_better else steps < 0
    return PairedDifference(
        difference=bootstrap_mean(steps, resamples=resamples, level=level, seed=seed),
        share_better=float(better.mean()),
        share_equal=float((steps == 0).mean()),
        p_value=_sign_flip_p(steps, resamples, seed),
    )


def _sign_flip_p(steps: Float64[np.ndarray, " clips"], resamples: int, seed: int) -> float:
    """Share of choices of signs whose mean is as far from 0 as that of all steps."""
    n = len(steps)
    bar = abs(steps.sum()) - 1e-12 * np.abs(steps).sum()  # equal sums may round differently
    if n <= EXACT_FLIPS:
        choices = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs(_signed_sums(choices, steps)) >= bar).mean())
    random = np.random.default_rng(seed)
    as_far = sum(
        int((np.abs(_signed_sums(random.integers(0, 2, (count, n)), steps)) >= bar).sum())
        for count in cut_draws(resamples, CHUNK // n)
    )
    return (as_far + 1) / (resamples + 1)


def _signed_sums(
    choices: Int64[np.ndarray, "draws clips"], steps: Float64[np.ndarray, " clips"]
) -> Float64[np.ndarray, " draws"]:
    return 2 * (choices @ steps) - steps.sum()
