"""What an evaluation found: numbers with their intervals, to be kept and compared. Torch-free."""

import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from filmgrid.errors import ConfigError
from filmgrid.evaluation.catalogue import Better, Kind
from filmgrid.evaluation.spec import Statement
from filmgrid.metrics.statistics import Estimate

RECORD = ConfigDict(
    frozen=True, extra="forbid", ser_json_inf_nan="strings", use_attribute_docstrings=True
)
"""The PSNR of equal clips is infinite, which JSON has no number for."""

Verdict = Literal["worse", "unlike real", "within noise", ""]


class Interval(BaseModel):
    """A number with its interval; :class:`~filmgrid.metrics.statistics.Estimate` in a file."""

    model_config = RECORD

    value: float
    low: float | None = None
    high: float | None = None
    n: int
    """Clips; of the smaller set where there are two."""
    level: float | None = None

    @staticmethod
    def of(estimate: Estimate) -> "Interval":
        """The same for a file."""
        if not math.isfinite(estimate.low):
            return Interval(value=estimate.value, n=estimate.n)
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
    """As it was asked for; ``random-`` before it if the weights are random."""
    kind: Kind
    better: Better
    about: str
    """What is computed."""
    unit: str = ""
    made: Interval | None
    """Of the made clips; of distances at the n of the floor. None: see the note."""
    real: Interval | None = None
    """Of a clip by itself: the same of the real clips. Of distances: the floor, real clips against
    other real clips at the same n."""
    paired: Interval | None = None
    """Of a clip by itself, where every made clip has a real one of its name: made minus real, clip
    by clip, which sees far smaller differences than the two means do."""
    full: Interval | None = None
    """Distances from all clips at equal n, as papers print them, where these are enough."""
    clips: dict[str, float] = {}
    """Score of each made clip, to compare runs clip by clip."""
    real_clips: dict[str, float] = {}
    """Score of each real clip by itself."""
    draws: list[float] = []
    """Distances behind ``made``: two runs against the same real clips draw the same ones."""
    halves: list[float] = []
    """Distances between halves of these draws, whose spread the interval is from."""
    features: str = ""
    """Fingerprint of what it was measured with; see ``instruments`` of the evaluation."""
    note: str = ""
    """What a reader must know."""

    @property
    def verdict(self) -> Verdict:
        """What the intervals say of made against real, without a claim where they overlap.

        For a distance: worse if it is above its floor. For a clip by itself: worse than the real
        clips, or unlike them where neither way is better, or on the better side of them; by the
        paired difference where there is one. Nothing where there is no interval.
        """
        made, real = self.made, self.real
        if self.paired is not None and self.paired.low is not None:
            made, real = self.paired, Interval(value=0, low=0, high=0, n=self.paired.n)
        if made is None or real is None or None in (made.low, made.high, real.low, real.high):
            return ""
        assert made.low is not None and made.high is not None
        assert real.low is not None and real.high is not None
        above, below = made.low > real.high, made.high < real.low
        if not above and not below:
            return "within noise"
        if self.kind == "distance":
            return "worse" if above else "within noise"
        is_worse = self.better != "real" and above == (self.better == "lower")
        return "worse" if is_worse else "unlike real"


class ClipSetFacts(BaseModel):
    """What was measured on one side."""

    model_config = RECORD

    path: str
    num_clips: int
    frames: str
    """Frames per clip: a number, or the fewest and most."""
    size: str
    """HEIGHTxWIDTH in pixels, or several."""
    sha256: str
    """Over the names and pixels of all clips that were measured."""


class Evaluation(BaseModel):
    """A whole evaluation, as it is written to a file."""

    model_config = RECORD

    kind: Literal["filmgrid-evaluation"] = "filmgrid-evaluation"
    format: Literal[3] = 3
    real: ClipSetFacts
    generated: ClipSetFacts
    settings: dict[str, object]
    """Of the command, enough to run it again."""
    command: str
    """The same as a line for a shell."""
    metrics: list[MetricResult]
    instruments: dict[str, Statement] = {}
    """What features and distances of frames were measured with, by fingerprint."""
    preprocessing: str
    """SHA-256 over everything that decides what is measured: frames, sizes, instruments."""
    pairs: dict[str, str] = {}
    """The real clip of each made clip that has one."""
    notes: list[str] = []
    """One sentence each."""
    versions: dict[str, str]
    seconds: float
    """Wall time of the measuring."""

    def metric(self, name: str) -> MetricResult | None:
        """One of them, by name."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def text(self) -> str:
        """As a table for people."""
        sides = (("real", self.real), ("generated", self.generated))
        lines = [
            f"{side:<11}{facts.path}: {facts.num_clips} clips of {facts.frames} frames, "
            f"{facts.size} px"
            for side, facts in sides
        ]
        rows = [("metric", "generated", "real (distances: real-real)", "verdict")]
        for metric in self.metrics:
            real = "" if metric.real is None else str(metric.real)
            made = "not measured" if metric.made is None else str(metric.made)
            rows.append((metric.name, made, real, metric.verdict))
            if metric.paired is not None:
                rows.append(("  minus its real clip", str(metric.paired), "", ""))
            if metric.full is not None:
                rows.append(("  from all clips", str(metric.full), "", ""))
        widths = [2 + max(len(row[column]) for row in rows) for column in range(3)]
        lines.append("")
        lines += [
            "".join([*(f"{row[i]:<{widths[i]}}" for i in range(3)), row[3]]).rstrip()
            for row in rows
        ]
        notes = [*self.notes, *(f"{m.name}: {m.note}" for m in self.metrics if m.note)]
        return "\n".join([*lines, *([""] if notes else []), *notes])


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``filmgrid evaluate --out`` wrote.

    Raises:
        ConfigError: if it is no such file.
    """
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}. Name a file that filmgrid evaluate "
            "--out wrote."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is no evaluation of this version of filmgrid. Write one with filmgrid "
            "evaluate --out FILE."
        ) from error
