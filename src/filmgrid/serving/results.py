"""What a finished job leaves: frames without loss, and every format made of them when asked."""

import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import check_output, open_writer, save_sequence
from filmgrid.data.files import atomic_path
from filmgrid.data.media import iter_frames, read_clip
from filmgrid.data.provenance import SIDECAR, Provenance, read_provenance
from filmgrid.errors import ConfigError
from filmgrid.grid.cameras import transforms_json, turntable_cameras, write_transforms
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.serving.inspection import write_thumb
from filmgrid.serving.jobs import EXPORTS, FRAMES, INPUTS, THUMB, frames_of
from filmgrid.serving.records import JobRecord
from filmgrid.types import FrameArray, ImageArray

Format = Literal["mp4", "webm", "gif", "webp", "png", "frames", "sprite", "transforms", "nifti"]
SUFFIX: dict[str, str] = {
    **{name: name for name in ("mp4", "webm", "gif", "webp", "png")},
    **{"frames": "zip", "sprite": "zip", "transforms": "zip", "nifti": "nii.gz"},
}
MEDIA_TYPES: dict[str, str] = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
    "png": "image/png",
    "zip": "application/zip",
    "nii.gz": "application/gzip",
}
MAX_WHOLE = 2**30
"""Bytes of frames that formats which take them all at once may have."""
FOV_DEGREES = 49.1
"""Of a 35 mm lens on a 32 mm sensor, with which turntables are rendered."""


def write_result(part: Path, frames: Iterable[ImageArray], told: Provenance, fps: float) -> None:
    """Write frames and their provenance into a folder that becomes a result.

    Raises:
        MediaError: if the disk is full.
    """
    first: ImageArray | None = None
    with open_writer(part / FRAMES, "folder", fps=fps, provenance=told) as writer:
        for frame in frames:
            first = frame if first is None else first
            writer.write(frame)
    assert first is not None
    write_thumb(first, part / THUMB)


def link_result(part: Path, frames: Path, told: Provenance, fps: float) -> None:
    """Make a result of frames that are there as files, by links where the disk has them.

    Raises:
        MediaError: if the disk is full.
    """
    place = part / FRAMES
    place.mkdir(parents=True)
    names = sorted(frames.glob("[0-9]*.png"))
    for path in names:
        try:
            os.link(path, place / path.name)
        except OSError:
            shutil.copyfile(path, place / path.name)
    first = next(iter_frames(frames, stop=1))
    size = first.shape[:2]
    update = {"cell": size, "num_frames": len(names), "fps": fps, "kind": "sequence"}
    with atomic_path(place / SIDECAR) as text:
        text.write_text(told.model_copy(update=update).to_json() + "\n", encoding="ascii")
    write_thumb(first, part / THUMB)


class Exports:
    """Formats of results, each made once.

    Args:
        most: bytes that a whole clip in memory may take.
    """

    def __init__(self, most: int = MAX_WHOLE) -> None:
        self.most = most
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def make(
        self, folder: Path, record: JobRecord, kind: Format, scale: int, fps: float | None
    ) -> Path:
        """A file of a finished job in some format.

        Args:
            folder: of the job.
            record: the job.
            kind: the format.
            scale: integer enlargement without smoothing.
            fps: frames per second, by default the job's.

        Raises:
            ConfigError: if the format does not fit the job.
            ShapeError: if its sizes do not.
            MediaError: if it cannot be written.
        """
        rate = record.fps if fps is None else fps
        name = f"{scale}x-{rate:g}fps.{SUFFIX[kind]}"
        place = folder / EXPORTS / f"{kind}-{name}"
        if place.is_file():
            return place
        with self._lock(record.id, place.name):
            if not place.is_file():
                self._check(record, kind, scale, rate, place)
                self._write(folder, record, kind, scale, rate, place)
        return place

    def _lock(self, job: str, name: str) -> threading.Lock:
        with self._guard:
            if len(self._locks) > 1000:
                self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
            return self._locks.setdefault((job, name), threading.Lock())

    def _check(self, record: JobRecord, kind: Format, scale: int, fps: float, place: Path) -> None:
        layout = Layout.parse(record.layout)
        if kind == "png" and record.num_frames not in (1, layout.num_cells):
            raise ConfigError(
                f"{record.num_frames} frames do not fill one {layout} grid, so there is no grid "
                "picture of them. Take sprite, frames or mp4."
            )
        if kind == "nifti" and record.num_frames < 2:
            raise ConfigError("A volume has at least two slices, and this job has one frame.")
        size = record.num_frames * record.height * record.width * 3 * scale**2
        if kind in ("gif", "webp", "png", "sprite", "nifti") and size > self.most:
            raise ConfigError(
                f"{record.num_frames} frames of {record.height * scale}x{record.width * scale} px "
                f"are too many for {kind}, which is written as a whole. Use mp4 or frames, or a "
                "smaller scale."
            )
        if kind in ("mp4", "webm", "gif", "webp", "png"):
            check_output(
                place,
                num_frames=record.num_frames,
                fps=fps,
                layout=layout if kind == "png" and record.num_frames > 1 else None,
                scale=scale,
                cell=CellSize(record.height, record.width),
            )

    def _write(
        self, folder: Path, record: JobRecord, kind: Format, scale: int, fps: float, place: Path
    ) -> None:
        frames = frames_of(folder)
        told = read_provenance(frames) or Provenance()
        place.parent.mkdir(exist_ok=True)
        layout = Layout.parse(record.layout)
        fills = layout.num_cells == record.num_frames
        if kind in ("mp4", "webm"):
            with open_writer(place, "video", fps=fps, provenance=told, scale=scale) as writer:
                for frame in iter_frames(frames):
                    writer.write(frame)
            _carry_sound(folder, told, record, fps, place)
        elif kind in ("gif", "webp", "png"):
            used = layout if kind == "png" and fills and record.num_frames > 1 else None
            save_sequence(
                read_clip(frames).frames, place, fps=fps, provenance=told, layout=used, scale=scale
            )
        elif kind == "nifti":
            _volume(read_clip(frames).frames, place)
        else:
            self._zip(frames, told, record, kind, scale, fps, place)

    def _zip(
        self,
        frames: Path,
        told: Provenance,
        record: JobRecord,
        kind: Format,
        scale: int,
        fps: float,
        place: Path,
    ) -> None:
        stem = file_stem(record)
        with TemporaryDirectory(dir=place.parent, prefix=".files-") as folder:
            made = Path(folder)
            if kind == "sprite":
                used = Layout.parse(record.layout)
                used = used if used.num_cells == record.num_frames else None
                save_sequence(
                    read_clip(frames).frames,
                    made / f"{stem}.json",
                    fps=fps,
                    provenance=told,
                    layout=used,
                    scale=scale,
                )
            else:
                with open_writer(
                    made / "frames", "folder", fps=fps, provenance=told, scale=scale
                ) as writer:
                    for frame in iter_frames(frames):
                        writer.write(frame)
            if kind == "transforms":
                names = [f"frames/{number:05d}.png" for number in range(record.num_frames)]
                described = transforms_json(
                    turntable_cameras(record.num_frames),
                    width=record.width * scale,
                    height=record.height * scale,
                    fov_degrees=FOV_DEGREES,
                    file_names=names,
                )
                write_transforms(made / "transforms.json", described)
            with atomic_path(place) as part, zipfile.ZipFile(part, "w") as archive:
                for path in sorted(made.rglob("*")):
                    if path.is_file():  # pictures are compressed already
                        archive.write(path, f"{stem}/{path.relative_to(made).as_posix()}")


def file_stem(record: JobRecord) -> str:
    """A file name for people: the beginning of the prompt."""
    words = record.name or json.loads(record.request).get("prompt") or "sequence"
    kept = "".join(each if each.isascii() and each.isalnum() else " " for each in words)
    return "-".join(kept.lower().split())[:48].strip("-") or "sequence"


def _carry_sound(
    folder: Path, told: Provenance, record: JobRecord, fps: float, place: Path
) -> None:
    """The sound of a clip that was edited whole, as ``filmgrid generate`` keeps it."""
    asked: dict[str, Any] = dict(told.request or {})
    whole = not asked.get("video_start") and asked.get("video_stride", 1) == 1
    source = next(iter((folder / INPUTS).glob("video.*")), None)
    edited = asked.get("task") == "edit" and asked.get("frames") and whole and fps == record.fps
    if edited and source is not None and source.is_file():
        carry_sound(source, place)


def _volume(frames: FrameArray, place: Path) -> None:
    from filmgrid.data.volumes import Volume, assembled, write_volume

    like = Volume(frames[..., 0].astype("float32"), (1.0, 1.0, 1.0))
    write_volume(assembled(frames, like), place)
