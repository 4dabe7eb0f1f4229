"""Clips from NumPy files, as labs keep them: .npy of one clip or many, .npz of one by name.

Nothing is unpickled. A .npy file of many clips is mapped, so that one clip at a time is in memory;
a .npz file, which may be compressed, is read whole.
"""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from filmgrid.errors import MediaError
from filmgrid.types import FrameArray

ARRAY_SUFFIXES = frozenset({".npy", ".npz"})


def array_clips(path: Path, *, numbered: bool = False) -> dict[str, Callable[[], FrameArray]]:
    """Readers of the clips in a NumPy file, by name.

    Frames are height before width, colours last: ``frames x height x width x 3`` is one clip,
    called as the file; with one more axis in front there are many, called by the file and their
    number. Whole numbers are levels of 255, other numbers count from 0 to 1.

    Args:
        path: the file.
        numbered: call many clips by their number alone, so that two files can be compared.

    Raises:
        MediaError: if the file cannot be read, or holds something else.
    """
    with _naming(path):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return _readers(path.stem, found, path, numbered)
        readers: dict[str, Callable[[], FrameArray]] = {}
        alone = len(found.files) == 1
        for name in found.files:  # read now, so that what is wrong is said before any work
            prefix = path.stem if alone else name
            readers |= _readers(prefix, found[name], path, numbered and alone)
        return readers


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:100]
        raise MediaError(
            f"{path} is no NumPy file of numbers that can be read: {reason}. Save clips with "
            "numpy.save or numpy.savez."
        ) from error


def _readers(
    name: str, values: np.ndarray, path: Path, numbered: bool
) -> dict[str, Callable[[], FrameArray]]:
    if values.ndim not in (4, 5) or values.shape[-1] != 3 or values.size == 0:
        raise MediaError(
            f"{path} holds an array of shape {values.shape}, which is not frames x height x width "
            "x 3, or clips x frames x height x width x 3. Move the colours last."
        )
    if values.ndim == 4:
        return {name: lambda: _as_bytes(values, name, path)}
    digits, prefix = len(str(len(values) - 1)), "" if numbered else f"{name}-"
    return {
        (each := f"{prefix}{index:0{digits}}"): lambda index=index, each=each: _as_bytes(
            values[index], each, path
        )
        for index in range(len(values))
    }


def _as_bytes(values: np.ndarray, name: str, path: Path) -> FrameArray:
    if values.dtype == np.uint8:
        return np.array(values)
    if np.issubdtype(values.dtype, np.floating):
        values = np.asarray(values, dtype=np.float64)
        broken = ~np.isfinite(values).all(axis=(1, 2, 3))
        if broken.any():
            raise MediaError(
                f"Frame {int(np.argmax(broken))} of {name} in {path} is NaN or infinite. Make that "
                "clip again, or leave it out."
            )
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 1:
            raise MediaError(
                f"{name} in {path} has numbers from {low:.3g} to {high:.3g}. Give uint8, 0 to 255, "
                "or floating point, 0 to 1."
            )
        return (values * 255).round().astype(np.uint8)
    if np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8)
    raise MediaError(
        f"{name} in {path} is {values.dtype} outside of 0 to 255. Give uint8, 0 to 255, or "
        "floating point, 0 to 1."
    )
