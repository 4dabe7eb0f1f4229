"""What a benchmark found. Free of torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from filmgrid.bench.config import Weights
from filmgrid.errors import ConfigError


class Spread(BaseModel):
    """Least, quartiles and most of some numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: float
    lower: float
    median: float
    upper: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise at least one number; quartiles are interpolated linearly."""
        found = [float(value) for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1))]
        return cls(least=found[0], lower=found[1], median=found[2], upper=found[3], most=found[4])


class Machine(BaseModel):
    """Where it was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    device: str
    """Kind of device: cpu, cuda or mps."""
    hardware: str
    """Name of the processor or GPU, and what it offers."""
    cores: int | None
    """Processor cores of the machine."""
    threads: int
    """Threads that torch computes with."""
    system: str
    """Operating system and architecture."""
    versions: dict[str, str]
    """Versions of Python, torch, diffusers and filmgrid."""


class Row(BaseModel):
    """One subject. Numbers that were refused or not measured are missing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    subject: str
    """As it was named."""
    weights: Weights
    """Trained, random in the published size, or random in a tiny size."""
    source: str
    """Whose published size it is, where weights are random."""
    frames: int
    height: int
    """Of a frame, in pixels."""
    width: int
    steps: int
    """Sampling steps that were made."""
    passes: float
    """Denoiser passes per step: 2 with guidance."""
    tokens: int
    """Tokens of one pass; for U-Nets, latent positions."""
    flops: int
    """Operations of a whole run."""
    pass_flops: int
    """Operations of one denoiser pass."""
    seconds: Spread | None
    """Of a whole run, from words and pictures to pixels."""
    rounds: tuple[float, ...]
    """Seconds of each round."""
    ratio: Spread | None
    """Time over that of the first subject in the same round."""
    share: float | None
    """Share of the matrix peak that the median run reached."""
    memory_bytes: int | None
    """Peak memory; what is counted is said in the result."""
    refused: str | None = None
    """Why the times are missing."""

    @property
    def seconds_per_frame(self) -> float | None:
        """Of the median run."""
        return None if self.seconds is None else self.seconds.median / self.frames


class BenchResult(BaseModel):
    """A benchmark: where, how, and one row per subject."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    machine: Machine
    dtype: str
    """Of matrix products."""
    num_rounds: int
    warmup: int
    """Runs of each subject before it was timed, the counting one among them."""
    probe: Spread
    """Operations per second of the matrix probe, over the rounds; its most is the peak."""
    memory_counts: str
    """What the memory of a row is."""
    rows: tuple[Row, ...]

    def text(self) -> str:
        """The table, for people."""
        machine, probe = self.machine, self.probe
        rates = "/".join(f"{rate / 1e9:,.0f}" for rate in (probe.least, probe.median, probe.most))
        names = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
        head = [
            f"hardware  {machine.hardware}; {machine.cores or '?'} cores, "
            f"{machine.threads} threads; {machine.system}",
            f"versions  {names}",
            f"measured  {self.dtype}, {self.num_rounds} rounds in turn after {self.warmup} "
            f"warm-up runs; matrix probe {rates} GFLOP/s (min/median/max)",
            f"memory    {self.memory_counts}",
        ]
        table = [HEADINGS, *map(_cells, self.rows)]
        widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in table
        ]
        refused = [f"refused: {row.refused}" for row in self.rows if row.refused]
        return "\n".join([*head, "", *lines, *refused])


HEADINGS = (
    "subject",
    "frames",
    "px",
    "steps",
    "passes",
    "tokens",
    "TFLOP",
    "seconds [min..max]",
    "x first [quartiles]",
    "of peak",
    "memory",
    "s/frame",
)


def read_result(path: Path) -> BenchResult:
    """Read what ``filmgrid bench --out`` wrote.

    Raises:
        ConfigError: if it is not such a file.
    """
    try:
        return BenchResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} is no result of filmgrid bench. Name a file that its --out wrote."
        ) from error


def _cells(row: Row) -> tuple[str, ...]:
    """A row as words."""
    kinds = {"random": f" ({row.source}, random weights)", "tiny": " (tiny: not the real size)"}
    seconds, ratio, each = row.seconds, row.ratio, row.seconds_per_frame
    times = ("refused", "refused", "refused", "refused")
    if seconds is not None and each is not None:
        times = (
            f"{seconds.median:.3f} [{seconds.least:.3f}..{seconds.most:.3f}]",
            f"{ratio.median:.2f} [{ratio.lower:.2f}..{ratio.upper:.2f}]" if ratio else "-",
            "-" if row.share is None else f"{row.share:.1%}",
            f"{each:.4f}",
        )
    return (
        row.subject + kinds.get(row.weights, ""),
        str(row.frames),
        f"{row.height}x{row.width}",
        str(row.steps),
        f"{row.passes:g}",
        f"{row.tokens:,}",
        f"{row.flops / 1e12:.3g}",
        *times[:3],
        "-" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:,.0f} MiB",
        times[3],
    )
