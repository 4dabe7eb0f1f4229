"""Files that visitors gave: looked into elsewhere, kept under names of our own.

::

    uploads/ID/source.mp4    the file as it came; of several pictures source/00000.png, …
    uploads/ID/frames/       frames of it that somebody wanted to see
    uploads/ID/thumb.webp    the first of them, small
"""

import re
import shutil
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

from filmgrid.data.files import natural_key
from filmgrid.data.images import SUFFIXES
from filmgrid.data.video_writer import VIDEO_SUFFIXES
from filmgrid.errors import MediaError
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.database import Database
from filmgrid.serving.inspection import CHUNK, ask

SOURCE, FRAMES, THUMB = "source", "frames", "thumb.webp"
KNOWN = frozenset((*SUFFIXES, *VIDEO_SUFFIXES, ".avi", ".m4v", ".mpg", ".mpeg", ".ogv", ".ts"))


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload as it is kept.

    Args:
        number: order of arrival.
        id: random.
        name: that it came with, for people; no path is ever made of it.
        kind: a picture, or a clip of frames.
        file: its own name in its folder.
        num_frames: 1 of a picture.
        height: of a frame in pixels.
        width: of a frame in pixels.
        fps: frames per second, where it has time.
        layout: if it is one picture that holds a grid.
        bytes: of its folder.
        created: when it came, seconds since 1970.
    """

    number: int
    id: str
    name: str
    kind: str
    file: str
    num_frames: int
    height: int
    width: int
    fps: float | None
    layout: str | None
    bytes: int
    created: float


COLUMNS = ", ".join(field.name for field in fields(UploadRecord))


class UploadStore:
    """The uploads of a workspace.

    Args:
        database: of the workspace.
        folder: of the uploads.
        config: limits.
    """

    def __init__(self, database: Database, folder: Path, config: ServeConfig) -> None:
        self.database, self.folder, self.config = database, folder, config
        self._drawing = threading.Lock()

    def keep(self, upload: str, part: Path, files: list[tuple[str, Path]]) -> UploadRecord:
        """Look into what has come and keep it.

        Args:
            upload: its id.
            part: folder that the files lie in, which becomes the upload's own.
            files: their names as told, and where they are.

        Raises:
            MediaError: if it is no picture and no clip, or larger than allowed.
        """
        if not files:
            raise MediaError("Nothing was uploaded. Send a picture or a clip as the field file.")
        name, source = shown(files[0][0]), part / f"{SOURCE}{_suffix(files[0][0])}"
        if len(files) > 1:
            source = part / SOURCE
            source.mkdir()
            ordered = sorted(files, key=lambda each: natural_key(each[0]))
            for number, (told, path) in enumerate(ordered):
                if _suffix(told) not in SUFFIXES:
                    raise MediaError(
                        f"{shown(told)} is no picture by its name. Give one clip, one picture, or "
                        "several pictures, which become its frames."
                    )
                path.rename(source / f"{number:05d}{_suffix(told)}")
            name = f"{len(files)} pictures"
        else:
            files[0][1].rename(source)
        try:
            limits = {"pixels": self.config.upload_pixels, "frames": self.config.upload_frames}
            words = {"do": "look", "path": str(source), "thumb": str(part / THUMB), **limits}
            found = ask(words, self.config.upload_s)
        except MediaError as error:
            raise MediaError(str(error).replace(str(source), name)) from error
        values = {"id": upload, "name": name, "file": source.name, "created": time.time(), **found}
        values["bytes"] = sum(each.stat().st_size for each in part.rglob("*") if each.is_file())
        part.rename(self.folder / upload)
        with self.database.write() as db:
            db.execute(
                f"INSERT INTO uploads ({', '.join(values)})"
                f" VALUES ({', '.join('?' * len(values))})",
                tuple(values.values()),
            )
        return self.get(upload)

    def get(self, upload: str) -> UploadRecord:
        """An upload.

        Raises:
            MediaError: if it is not there.
        """
        row = self.database.connection.execute(
            f"SELECT {COLUMNS} FROM uploads WHERE id = ?", (upload,)
        ).fetchone()
        if row is None:
            raise MissingUploadError(
                f"There is no upload {upload}. It may have been deleted; upload the file again."
            )
        return UploadRecord(*row)

    def oldest(self) -> list[UploadRecord]:
        """All of them, the oldest first."""
        rows = self.database.connection.execute(f"SELECT {COLUMNS} FROM uploads ORDER BY number")
        return [UploadRecord(*row) for row in rows]

    def file(self, upload: UploadRecord) -> Path:
        """Where its file is, or its folder of frames."""
        return self.folder / upload.id / upload.file

    def thumb(self, upload: UploadRecord) -> Path:
        """A small picture of it."""
        return self.folder / upload.id / THUMB

    def frame(self, upload: UploadRecord, number: int) -> Path:
        """One frame of it as a PNG, which is drawn the first time.

        Raises:
            MediaError: if there is no such frame, or it cannot be read.
        """
        if not 0 <= number < upload.num_frames:
            raise MediaError(
                f"{upload.name} has no frame {number}, only {upload.num_frames}, counted from 0."
            )
        folder = self.folder / upload.id
        path = folder / FRAMES / f"{number:05d}.png"
        if path.is_file():
            return path
        with self._drawing:
            if not path.is_file():
                words = {"do": "draw", "path": str(self.file(upload)), "out": str(path.parent)}
                words |= {"first": number // CHUNK * CHUNK, "grid": upload.layout is not None}
                try:
                    ask(words, self.config.upload_s)
                except MediaError as error:
                    raise MediaError(
                        str(error).replace(str(self.file(upload)), upload.name)
                    ) from error
                size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
                with self.database.write() as db:
                    db.execute("UPDATE uploads SET bytes = ? WHERE id = ?", (size, upload.id))
        if not path.is_file():
            raise MediaError(f"{upload.name} ends before its frame {number}.")
        return path

    def remove(self, upload: str) -> None:
        """Forget an upload; jobs that were made of it keep their own copies.

        Raises:
            MediaError: if it is not there.
        """
        self.get(upload)
        with self.database.write() as db:
            db.execute("DELETE FROM uploads WHERE id = ?", (upload,))
        shutil.rmtree(self.folder / upload, ignore_errors=True)


class MissingUploadError(MediaError):
    """An upload that is not there."""


def shown(name: str) -> str:
    """A told file name as people may see it."""
    last = re.split(r"[\\/]", name)[-1]
    return re.sub(r"[^\w .()+,=@#-]", "_", last).strip()[:120] or "upload"


def _suffix(name: str) -> str:
    suffix = Path(shown(name)).suffix.lower()
    return suffix if suffix in KNOWN else ""
