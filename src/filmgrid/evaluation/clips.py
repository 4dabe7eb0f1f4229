"""Sets of clips to measure, read one at a time, however many there are. Free of torch."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filmgrid.data.arrays import ARRAY_SUFFIXES, array_clips
from filmgrid.data.captions import Captions
from filmgrid.data.files import natural_key
from filmgrid.data.fit import FitMode, fit_frames
from filmgrid.data.images import SUFFIXES
from filmgrid.data.manifest import MANIFEST, Split
from filmgrid.data.media import count_frames, read_clip, read_grid
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.data.sequences import SequenceFolder
from filmgrid.data.sources import (
    Source,
    SourceKind,
    check_name,
    count_reasons,
    scan_sources,
)
from filmgrid.errors import DatasetError, MediaError, ShapeError
from filmgrid.evaluation.selection import Selection, fitting, listed
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray

EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a set.

    Args:
        name: what it is called in its set.
        frames: as they are measured: cut and brought to size.
        layout: of the grid it was made as, where that is known.
        caption: what it shows; empty where nobody said.
    """

    name: str
    frames: FrameArray
    layout: Layout | None = None
    caption: str = ""

    @property
    def size(self) -> CellSize:
        """Height and width of a frame, in pixels."""
        return CellSize(self.frames.shape[1], self.frames.shape[2])


@dataclass(frozen=True, slots=True)
class _Kept:
    """How one clip is read, and what is known of it beforehand."""

    read: Callable[[slice], FrameArray]
    length: Callable[[], int]
    about: Callable[[], tuple[Layout | None, str]]


def counted(count: int, noun: str) -> str:
    """So many of something, as ``1 frame`` and ``8 frames``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _whole(read: Callable[[], FrameArray], about: Callable[[], tuple[Layout | None, str]]) -> _Kept:
    """A clip that can only be read as a whole."""
    return _Kept(lambda wanted: read()[wanted], lambda: len(read()), about)


class ClipSet:
    """The clips of a dataset, a folder, or one file, by name.

    A folder may hold videos, animations, folders of frames, NumPy arrays, and pictures of grids
    (those that filmgrid made say so; others need ``grids``). A clip is called as its
    file below the folder, without the suffix; in a dataset, by its id.

    Args:
        path: where they are.
        split: side of a dataset.
        frames: number of frames that are used, the first ones unless ``select`` says otherwise;
            all by default.
        size: brings all frames to it.
        fit: how.
        layout: that clips were made as, where files do not tell.
        grids: whether every picture is a grid of that layout.
        select: which clips, and which of their frames.

    Raises:
        DatasetError: if there is no clip, two have one name, or a name is not UTF-8.
    """

    def __init__(
        self,
        path: Path,
        split: Split | None = None,
        frames: int | None = None,
        size: CellSize | None = None,
        fit: FitMode = "resize",
        layout: Layout | None = None,
        *,
        grids: bool = False,
        select: Selection = EVERYTHING,
    ) -> None:
        self.path, self.frames, self.size, self.layout = path, frames, size, layout
        self.fit: FitMode = fit
        self.select = select
        self.notes: list[str] = []
        self._clips: dict[str, _Kept] = {}
        check_name(path)
        if self.is_dataset(path):
            self._add_dataset(SequenceFolder(path, split))
        else:
            if split is not None:
                raise DatasetError(
                    f"{path} is no dataset, so it has no split {split}. Leave --split out."
                )
            self._add_files(Path(os.path.abspath(path)), layout if grids else None)
        if not self._clips:
            raise DatasetError(
                f"No folder of pictures in {path} has any called {select.pictures}. Give another "
                "pattern, or another folder."
            )
        if select.names is not None:
            found = fitting(self.names, select.names, path)
            self._clips = {name: self._clips[former] for name, former in found.items()}
        if select.listed is not None:
            named, sentence = listed(self.names, select.listed, path)
            self.choose(named)
            self.notes += [sentence] if sentence else []
        if select.skip_short and frames is not None:
            self._leave_out_short(frames)

    @staticmethod
    def is_dataset(path: Path) -> bool:
        """Whether a path is a dataset of filmgrid, which may be split."""
        return (path / MANIFEST).is_file()

    def _add_dataset(self, folder: SequenceFolder) -> None:
        for index, entry in enumerate(folder.entries):
            self._add(
                entry.id,
                _Kept(
                    lambda wanted, index=index: folder[index].frames[wanted],
                    lambda entry=entry: entry.grid_layout.num_cells,
                    lambda entry=entry: (entry.grid_layout, entry.caption),
                ),
            )

    def _add_files(self, path: Path, grid: Layout | None) -> None:
        captions, root = Captions(), path if path.is_dir() else path.parent
        arrays, grids = _arrays(path), _grids(path, grid)
        used = {*arrays, *grids}
        for file in arrays:
            check_name(file)
            prefix = file.parent.relative_to(root)
            for number, (name, read) in enumerate(array_clips(file, numbered=file == path).items()):
                source = _source(_captioned(file, name), "video", root)
                used.add(source.path.with_suffix(".txt"))
                words = f"{source.name}#{number}"
                self._add(
                    (prefix / name).as_posix(),
                    _whole(
                        read,
                        lambda source=source, words=words: (
                            self.layout,
                            captions.of(source, words, "").text,
                        ),
                    ),
                )
        for file in grids:
            check_name(file)
            source = _source(file, "strip", root)
            used.add(file.with_suffix(".txt"))
            self._add(
                Path(source.name).with_suffix("").as_posix(),
                _whole(
                    lambda file=file: read_grid(file, grid).frames,
                    lambda source=source: self._told(captions, source),
                ),
            )
        try:
            scan = scan_sources([path])
        except DatasetError as error:
            if error.__cause__ is not None:  # a name or a folder that cannot be read
                raise
            if not self._clips:
                raise DatasetError(_nothing(self.path)) from error
            return
        for source in scan.found:
            if source.kind == "frames" and any(file.parent == source.path for file in grids):
                continue
            relative = Path(source.relative)
            if source.kind != "frames":
                relative = relative.with_suffix("")
            elif not self.select.has_pictures(source.path):
                continue
            self._add(
                relative.as_posix(),
                _Kept(
                    lambda wanted, at=source.path: self._frames_of(at, wanted),
                    lambda at=source.path: count_frames(at, self.select.pictures),
                    lambda source=source: self._told(captions, source),
                ),
            )
        skipped = [item for item in scan.skipped if item.path not in used]
        if skipped:
            self.notes.append(f"In {self.path}, left out: {'; '.join(count_reasons(skipped))}.")

    def _frames_of(self, path: Path, wanted: slice) -> FrameArray:
        return read_clip(
            path,
            start=wanted.start,
            stop=wanted.stop,
            stride=wanted.step,
            names=self.select.pictures,
        ).frames

    def _told(self, captions: Captions, source: Source) -> tuple[Layout | None, str]:
        """Layout and words, as the file, what lies beside it, or the caller tells them."""
        told: Provenance | None = read_provenance(source.path)
        words = captions.of(source, source.name, "").text
        if told is None:
            return self.layout, words
        prompt = str((told.request or {}).get("prompt") or "")
        return self.layout or told.grid, words or prompt

    @property
    def names(self) -> list[str]:
        """Names of the clips, in order."""
        return list(self._clips)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    def told(self) -> tuple[Layout | None, str]:
        """Layout and caption of the first clip, where it tells them."""
        return next(iter(self._clips.values())).about()

    def without_caption(self) -> str | None:
        """The first clip of which nobody said what it shows, if there is one."""
        return next((name for name, kept in self._clips.items() if not kept.about()[1]), None)

    def choose(self, names: list[str]) -> None:
        """Leave out all other clips."""
        self._clips = {name: self._clips[name] for name in names}

    def __getitem__(self, name: str) -> Clip:
        """Read one clip.

        Raises:
            ShapeError: if it has too few frames.
            MediaError: if it cannot be read.
        """
        kept = self._clips[name]
        frames = kept.read(self.select.taken(name, self.frames, kept.length))
        if self.frames is not None and len(frames) < self.frames:
            every = f" of every {self.select.stride}" if self.select.stride > 1 else ""
            raise ShapeError(
                f"{name} in {self.path} has {counted(len(frames), 'frame')}{every}, and "
                f"{self.frames} are asked for. Use --frames {len(frames)}, or leave that clip out."
            )
        if self.size is not None:
            frames = fit_frames(frames, self.size, self.fit)
        layout, caption = kept.about()
        return Clip(name, np.ascontiguousarray(frames), layout, caption)

    def num_frames(self, name: str) -> int:
        """Number of frames of one clip as it lies there, however many of them are used."""
        return self._clips[name].length()

    def _leave_out_short(self, frames: int) -> None:
        """Drop clips with too few frames.

        Raises:
            DatasetError: if that leaves none.
        """
        needed = self.select.needed(frames)
        lengths = {name: kept.length() for name, kept in self._clips.items()}
        enough = [name for name, length in lengths.items() if length >= needed]
        if not enough:
            raise DatasetError(
                f"All {len(lengths)} clips of {self.path} have fewer than {needed} frames, the "
                f"longest {max(lengths.values())}. Use fewer --frames, or longer clips."
            )
        if len(enough) < len(lengths):
            self.notes.append(
                f"{len(lengths) - len(enough)} of {len(lengths)} clips of {self.path} have fewer "
                f"than {needed} frames and are left out."
            )
            self.choose(enough)

    def __iter__(self) -> Iterator[Clip]:
        """Read all, in order."""
        return (self[name] for name in self._clips)

    def _add(self, name: str, kept: _Kept) -> None:
        if name in self._clips:
            raise DatasetError(
                f"{self.path} holds two clips called {name}. Give each a name of its own."
            )
        self._clips[name] = kept


def partners(real: ClipSet, made: ClipSet) -> dict[str, str]:
    """The real clip of every made clip that has one, by name; two single clips belong together."""
    if len(real) == len(made) == 1:
        return {made.names[0]: real.names[0]}
    known = set(real.names)
    return {name: name for name in made.names if name in known}


def _arrays(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in ARRAY_SUFFIXES else []
    return _sorted(file for file in path.rglob("*") if file.suffix.lower() in ARRAY_SUFFIXES)


def _grids(path: Path, layout: Layout | None) -> list[Path]:
    """Pictures of grids: all if a layout is named, else those beside a first one that says so."""
    if path.is_file():
        pictures = [path] if path.suffix.lower() in SUFFIXES else []
    else:
        pictures = [
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
    if layout is not None:
        return _sorted(pictures)
    beside: dict[Path, list[Path]] = {}
    for file in _sorted(pictures):
        beside.setdefault(file.parent, []).append(file)
    return [file for files in beside.values() if _says_grid(files[0]) for file in files]


def _says_grid(file: Path) -> bool:
    try:
        told = read_provenance(file)
    except MediaError:
        return False
    return told is not None and told.kind in ("grid", "sprites")


def _sorted(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=lambda file: natural_key(file.as_posix()))


def _source(path: Path, kind: SourceKind, root: Path) -> Source:
    return Source(path, kind, root, path.relative_to(root).as_posix())


def _captioned(file: Path, name: str) -> Path:
    """What words beside an array are looked up by: its clip's own name, if a text has it."""
    own = file.parent / f"{name}{file.suffix}"
    return own if own.parent == file.parent and own.with_suffix(".txt").is_file() else file


def _nothing(path: Path) -> str:
    """Why there is no clip in a path, and what fits."""
    if not path.exists():
        return f"There is no source {path}. Check the path."
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return (
            f"{path} is one picture and no clip. Say that it is a grid with --grids and --layout "
            "ROWSxCOLS, or give the folder of all frames."
        )
    first = next((file.name for file in _sorted(path.rglob("*")) if file.is_file()), None)
    what = "" if path.is_file() else f": its first file is {first}" if first else ": it is empty"
    return (
        f"{path} holds no clip{what}. Give videos, animations, folders of frames, grids, or .npy "
        "arrays."
    )
