"""Captions of clips: whose words win when several files have some."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from filmgrid.data.sources import METADATA, Source
from filmgrid.errors import DatasetError

CaptionOrigin = Literal["sidecar", "metadata", "template", "none"]


@dataclass(frozen=True, slots=True)
class Caption:
    """The words of a clip and where they were found."""

    text: str
    origin: CaptionOrigin


class Captions:
    """Finds the caption of a clip; the first of these that exists wins.

    1. a text file beside the source: ``clip.txt`` for ``clip.mp4`` or for a folder ``clip``;
    2. a line of the ``metadata.jsonl`` given by hand, then of those in the source's folder and
       in the folders above it, up to where the search began;
    3. the template;
    4. no words.

    A metadata line has ``file_name``, relative to its file (to where the search began for the
    one given by hand), and ``text``, as Hugging Face's imagefolder has them; other keys are
    left alone. It may also name one clip of a mosaic (``sky.mp4#3``), or a folder, and then
    it speaks for everything below that has no line of its own.

    Args:
        metadata: a ``metadata.jsonl`` kept away from the sources.
        template: text with ``{stem}``, ``{parent}`` and ``{group}``.
    """

    def __init__(self, metadata: Path | None = None, template: str | None = None) -> None:
        self._metadata = metadata
        self._template = template
        self._tables: dict[Path, _Table] = {}
        if metadata is not None and not metadata.is_file():
            raise DatasetError(
                f"There is no caption file {metadata}. "
                "Give a metadata.jsonl with file_name and text on every line."
            )

    def of(self, source: Source, clip: str, group: str) -> Caption:
        """The caption of one clip.

        Args:
            source: where the clip is.
            clip: its name, ``source.name`` or ``source.name#CELL``.
            group: its group, for the template.

        Raises:
            DatasetError: if a caption file cannot be read, with the line's number.
        """
        suffix = clip.removeprefix(source.name)
        sidecar = source.path.with_name(source.stem + ".txt")
        if sidecar.is_file():
            return Caption(_read_text(sidecar).strip(), "sidecar")
        for table, name in self._tables_for(source):
            text = table.find(name, suffix)
            if text is not None:
                return Caption(text, "metadata")
        if self._template is not None:
            fields = {"stem": source.stem, "parent": source.path.parent.name, "group": group}
            return Caption(self._template.format(**fields), "template")
        return Caption("", "none")

    def unused(self) -> list[str]:
        """Metadata lines that named nothing so far, as ``FILE, line N (NAME)``."""
        return [
            f"{table.path}, line {table.line_of[name]} ({name})"
            for table in self._tables.values()
            for name in table.line_of
            if name not in table.used
        ]

    def _tables_for(self, source: Source) -> list[tuple["_Table", str]]:
        """Metadata files that may speak for a source, nearest first, and its name in each."""
        tables: list[tuple[_Table, str]] = []
        if self._metadata is not None:
            tables.append((self._table(self._metadata), source.relative))
        folder = source.path.parent
        while True:
            path = folder / METADATA
            if path.is_file():
                tables.append((self._table(path), source.path.relative_to(folder).as_posix()))
            if not folder.is_relative_to(source.root) or folder == source.root:
                return tables
            folder = folder.parent

    def _table(self, path: Path) -> "_Table":
        if path not in self._tables:
            self._tables[path] = _Table(path)
        return self._tables[path]


class _Table:
    """One metadata.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: set[str] = set()
        self.line_of: dict[str, int] = {}
        self._text_of: dict[str, str] = {}
        # Not splitlines, which also breaks at characters that JSON strings may hold (U+2028).
        for number, line in enumerate(_read_text(path).split("\n"), start=1):
            if line.strip():
                name, text = _read_line(line, f"{path}, line {number}")
                if name in self.line_of:
                    raise DatasetError(
                        f"{path}, line {number}: {name} is already captioned on line "
                        f"{self.line_of[name]}. Keep one of the two."
                    )
                self.line_of[name] = number
                self._text_of[name] = text

    def find(self, name: str, suffix: str) -> str | None:
        """Text for a clip, its source, or the nearest folder above it."""
        path = PurePosixPath(name)
        for candidate in (name + suffix, name, *(str(parent) for parent in path.parents)):
            if candidate in self._text_of:
                self.used.add(candidate)
                return self._text_of[candidate]
        return None


def _read_line(line: str, place: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{place}: this is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{place}: this is not a JSON object with file_name and text.")
    name, text = row.get("file_name"), row.get("text")
    if not isinstance(name, str) or not isinstance(text, str):
        raise DatasetError(
            f'{place}: file_name and text must both be there, as {{"file_name": "clip.mp4", '
            f'"text": "a dog runs"}}; found {", ".join(row) or "nothing"}.'
        )
    return PurePosixPath(name.replace("\\", "/")).as_posix(), text.strip()


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from error
