"""What an evaluation found: numbers with their intervals, to be kept and compared. Torch-free."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from filmgrid.errors import ConfigError
from filmgrid.metrics.paired import PairedDifference, paired_difference
from filmgrid.metrics.statistics import Estimate

HIGHER_IS_BETTER = {
    "psnr": True,
    "ssim": True,
    "psnr-moving": True,
    "ssim-moving": True,
    "order": False,
    "frozen": False,
}
"""Metrics that say of one clip whether it is better. Grain and loop do not: there, being like the
real clips is best."""

RECORD = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
"""The PSNR of equal clips is infinite, which JSON has no number for."""


class Interval(BaseModel):
    """A number with its interval; :class:`~filmgrid.metrics.statistics.Estimate` in a file."""

    model_config = RECORD

    value: float
    low: float | None = None
    high: float | None = None
    n: int
    level: float | None = None

    @staticmethod
    def of(estimate: Estimate) -> "Interval":
        """The same for a file."""
        return Interval(
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=estimate.n,
            level=estimate.level,
        )

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4g} (n {self.n})"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] (n {self.n})"


class MetricResult(BaseModel):
    """One metric: of the made clips, and what the real clips have beside it."""

    model_config = RECORD

    name: str
    made: Interval
    real: Interval | None = None
    """The same of the real clips; for distances the floor, real against real."""
    clips: dict[str, float] = {}
    """Score of each made clip, to compare runs clip by clip."""
    features: str = ""
    """Fingerprint of the features that a distance was measured on."""


class Evaluation(BaseModel):
    """A whole evaluation, as it is written to a file."""

    model_config = RECORD

    kind: Literal["filmgrid-evaluation"] = "filmgrid-evaluation"
    real: str
    generated: str
    num_real: int
    num_generated: int
    settings: dict[str, object]
    metrics: list[MetricResult]
    versions: dict[str, str]

    def text(self) -> str:
        """As a table for people."""
        lines = [
            f"real       {self.real}: {self.num_real} clips",
            f"generated  {self.generated}: {self.num_generated} clips",
            "",
            f"{'metric':<24}{'generated':<38}real (distances: real against real)",
        ]
        lines += [f"{m.name:<24}{m.made!s:<38}{m.real or ''}" for m in self.metrics]
        return "\n".join(lines)


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``filmgrid evaluate --out`` wrote.

    Raises:
        ConfigError: if it is no such file.
    """
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is no evaluation: {' '.join(str(error).split())[:120]} Write one with "
            "filmgrid evaluate --out FILE."
        ) from error


def compare_runs(first: Evaluation, second: Evaluation) -> dict[str, PairedDifference]:
    """Paired differences, second minus first, of every metric of ``HIGHER_IS_BETTER`` in both.

    Raises:
        ConfigError: if they have no such metric, or other clips.
    """
    if first.real != second.real:
        raise ConfigError(
            f"The runs were held against different real clips: {first.real} and {second.real}. "
            "Evaluate both against the same."
        )
    others = {metric.name: metric.clips for metric in second.metrics if metric.clips}
    both = {
        metric.name: (metric.clips, others[metric.name])
        for metric in first.metrics
        if metric.name in HIGHER_IS_BETTER and metric.name in others
    }
    if not both:
        raise ConfigError(
            "The runs share no metric that says clip by clip which is better. Evaluate both with "
            f"one of {', '.join(HIGHER_IS_BETTER)}."
        )
    return {
        name: paired_difference(one, two, higher_is_better=HIGHER_IS_BETTER[name])
        for name, (one, two) in both.items()
    }
