"""Build a dataset: find sources, cut them into sequences, split, caption, write, report."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from filmgrid.data.captions import CaptionOrigin, Captions
from filmgrid.data.config import DatasetConfig
from filmgrid.data.cut import Cutter, Window, cut_source
from filmgrid.data.files import atomic_folder, is_empty
from filmgrid.data.groups import Plan, plan_split, split_notes, without_duplicates
from filmgrid.data.images import MAX_IMAGE_PIXELS
from filmgrid.data.manifest import Entry, content_hash, save_manifest
from filmgrid.data.media import probe
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance, current_versions, png_text
from filmgrid.data.record import CONFIG, REPORT, SEQUENCES, DatasetRecord, check_out, is_dataset
from filmgrid.data.report import BuildReport, SourceReport
from filmgrid.data.sources import Scan, Skipped, Source, scan_sources
from filmgrid.errors import ConfigError, DatasetError, MediaError, ShapeError
from filmgrid.types import FrameArray

PNG_LEVEL = 3
"""Compression of the grids: a third of the time of the usual 6, for 3 % more bytes."""


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is: told at the start of a source and with each of its sequences."""

    source: str
    source_index: int
    num_sources: int
    num_sequences: int
    """Sequences cut so far, of all sources."""


def build_dataset(
    config: DatasetConfig, on_progress: Callable[[BuildProgress], None] | None = None
) -> BuildReport:
    """Turn videos, folders of frames, strips and mosaics into a dataset of sequences.

    The dataset is a folder: ``manifest.jsonl`` lists the sequences, ``sequences/ID.png`` holds
    each as the grid that is trained on, without loss; ``dataset.json`` keeps the configuration
    and ``report.json`` the report. Identical sequences are kept once, on the held-out side if
    they occur on both. Memory does not grow with the length of a source. The folder appears
    when it is complete; if anything fails, what stood there before still does.

    Args:
        config: what to build.
        on_progress: called as sequences are cut.

    Raises:
        ConfigError: if a grid would have more pixels than can be read again.
        DatasetError: if a source is missing, nothing can be used, or nothing is left to train on.
        MediaError: if a source cannot be read (unless ``skip_bad``), or the output not written.
        ShapeError: if frames do not have the size of a cell and ``fit`` does not say what to do.
    """
    _check_grid(config)
    check_out(config)
    scan = scan_sources(config.sources, strips=config.strip_width is not None)
    plan = plan_split(scan.found, config)
    captions = Captions(config.captions, config.caption_template)
    with atomic_folder(config.out, _may_replace) as part:
        (part / SEQUENCES).mkdir()
        build = _Build(config, plan, captions, part)
        for index, source in enumerate(scan.found):
            for _ in build.take(source):
                if on_progress is not None:
                    on_progress(
                        BuildProgress(source.name, index, len(scan.found), len(build.entries))
                    )
        report = build.finish(scan)
        (part / REPORT).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        record = DatasetRecord(config=config)
        (part / CONFIG).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return report


@dataclass(slots=True)
class _Build:
    """The state of one build: what was cut so far."""

    config: DatasetConfig
    plan: Plan
    captions: Captions
    part: Path
    entries: list[Entry] = field(default_factory=list)
    origins: dict[str, CaptionOrigin] = field(default_factory=dict)
    reports: list[SourceReport] = field(default_factory=list)
    unusable: list[Skipped] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=current_versions)

    def take(self, source: Source) -> Iterator[None]:
        """Cut one source; yields at the start and with every sequence."""
        before = len(self.entries)
        yield
        try:
            fps = None if source.kind == "strip" else probe(source.path).fps
            clips = self.plan.clips[source.name]
            caption = {
                clip: self.captions.of(source, clip, self.plan.group[clip]) for clip in clips
            }
            cutters = {clip: self._cutter(clip) for clip in clips}
            for clip, window in cut_source(source, cutters, self.config):
                self.origins[clip] = caption[clip].origin
                self._add(clip, window, fps, caption[clip].text)
                yield
            self._report(source, list(cutters.values()))
        except (MediaError, ShapeError) as error:
            sentence = str(error)
            if str(source.path) not in sentence:
                sentence = f"{source.name}: {sentence}"
            if not self.config.skip_bad:
                raise type(error)(sentence) from error
            del self.entries[before:]
            self.unusable.append(Skipped(source.path, sentence))

    def finish(self, scan: Scan) -> BuildReport:
        """Drop duplicates, write the manifest, and say what became of everything."""
        entries, duplicates = without_duplicates(self.entries)
        train = [entry for entry in entries if entry.split == "train"]
        held_out = [entry for entry in entries if entry.split == "held_out"]
        if not entries:
            raise DatasetError(self._why_nothing())
        if not train:
            raise DatasetError(
                f"All {len(entries)} sequences would be held out, and none is left to train on. "
                "Hold out fewer groups, or add sources."
            )
        named = {entry.frames for entry in entries}
        for file in (self.part / SEQUENCES).iterdir():
            if f"{SEQUENCES}/{file.name}" not in named:
                file.unlink()
        save_manifest(self.part, entries)
        notes = [*split_notes(self.config, duplicates, held_out), *self._caption_notes()]
        return BuildReport(
            out=self.config.out,
            sequences=len(entries),
            train=len(train),
            held_out=len(held_out),
            train_groups=tuple(dict.fromkeys(entry.group for entry in train)),
            held_out_groups=tuple(dict.fromkeys(entry.group for entry in held_out)),
            captions=dict(Counter(self.origins[entry.source] for entry in entries)),
            sources=tuple(self._counted(report, entries, duplicates) for report in self.reports),
            skipped=(*self.unusable, *scan.skipped),
            notes=tuple(notes),
        )

    def _add(self, clip: str, window: Window, fps: float | None, caption: str) -> None:
        sha256 = content_hash(window.frames)
        identity = sha256[:16]
        group = self.plan.group[clip]
        entry = Entry(
            id=identity,
            frames=f"{SEQUENCES}/{identity}.png",
            source=clip,
            indices=window.indices,
            fps=fps,
            layout=self.config.layout,
            cell=self.config.cell_size,
            caption=caption,
            split=self.plan.side[group],
            group=group,
            sha256=sha256,
        )
        file = self.part / entry.frames
        if not file.exists():
            _save_grid(window.frames, file, entry, self.versions)
        self.entries.append(entry)

    def _cutter(self, clip: str) -> Cutter:
        held_out = self.plan.side[self.plan.group[clip]] == "held_out"
        return Cutter(self.config.for_held_out() if held_out else self.config)

    def _report(self, source: Source, cutters: list[Cutter]) -> None:
        self.reports.append(
            SourceReport(
                source=source.name,
                path=source.path,
                kind=source.kind,
                clips=len(cutters),
                frames=sum(cutter.num_frames for cutter in cutters),
                used_frames=sum(cutter.num_used for cutter in cutters),
                between_frames=sum(cutter.num_between for cutter in cutters),
                tail_frames=sum(cutter.num_tail for cutter in cutters),
                notes=tuple(dict.fromkeys(note for cutter in cutters for note in cutter.notes())),
            )
        )

    def _counted(
        self, report: SourceReport, entries: list[Entry], duplicates: list[tuple[Entry, Entry]]
    ) -> SourceReport:
        clips = set(self.plan.clips[report.source])
        own = [entry for entry in entries if entry.source in clips]
        again = sum(dropped.source in clips for dropped, _ in duplicates)
        note = (
            (f"{again} sequence(s) dropped: the same frames are in the dataset",) if again else ()
        )
        return report.model_copy(
            update={
                "sequences": len(own),
                "held_out": sum(entry.split == "held_out" for entry in own),
                "duplicates": again,
                "notes": report.notes + note,
            }
        )

    def _caption_notes(self) -> list[str]:
        unused = self.captions.unused()
        if not unused:
            return []
        shown = "; ".join(unused[:3]) + ("; …" if len(unused) > 3 else "")
        return [f"{len(unused)} caption(s) name no source that was used: {shown}."]

    def _why_nothing(self) -> str:
        longest = max(self.reports, key=lambda report: report.frames, default=None)
        if longest is None:
            return (
                f"None of the {len(self.unusable)} sources can be used, the first because "
                f"{self.unusable[0].why}"
            )
        bad = f", and {len(self.unusable)} cannot be read" if self.unusable else ""
        return (
            f"No sequence could be cut: one of {self.config.grid_layout.num_cells} frames at "
            f"stride {self.config.stride} needs {self.config.span} frames, and the longest "
            f"source, {longest.source}, has {longest.frames // longest.clips}{bad}. Use a smaller "
            "layout or stride, or longer sources."
        )


def _save_grid(frames: FrameArray, file: Path, entry: Entry, versions: dict[str, str]) -> None:
    told = Provenance(
        kind="grid",
        layout=entry.layout,
        cell=entry.cell,
        num_frames=len(frames),
        fps=entry.sequence_fps,
        request=entry.model_dump(mode="json", include={"source", "indices", "caption", "sha256"}),
        versions=versions,
    )
    # Plain, because the whole folder is atomic: a full disk here is no fault of the source.
    grid = Image.fromarray(pack_image(frames, entry.grid_layout))
    grid.save(file, format="PNG", pnginfo=png_text(told), compress_level=PNG_LEVEL)


def _check_grid(config: DatasetConfig) -> None:
    size = config.grid_layout.grid_size(config.cell_size)
    if size.height * size.width > MAX_IMAGE_PIXELS:
        raise ConfigError(
            f"A {config.layout} grid of {config.cell_size} px cells is {size} px, more than the "
            f"{MAX_IMAGE_PIXELS} pixels that one picture may have. Use smaller or fewer cells."
        )


def _may_replace(folder: Path) -> bool:
    return is_empty(folder) or is_dataset(folder)
