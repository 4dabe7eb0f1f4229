"""Folders of numbered pictures out, frame by frame as they come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from filmgrid.data.files import atomic_folder
from filmgrid.data.gate import FrameGate, FrameWriter, check_numbers
from filmgrid.data.provenance import SIDECAR, Provenance, read_provenance
from filmgrid.types import ImageArray

_LEFT_BY_DESKTOPS = {".DS_Store", "Thumbs.db", "desktop.ini"}


@contextmanager
def folder_writer(
    path: Path, *, fps: float, provenance: Provenance, scale: int = 1
) -> Iterator[FrameWriter]:
    """Write ``00000.png``, ``00001.png``, … and their provenance as ``filmgrid.json``.

    The folder appears, complete, when the body succeeds. It must be new, empty, or an earlier
    export of filmgrid, which is replaced as a whole. PNG keeps every bit of the frames.

    Args:
        path: the folder.
        fps: frames per second, noted for readers.
        provenance: what is known before; size, number and rate are filled in.
        scale: integer enlargement without smoothing.

    Raises:
        ConfigError: if ``fps`` or ``scale`` is out of range.
        MediaError: if no frame comes, other files are in the way, or the place cannot be written.
    """
    check_numbers(fps, scale)
    with atomic_folder(path, may_replace_export) as part:
        writer = _FolderWriter(FrameGate(path, scale), part)
        yield writer
        writer.finish(fps, provenance)


def may_replace_export(folder: Path) -> bool:
    """Whether a folder is empty, or holds an earlier export of filmgrid and nothing else."""
    names = {path.name for path in folder.iterdir()} - _LEFT_BY_DESKTOPS
    frames = names - {SIDECAR}
    numbered = {f"{index:05d}.png" for index in range(len(frames))}
    return not names or (frames == numbered and read_provenance(folder) is not None)


class _FolderWriter:
    def __init__(self, gate: FrameGate, part: Path) -> None:
        self._gate, self._part = gate, part

    def write(self, frame: ImageArray) -> None:
        pixels = self._gate.admit(frame)
        name = f"{self._gate.num_frames - 1:05d}.png"
        Image.fromarray(pixels).save(self._part / name, format="PNG")

    def finish(self, fps: float, provenance: Provenance) -> None:
        self._gate.check_not_empty()
        assert self._gate.shape is not None
        height, width = (side * self._gate.scale for side in self._gate.shape[:2])
        told = provenance.model_copy(
            update={
                "kind": "sequence",
                "cell": (height, width),
                "num_frames": self._gate.num_frames,
                "fps": fps,
                "scale": self._gate.scale,
                "pad": None,
            }
        )
        (self._part / SIDECAR).write_text(told.to_json() + "\n", encoding="ascii")
