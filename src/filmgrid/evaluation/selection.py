"""Which of the clips below a path are measured, and which of their frames. Free of torch."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from filmgrid.errors import DatasetError
from filmgrid.evaluation.spec import FrameChoice

Start = Literal["first", "centre", "random"]
"""Where the used frames lie in a longer clip; random draws by the clip's name."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which clips are used, and which of their frames.

    Args:
        start: where the used frames lie in a longer clip.
        stride: frames from one used frame to the next.
        seed: of the random starts.
        names: pattern with one ``*`` that names must fit, as ``*/images``; what the ``*`` stands
            for, at any depth, is then the name.
        pictures: pattern of the pictures of a folder that are its frames, as ``left_*.png``.
            Folders without any are passed over.
        listed: file with the names to use, one a line, with or without suffix; what follows after
            a space is ignored.
        skip_short: whether clips with too few frames are left out, instead of refused.
    """

    start: Start = "first"
    stride: int = 1
    seed: int = 0
    names: str | None = None
    pictures: str = "*"
    listed: Path | None = None
    skip_short: bool = False

    def has_pictures(self, folder: Path) -> bool:
        """Whether a folder of pictures has some that count as frames."""
        return self.pictures == "*" or any(
            fnmatchcase(file.name, self.pictures) for file in folder.iterdir()
        )

    def needed(self, frames: int) -> int:
        """Frames that a clip must have for so many to be used."""
        return (frames - 1) * self.stride + 1

    def taken(self, name: str, frames: int | None, length: Callable[[], int]) -> slice:
        """The used frames of a clip; what there is of them where it is too short.

        Args:
            name: of the clip, which random starts are drawn by.
            frames: how many are used; None for all.
            length: of the clip; called where it matters.
        """
        if frames is None or self.start == "first":
            return slice(0, None if frames is None else self.needed(frames), self.stride)
        choice = FrameChoice(count=frames, start=self.start, stride=self.stride, seed=self.seed)
        number = zlib.crc32(name.encode())  # the same draw, whichever clips lie beside it
        first = int(choice.indices(max(self.needed(frames), length()), number)[0])
        return slice(first, first + self.needed(frames), self.stride)


def fitting(names: Sequence[str], pattern: str, path: Path) -> dict[str, str]:
    """Names that fit a pattern, by what its ``*`` stands for.

    Raises:
        DatasetError: if none does.
    """
    before, _, after = pattern.partition("*")
    least = len(before) + len(after)
    found = {
        name[len(before) : len(name) - len(after)]: name
        for name in names
        if len(name) > least and name.startswith(before) and name.endswith(after)
    }
    if not found:
        raise DatasetError(
            f"No clip of {path} is called {pattern}: the first is {names[0]}. Give another "
            "pattern, or another folder."
        )
    return found


def listed(names: Sequence[str], file: Path, path: Path) -> tuple[list[str], str]:
    """Names that a list has, and a sentence if it has more.

    Raises:
        DatasetError: if it cannot be read, or has none of them.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{file} is no list of clips that can be read. Write one name a line."
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    spelled = {each for line in lines for each in (line, line.split()[0])}
    spelled |= {Path(each).with_suffix("").as_posix() for each in spelled if Path(each).name}
    found = [name for name in names if name in spelled]
    if not found:
        raise DatasetError(
            f"{file} names no clip of {path}, whose first is {names[0]}. Write one name a line, as "
            "they lie below that folder."
        )
    if len(found) == len(lines):
        return found, ""
    return found, f"{file} names {len(lines)} clips, and {len(found)} of them are in {path}."
