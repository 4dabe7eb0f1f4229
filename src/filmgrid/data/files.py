"""Files that appear whole or not at all, and names in the order people expect."""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filmgrid.errors import MediaError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which ``img2`` comes before ``img10``; ties go by the plain name."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


@contextmanager
def writing(final: Path) -> Iterator[None]:
    """Turn what the operating system refuses while ``final`` is written into a sentence.

    Raises:
        MediaError: in place of any ``OSError`` of the body.
    """
    try:
        yield
    except OSError as error:
        raise MediaError(_sentence(final, error)) from error


def check_place(final: Path) -> None:
    """Refuse a file name that could not be written, before any work is done for it.

    An empty file is made beside it, or in the nearest folder above that exists, and deleted.

    Raises:
        MediaError: if it is a folder, a part of the path is a file, the folder is read-only, or
            the disk is full.
    """
    _check_no_folder(final)
    _try_place(final)


def _check_no_folder(final: Path) -> None:
    if final.is_dir():
        raise MediaError(f"{final} is a folder; name a file to write, for example in it.")


def _try_place(final: Path) -> None:
    folder = next(up for up in final.absolute().parents if os.path.lexists(up))
    trial = _beside(folder / final.name, "part")
    with writing(final):
        trial.touch()
        trial.unlink()


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Give a temporary name beside ``final`` that takes its place when the body succeeds.

    Missing parent folders are made. When the body fails the temporary file is deleted and
    an earlier ``final`` stays as it was; when the process is killed a file called
    ``.NAME.part-…`` is left, which is safe to delete.

    Raises:
        MediaError: if the place cannot be written, the disk is full, or ``final`` is a folder.
    """
    with writing(final):
        _check_no_folder(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(final, "part")
        try:
            part.touch()  # so that a bad place is known before the work is done
            yield part
            os.replace(part, final)
        finally:
            part.unlink(missing_ok=True)


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing at all."""
    return not any(folder.iterdir())


@contextmanager
def atomic_folder(final: Path, may_replace: Callable[[Path], bool] = is_empty) -> Iterator[Path]:
    """Give a temporary folder beside ``final`` that takes its place when the body succeeds.

    As :func:`atomic_path`, for a folder. A killed process leaves ``.NAME.part-…``, or, in the
    instant between two renames, the former folder as ``.NAME.old-…``.

    Args:
        final: the folder that appears, complete, on success.
        may_replace: says whether a folder that already stands there may go.

    Raises:
        MediaError: if something stands there that may not go, or the place cannot be written.
    """
    final = final.resolve()
    with writing(final):
        check_folder(final, may_replace)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(final, "part")
        part.mkdir()
        try:
            yield part
            check_folder(final, may_replace)
            _swap(part, final)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def check_folder(final: Path, may_replace: Callable[[Path], bool] = is_empty) -> None:
    """Refuse a folder name under which nothing new may appear.

    Raises:
        MediaError: if it is a file, the current folder, or holds what may not be replaced.
    """
    final = final.resolve()
    if final.exists():
        if not final.is_dir():
            raise MediaError(f"{final} is a file; name a folder that does not exist yet.")
        if final == Path.cwd() or final in Path.cwd().parents:
            raise MediaError(
                f"{final} is the folder you are in, which cannot be replaced as a whole. "
                f"Name a new folder inside it, for example {final.name or 'out'}-frames/."
            )
        with writing(final):
            may_go = may_replace(final)
        if not may_go:
            raise MediaError(
                f"{final} already holds other files, which would be mixed with the new ones. "
                "Name a new or empty folder; only an earlier export of filmgrid is replaced."
            )
    _try_place(final)


def _swap(part: Path, final: Path) -> None:
    if not final.exists():
        os.replace(part, final)
        return
    old = _beside(final, "old")
    os.replace(final, old)
    try:
        os.replace(part, final)
    except OSError:
        os.replace(old, final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(final: Path, what: str) -> Path:
    return final.with_name(f".{final.name}.{what}-{secrets.token_hex(4)}")


def _sentence(final: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"{final} could not be written because the disk is full. Free some space or name "
            "another place; nothing unfinished was left behind."
        )
    if error.errno in _FORBIDDEN:
        return (
            f"{final} could not be written: its folder is read-only or not yours to write. "
            "Name another place."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{final} could not be written: a part of this path is a file, not a folder."
    return f"{final} could not be written: {error.strerror or error}. Name another place."
