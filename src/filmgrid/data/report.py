"""What a build used, what it left out, and why."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from filmgrid.data.sources import SourceKind


class SourceReport(BaseModel):
    """What became of one source."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str
    """Its name in the dataset."""
    path: Path
    """Where it is."""
    kind: SourceKind
    """Video file, folder of frames, or strip."""
    clips: int = 1
    """Clips in it; more than one in a mosaic."""
    frames: int = 0
    """Frames read of each clip."""
    used_frames: int = 0
    """Frames of each clip that are in at least one sequence."""
    between_frames: int = 0
    """Frames of each clip that stride and step passed over."""
    tail_frames: int = 0
    """Frames of each clip after the last one used."""
    sequences: int = 0
    """Sequences in the dataset."""
    held_out: int = 0
    """Those of them that are held out."""
    duplicates: int = 0
    """Sequences left out because the same frames are in the dataset already."""
    notes: tuple[str, ...] = ()
    """What was dropped or moved, and why."""


class SkippedReport(BaseModel):
    """A file that was not used."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Path
    """Where it is."""
    why: str
    """The reason."""


class BuildReport(BaseModel):
    """What became of all sources of a dataset; also kept in its ``report.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    out: Path
    """The dataset."""
    sequences: int
    """Sequences in the dataset."""
    train: int
    """Those to train on."""
    held_out: int
    """Those kept for evaluation."""
    train_groups: tuple[str, ...]
    """Groups to train on."""
    held_out_groups: tuple[str, ...]
    """Groups kept for evaluation."""
    captions: dict[str, int]
    """Sequences by where their caption was found."""
    sources: tuple[SourceReport, ...]
    """Every source that was read."""
    skipped: tuple[SkippedReport, ...]
    """Every file that was not."""
    notes: tuple[str, ...] = ()
    """What concerns the dataset as a whole."""

    def text(self) -> str:
        """The report for people, in a few lines and a table."""
        origins = ", ".join(f"{count} from {name}" for name, count in self.captions.items())
        lines = [
            f"{self.sequences} sequences in {self.out}: {self.train} to train on "
            f"({_groups(self.train_groups)}), {self.held_out} held out "
            f"({_groups(self.held_out_groups)}).",
            f"Captions: {origins}.".replace("from none", "without"),
            "",
            *_table(self.sources),
        ]
        if self.skipped:
            lines += ["", "Not used:", *(f"  {item.path}: {item.why}" for item in self.skipped)]
        if self.notes:
            lines += ["", *(f"Note: {note}" for note in self.notes)]
        return "\n".join(lines)


def _groups(groups: tuple[str, ...]) -> str:
    if not groups:
        return "no group"
    shown = ", ".join(groups[:6]) + (", …" if len(groups) > 6 else "")
    return f"{len(groups)} group{'s' if len(groups) > 1 else ''}: {shown}"


def _table(sources: tuple[SourceReport, ...]) -> list[str]:
    width = max(len("source"), *(len(source.source) for source in sources))
    head = f"{'source':<{width}}  clips  frames   used  sequences  held out  notes"
    return [
        head,
        *(
            f"{row.source:<{width}}  {row.clips:>5}  {row.frames:>6}  {row.used_frames:>5}  "
            f"{row.sequences:>9}  {row.held_out:>8}  {'; '.join(row.notes)}".rstrip()
            for row in sources
        ),
    ]
