"""What an evaluation is. Free of torch."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator

from filmgrid.settings import Settings

ClipMetric = Literal["psnr", "ssim", "psnr-moving", "ssim-moving"]
"""Fidelity of each made clip to the real clip of its name."""

HealthMetric = Literal["order", "frozen", "grain", "loop"]
"""Properties of each clip by itself, of the real ones and of the made ones."""

SetMetric = Literal[
    "mmd-offline-colour",
    "mmd-offline-gradients",
    "mmd-offline-motion",
    "mmd-offline-random",
    "fd-offline-colour",
    "fd-offline-gradients",
    "fd-offline-motion",
    "fd-offline-random",
]
"""Distances between the two sets, as unbiased MMD or as Fréchet distance, by features."""

HEALTH: tuple[HealthMetric, ...] = get_args(HealthMetric)
METRICS: tuple[str, ...] = (*get_args(ClipMetric), *HEALTH, *get_args(SetMetric))


class EvaluateConfig(Settings):
    """Compare made clips with real ones, and say how much of each number is noise."""

    real: Path
    """Real clips: a folder of videos or of frame folders, one file, or a dataset."""
    generated: Path
    """Made clips, in any of these forms."""
    metrics: tuple[str, ...] = (*HEALTH, "mmd-offline-gradients", "mmd-offline-motion")
    """Names of metrics; psnr and ssim compare clips of the same name."""
    frames: int | None = Field(default=None, ge=2)
    """Use the first so many frames of each clip; by default all."""
    split: Literal["train", "held_out"] | None = None
    """Side of a dataset; by default both."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """How often intervals are meant to cover."""
    repeats: int = Field(default=20, ge=2)
    """Random draws behind every real-vs-real floor."""
    seed: int = Field(default=0, ge=0)
    """Of all random draws."""

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in METRICS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no metric. Choose from {', '.join(METRICS)}.")
        if not value:
            raise ValueError("no metric is named. Choose from " + ", ".join(METRICS) + ".")
        return tuple(dict.fromkeys(value))
