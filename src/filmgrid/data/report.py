"""What a build used, what it left out, and why."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from filmgrid.data.sources import Skipped, SourceKind, count_reasons

MAX_ROWS = 60
"""Lines that a text gives to one list; JSON has them all."""


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
    """Frames read, of all its clips."""
    used_frames: int = 0
    """Those of them that are in at least one sequence."""
    between_frames: int = 0
    """Those of them that stride and step passed over."""
    tail_frames: int = 0
    """Those of them after the last one used."""
    sequences: int = 0
    """Sequences in the dataset."""
    held_out: int = 0
    """Those of them that are held out."""
    duplicates: int = 0
    """Sequences left out because the same frames are in the dataset already."""
    notes: tuple[str, ...] = ()
    """What was dropped or moved, and why; numbers are those of one clip."""


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
    skipped: tuple[Skipped, ...]
    """Every file that was not."""
    notes: tuple[str, ...] = ()
    """What concerns the dataset as a whole."""

    def text(self) -> str:
        """The report for people: a few lines and a table, shortened where there are many."""
        origins = ", ".join(f"{count} from {name}" for name, count in self.captions.items())
        frames = {
            name: sum(getattr(source, name) for source in self.sources)
            for name in ("frames", "used_frames", "between_frames", "tail_frames")
        }
        lines = [
            f"{self.sequences} sequences in {self.out}: {self.train} to train on "
            f"({_groups(self.train_groups)}), {self.held_out} held out "
            f"({_groups(self.held_out_groups)}).",
            f"Captions: {origins}.".replace("from none", "without"),
            f"Frames: {frames['frames']} read, {frames['used_frames']} used, "
            f"{frames['between_frames']} passed over by stride and step, "
            f"{frames['tail_frames']} after the last sequence of their source.",
            "",
            *_table(self.sources[:MAX_ROWS]),
        ]
        if len(self.sources) > MAX_ROWS:
            lines.append(f"… and {len(self.sources) - MAX_ROWS} more in report.json")
        empty = [source for source in self.sources if source.sequences == 0]
        if empty:
            lines += ["", "Without a sequence:"]
            lines += _shortened([f"{row.source}: {'; '.join(row.notes)}" for row in empty])
        if self.skipped:
            lines += ["", "Not used:"]
            lines += _shortened(list(count_reasons(self.skipped)))
        if self.notes:
            lines += ["", *(f"Note: {note}" for note in self.notes)]
        return "\n".join(lines)


def _groups(groups: tuple[str, ...]) -> str:
    if not groups:
        return "no group"
    shown = ", ".join(groups[:4]) + (", …" if len(groups) > 4 else "")
    return f"{len(groups)} group{'s' if len(groups) > 1 else ''}: {shown}"


def _shortened(lines: list[str]) -> list[str]:
    shown = [f"  {line}" for line in lines[:MAX_ROWS]]
    return shown + ([f"  … and {len(lines) - MAX_ROWS} more"] if len(lines) > MAX_ROWS else [])


def _table(sources: tuple[SourceReport, ...]) -> list[str]:
    width = max(len("source"), *(len(source.source) for source in sources))
    return [
        f"{'source':<{width}}  clips  frames  used  between  tail  sequences  held out  duplicates",
        *(
            f"{row.source:<{width}}  {row.clips:>5}  {row.frames:>6}  {row.used_frames:>4}  "
            f"{row.between_frames:>7}  {row.tail_frames:>4}  {row.sequences:>9}  "
            f"{row.held_out:>8}  {row.duplicates:>10}"
            for row in sources
        ),
    ]
