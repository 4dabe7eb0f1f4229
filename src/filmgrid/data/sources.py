"""Find clips: what each file and folder of a search is, and why the others are not used."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from filmgrid.data.files import natural_key
from filmgrid.data.images import SUFFIXES, is_animated, open_picture
from filmgrid.data.manifest import MANIFEST
from filmgrid.errors import DatasetError, MediaError

SourceKind = Literal["video", "frames", "strip"]

METADATA = "metadata.jsonl"
"""Captions of the files beside it, as Hugging Face's imagefolder names them."""

VIDEO_SUFFIXES = (
    frozenset({".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"})
    | {".ogv", ".ts", ".webm", ".wmv"}
    | {".apng", ".gif"}
)
IMAGE_SUFFIXES = SUFFIXES - VIDEO_SUFFIXES
_MAY_BE_MOVING = frozenset([".avif", ".tif", ".tiff", ".webp"])


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or folder of frames, that holds a sequence (a mosaic holds several).

    Args:
        path: where it is, absolute.
        kind: a video file, a folder whose images are frames, or an image of frames side by side.
        root: folder in which the search began.
        name: its path below ``root``, lengthened where two sources would share it.
    """

    path: Path
    kind: SourceKind
    root: Path
    name: str

    @property
    def relative(self) -> str:
        """Path below the folder in which the search began."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def stem(self) -> str:
        """Name of the file without its suffix, or of the folder."""
        return self.path.name if self.kind == "frames" else self.path.stem


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that the search did not take, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a search found."""

    found: tuple[Source, ...]
    skipped: tuple[Skipped, ...]


@dataclass(slots=True)
class _Search:
    """The search of one given path."""

    root: Path
    strips: bool
    found: list[Source] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    visited: set[Path] = field(default_factory=set)

    def file(self, path: Path) -> None:
        """Take one file by the kind that its suffix tells."""
        check_name(path)
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES or (not self.strips and _is_moving(path)):
            self.take(path, "video")
        elif suffix in IMAGE_SUFFIXES and self.strips:
            self.take(path, "strip")
        elif suffix in IMAGE_SUFFIXES:
            self.skip(
                path,
                "a single image is no sequence; give strip_width if its frames stand side by "
                "side, or the folder of all frames",
            )
        else:
            self.skip(path, f"neither video nor image ({suffix or 'no suffix'})")

    def folder(self, path: Path) -> None:
        """Take what a folder holds, at any depth; images together are the frames of one clip."""
        check_name(path)
        if path.resolve() in self.visited:
            self.skip(path, "this folder was searched already (a link leads back to it)")
            return
        self.visited.add(path.resolve())
        if (path / MANIFEST).is_file():
            self.skip(path, "this is a dataset already; give what it was built from")
            return
        children = sorted(path.iterdir(), key=lambda child: natural_key(child.name))
        visible = [child for child in children if not child.name.startswith(".")]
        frames: set[Path] = set()
        if not self.strips:
            frames = {child for child in visible if _is_image(child) and not _is_moving(child)}
        if frames:
            self.take(path, "frames")
        before = len(self.found)
        for child in visible:
            if child.is_dir():
                self.folder(child)
            elif child not in frames and not _is_caption(child):
                self.file(child)
        captioned = {source.stem for source in self.found[before:] if source.path.parent == path}
        for child in visible:
            if _is_text(child) and child.stem not in captioned:
                self.skip(child, "a text that no source beside it shares its name with")

    def take(self, path: Path, kind: SourceKind) -> None:
        root = self.root if path != self.root else path.parent
        self.found.append(Source(path, kind, root, path.relative_to(root).as_posix()))

    def skip(self, path: Path, why: str) -> None:
        self.skipped.append(Skipped(path, why))


def check_name(path: Path) -> None:
    """Refuse a name that no file of ours could hold.

    Raises:
        DatasetError: if it is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise DatasetError(
            f"{os.fsencode(path)!r} has a name that is not UTF-8, which no manifest or report can "
            "hold. Rename it."
        ) from error


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _is_caption(path: Path) -> bool:
    return path.name == METADATA or _is_text(path)


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and path.is_file()


def _is_moving(path: Path) -> bool:
    """Whether a picture is an animation or a stack of pages, hence a clip of its own."""
    if path.suffix.lower() not in _MAY_BE_MOVING:
        return False
    try:
        with open_picture(path) as image:
            return is_animated(image)
    except MediaError:
        return False  # reading it will say what is wrong


def scan_sources(paths: Sequence[Path], *, strips: bool = False) -> Scan:
    """Find every video, folder of frames and strip below some paths, in natural order.

    Suffixes tell what a file is; only pictures that may be animations or stacks of pages, and
    then count as videos, are looked into. In a folder, the images that lie directly in it are
    the frames of one clip, or each a strip of frames if ``strips`` is set. Hidden files and
    captions are passed over; everything else that is not taken is named with the reason,
    a text without a source of its name included.

    Args:
        paths: files and folders.
        strips: whether images are strips.

    Raises:
        DatasetError: if a path does not exist, or nothing can be used.
    """
    found: dict[Path, Source] = {}
    skipped: list[Skipped] = []
    for path in paths:
        given = Path(os.path.abspath(path))
        if not given.exists():
            raise DatasetError(f"There is no source {path}. Check the path.")
        search = _Search(root=given if given.is_dir() else given.parent, strips=strips)
        try:
            (search.folder if given.is_dir() else search.file)(given)
        except PermissionError as error:
            raise DatasetError(f"{error.filename} may not be read. Change its rights.") from error
        skipped += search.skipped
        for source in search.found:
            if source.path in found:
                skipped.append(Skipped(source.path, "given twice"))
            else:
                found[source.path] = source
    if not found:
        raise DatasetError(_nothing(paths, skipped))
    return Scan(tuple(_with_distinct_names(list(found.values()))), tuple(skipped))


def count_reasons(skipped: Sequence[Skipped]) -> Iterator[str]:
    """Each reason once, after the file it concerns, or the first and how many more."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for item in skipped:
        paths[item.why].append(item.path)
    for why, (first, *others) in paths.items():
        more = f" and {len(others)} more" if others else ""
        yield f"{first.name}{more}: {why}"


def _nothing(paths: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    places = ", ".join(str(path) for path in paths) or "no path"
    reasons = "; ".join(count_reasons(skipped)) or "there is no file in it"
    return (
        f"Nothing in {places} can become a sequence: {reasons}. "
        "Give videos, folders of frames, or strips together with strip_width."
    )


def _with_distinct_names(sources: list[Source]) -> list[Source]:
    """Lengthen names that several sources share by the folders above, until they differ."""
    sharing: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        sharing[source.name].append(source)
    name_of = {source.path: source.name for source in sources}
    for name, group in sharing.items():
        depth = len(Path(name).parts)
        while len({name_of[source.path] for source in group}) < len(group):
            depth += 1
            for source in group:
                name_of[source.path] = Path(*source.path.parts[-depth:]).as_posix()
    return [replace(source, name=name_of[source.path]) for source in sources]
