"""Sets of clips to measure, read one at a time, however many there are. Free of torch."""

from collections.abc import Callable, Iterator
from pathlib import Path

from filmgrid.data.manifest import MANIFEST, Split
from filmgrid.data.media import read_clip
from filmgrid.data.sequences import SequenceFolder
from filmgrid.data.sources import scan_sources
from filmgrid.errors import DatasetError, ShapeError
from filmgrid.types import FrameArray


class ClipSet:
    """The clips of a dataset, of a folder of videos or frame folders, or of one file, by name.

    A clip is called as its file below the folder, without the suffix; in a dataset, by its id.

    Args:
        path: where they are.
        split: side of a dataset.
        frames: number of leading frames that are used; all by default.

    Raises:
        DatasetError: if there is no clip, or two of one name.
    """

    def __init__(self, path: Path, split: Split | None = None, frames: int | None = None) -> None:
        self.path, self.frames = path, frames
        self._readers: dict[str, Callable[[], FrameArray]] = {}
        if (path / MANIFEST).is_file():
            folder = SequenceFolder(path, split)
            for index, entry in enumerate(folder.entries):
                self._add(entry.id, lambda index=index: folder[index].frames)
        else:
            for source in scan_sources([path]).found:
                name = Path(source.relative)
                name = name if source.kind == "frames" else name.with_suffix("")
                self._add(name.as_posix(), lambda at=source.path: self._read(at))

    @property
    def names(self) -> list[str]:
        """Names of the clips, in order."""
        return list(self._readers)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._readers)

    def __getitem__(self, name: str) -> FrameArray:
        """Read one clip.

        Raises:
            ShapeError: if it has too few frames.
            MediaError: if it cannot be read.
        """
        clip = self._readers[name]()
        if self.frames is not None and len(clip) < self.frames:
            raise ShapeError(
                f"{name} in {self.path} has {len(clip)} frames, and {self.frames} are asked for. "
                f"Use --frames {len(clip)}, or leave that clip out."
            )
        return clip[: self.frames]

    def __iter__(self) -> Iterator[FrameArray]:
        """Read all, in order."""
        return (self[name] for name in self._readers)

    def _read(self, path: Path) -> FrameArray:
        return read_clip(path, stop=self.frames).frames

    def _add(self, name: str, read: Callable[[], FrameArray]) -> None:
        if name in self._readers:
            raise DatasetError(
                f"{self.path} holds two clips called {name}. Give each a name of its own."
            )
        self._readers[name] = read
