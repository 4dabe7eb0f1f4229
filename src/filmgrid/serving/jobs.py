"""Folders of jobs: what each brings and leaves, and the file that is enough to make it again.

::

    jobs/ID/job.json      the request, its files relative to this folder
    jobs/ID/inputs/       copies of these files (hard links where the disk has them)
    jobs/ID/work/         of a long one, what it goes on from; goes with the result
    jobs/ID/preview.webp  the latest look at it
    jobs/ID/result/       frames/00000.png, … and thumb.webp; whole or not there
    jobs/ID/exports/      other formats of it, made when asked for
"""

import json
import os
import re
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filmgrid.data.files import atomic_path
from filmgrid.data.provenance import current_versions
from filmgrid.errors import ConfigError, MediaError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.inputs import Described, Given
from filmgrid.request import GenerateRequest
from filmgrid.request.text import parse_keyframe
from filmgrid.serving.records import JobRecord
from filmgrid.serving.store import JobStore
from filmgrid.serving.uploads import MissingUploadError, UploadRecord, UploadStore

JOB, INPUTS, WORK, RESULT, EXPORTS = "job.json", "inputs", "work", "result", "exports"
FRAMES, PREVIEW, THUMB = "frames", "preview.webp", "thumb.webp"
ID = re.compile(r"[0-9a-f]{16}")
REFERENCE = re.compile(r"(upload|job):([0-9a-f]{16})(?:/(\d{1,7}))?")


def new_id() -> str:
    """A name that nobody guesses."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of a server. Names in it are ids that it made itself.

    Args:
        folder: of all.
    """

    folder: Path

    @property
    def jobs(self) -> Path:
        """Folders of the jobs."""
        return self.folder / "jobs"

    @property
    def uploads(self) -> Path:
        """Folders of the uploads."""
        return self.folder / "uploads"

    @property
    def database(self) -> Path:
        """The file that knows all of them."""
        return self.folder / "filmgrid.sqlite3"

    def job(self, job: str) -> Path:
        """Folder of a job."""
        return self.jobs / _checked(job)

    def upload(self, upload: str) -> Path:
        """Folder of an upload."""
        return self.uploads / _checked(upload)

    def make(self) -> None:
        """Make the folders that are not there."""
        for folder in (self.jobs, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)


def _checked(name: str) -> str:
    if ID.fullmatch(name) is None:
        raise KeyError(name)
    return name


def frames_of(folder: Path) -> Path:
    """Where the frames of a finished job lie."""
    return folder / RESULT / FRAMES


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue  # it went meanwhile
    return total


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files that a request refers to.

    Args:
        files: where each is, by its name in the folder of inputs.
        given: what is known of them.
        paths: fields of the request with those names.
    """

    files: dict[str, Path] = field(default_factory=dict)
    given: Described = field(default_factory=Described)
    paths: dict[str, Any] = field(default_factory=dict)


class References:
    """Finds what the words ``upload:ID``, ``job:ID`` and ``job:ID/FRAME`` of a request mean.

    Args:
        workspace: of the server.
        jobs: its jobs.
        uploads: its uploads.
    """

    def __init__(self, workspace: Workspace, jobs: JobStore, uploads: UploadStore) -> None:
        self.workspace, self.jobs, self.uploads = workspace, jobs, uploads

    def find(self, request: GenerateRequest) -> Inputs:
        """The files of a request.

        Raises:
            ConfigError: if a word means no file here.
            MediaError: if an upload or job is not there, or has no such frame.
        """
        files: dict[str, Path] = {}
        images: dict[int, Given] = {}
        paths: dict[str, Any] = {}
        if request.image is not None:
            path, images[0] = self._picture("image", str(request.image))
            name = f"image{path.suffix}"
            files[name], paths["image"] = path, f"{INPUTS}/{name}"
        keyframes: list[str] = []
        for text in request.keyframe:
            cell, place = parse_keyframe(text)
            path, images[cell] = self._picture(f"keyframe {cell}", str(place))
            name = f"keyframe-{cell}{path.suffix}"
            files[name] = path
            keyframes.append(f"{cell}={INPUTS}/{name}")
        if keyframes:
            paths["keyframe"] = keyframes
        video = None
        if request.video is not None:
            path, video = self._video(str(request.video))
            name = f"video{path.suffix}"
            files[name], paths["video"] = path, f"{INPUTS}/{name}"
        return Inputs(files, Described(dict(sorted(images.items())), video), paths)

    def _picture(self, what: str, text: str) -> tuple[Path, Given]:
        kind, name, frame = _parse(what, text)
        if kind == "upload":
            upload = self._upload(name)
            size = CellSize(upload.height, upload.width)
            if upload.kind == "image" and frame in (None, 0):
                return self.uploads.file(upload), Given(upload.name, size)
            if frame is None:
                raise MediaError(
                    f"{upload.name} is a clip where one picture is needed. Name one of its "
                    f"{upload.num_frames} frames as upload:{name}/FRAME."
                )
            return self.uploads.frame(upload, frame), Given(f"Frame {frame} of {upload.name}", size)
        record = self._done(name)
        if frame is None and record.num_frames > 1:
            raise MediaError(
                f"Job {name} has {record.num_frames} frames where one picture is needed. Name one "
                f"as job:{name}/FRAME."
            )
        path = frames_of(self.workspace.job(name)) / f"{frame or 0:05d}.png"
        if not path.is_file():
            raise MediaError(f"Job {name} has no frame {frame}, only {record.num_frames}, from 0.")
        size = CellSize(record.height, record.width)
        return path, Given(f"Frame {frame or 0} of job {name}", size)

    def _video(self, text: str) -> tuple[Path, Given]:
        kind, name, frame = _parse("video", text)
        if frame is not None:
            raise ConfigError(
                f"video {text!r} names one frame, and a video is all of them. Write {kind}:{name}, "
                "or give the frame as image or keyframe."
            )
        if kind == "upload":
            upload = self._upload(name)
            layout = None if upload.layout is None else Layout.parse(upload.layout)
            size = CellSize(upload.height, upload.width)
            given = Given(upload.name, size, upload.num_frames, upload.fps, layout)
            return self.uploads.file(upload), given
        record = self._done(name)
        size = CellSize(record.height, record.width)
        given = Given(f"Job {name}", size, record.num_frames, record.fps)
        return frames_of(self.workspace.job(name)), given

    def _upload(self, name: str) -> UploadRecord:
        try:
            return self.uploads.get(name)
        except MissingUploadError as error:  # of the request, and not what was asked for
            raise MediaError(str(error)) from error

    def _done(self, name: str) -> JobRecord:
        record = self.jobs.find(name)
        if record is None:
            raise MediaError(f"There is no job {name}. It may have been deleted.")
        if record.state != "done":
            raise MediaError(f"Job {name} has no frames: it is {record.state}. Wait for it.")
        return record


def _parse(what: str, text: str) -> tuple[str, str, int | None]:
    found = REFERENCE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{what} {text[:80]!r} is no file of this server. Upload it and write upload:ID, or "
            "name a finished job as job:ID, or a frame of it as job:ID/FRAME."
        )
    return found[1], found[2], None if found[3] is None else int(found[3])


def begin_folder(folder: Path, request: GenerateRequest, inputs: Inputs, name: str | None) -> int:
    """Make the folder of a job, with all that making it takes.

    Args:
        folder: that does not exist.
        request: as asked.
        inputs: the files that it refers to.
        name: of the job, for people.

    Returns:
        Bytes of the folder.

    Raises:
        MediaError: if a file went meanwhile, or the disk is full.
    """
    try:
        (folder / INPUTS).mkdir(parents=True)
        for place, path in inputs.files.items():
            if path.is_dir():
                (folder / INPUTS / place).mkdir()
                for each in sorted(path.iterdir()):
                    _link(each, folder / INPUTS / place / each.name)
            else:
                _link(path, folder / INPUTS / place)
        told = {
            **request.model_dump(mode="json", exclude_defaults=True),
            **inputs.paths,
        }
        with atomic_path(folder / JOB) as part:
            text = {
                "created_by": "filmgrid",
                "name": name,
                "request": told,
                "versions": current_versions(),
            }
            part.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
    except FileNotFoundError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MediaError("A file of the request was deleted meanwhile. Upload it again.") from error
    except (OSError, MediaError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MediaError(
            "The job could not be stored: the disk of the server is full or read-only. Delete "
            "old jobs, or try again later."
        ) from error
    return size_of(folder)


def _link(source: Path, place: Path) -> None:
    """The same file at another place: no copy where the file system can do without."""
    try:
        os.link(source, place)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, place)


def read_job(path: Path) -> GenerateRequest:
    """The request in a ``job.json``, its files found from where that lies.

    Raises:
        MediaError: if it is missing or damaged.
        ConfigError: if the request cannot be read.
    """
    try:
        told = json.loads(path.read_bytes())
        request = dict(told["request"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(f"{path} is no job of filmgrid, or damaged. Name a job.json.") from error
    return GenerateRequest(**placed(request, path.parent))


def placed(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A request whose files are found from a folder."""
    found = dict(request)
    for name in ("image", "video"):
        if found.get(name):
            found[name] = str(folder / str(found[name]))
    if found.get("keyframe"):
        cells = (parse_keyframe(str(text)) for text in found["keyframe"])
        found["keyframe"] = [f"{cell}={folder / path}" for cell, path in cells]
    return found


def unplaced(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A request as files tell it that leave the server: without the folder's place."""
    prefix = f"{folder}{os.sep}"
    found = dict(request)
    for name in ("image", "video"):
        if found.get(name):
            found[name] = str(found[name]).removeprefix(prefix)
    if found.get("keyframe"):
        found["keyframe"] = [str(text).replace(prefix, "") for text in found["keyframe"]]
    return found
