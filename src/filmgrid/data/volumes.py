"""Volumes: slices of a scan as frames, and frames as a scan again that viewers open.

Values are seen through a window: its lower end is black, its upper white, in 8 bits between.
Arrays here stand in the axes of DICOM, from the patient's right to left, front to back, feet to
head, whatever the file has.
"""

import locale
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from filmgrid.data.files import atomic_path
from filmgrid.errors import ConfigError, MediaError, ShapeError
from filmgrid.types import FrameArray

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: dict[str, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of the array that the slices of a plane follow: feet to head, front to back, right to left.
"""
WINDOWS: dict[str, tuple[float, float]] = {
    "lung": (-1350, 150),
    "soft": (-160, 240),
    "brain": (0, 80),
    "bone": (-450, 1050),
}
"""Usual windows of CT in Hounsfield units, lower and upper end."""
SUFFIXES = (".nii", ".nii.gz", ".mha", ".nrrd")
CENTRAL = (0.5, 99.5)
"""Percentiles between which an automatic window lies."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan.

    Args:
        values: feet to head, front to back, right to left.
        spacing: millimetres from one value to the next along these axes.
        origin: of the first value in the world, right to left, front to back, feet to head.
        direction: unit vectors of the three axes in the world, as SimpleITK has them.
    """

    values: Float32[np.ndarray, "z y x"]
    spacing: tuple[float, float, float]
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)


def read_volume(path: Path, index: int = 0) -> Volume:
    """Read a scan from NIfTI, MetaImage, NRRD or a folder of DICOM files.

    Args:
        path: file, or folder whose longest series is taken.
        index: which volume, of files that hold several.

    Raises:
        ConfigError: if SimpleITK is not installed.
        MediaError: if it cannot be read or is no volume.
    """
    sitk = _library()
    try:
        with _own_locale():
            image = _read_series(sitk, path) if path.is_dir() else sitk.ReadImage(str(path))
    except RuntimeError as error:
        text = " ".join(str(error).split())[-160:]
        raise MediaError(f"{path} cannot be read as a volume: {text}") from error
    count = image.GetSize()[3] if image.GetDimension() == 4 else 1
    if not 0 <= index < count:
        raise MediaError(f"{path} holds {count} volume(s) and none of number {index}, from 0.")
    if image.GetDimension() == 4:
        image = image[:, :, :, index]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise MediaError(
            f"{path} is no volume of single values: it has {image.GetDimension()} axes and "
            f"{image.GetNumberOfComponentsPerPixel()} values at each place."
        )
    try:
        image = sitk.DICOMOrient(sitk.Cast(image, sitk.sitkFloat32), "LPS")
    except RuntimeError as error:
        raise MediaError(f"{path} holds values that are no plain numbers.") from error
    x, y, z = image.GetSpacing()
    values = np.nan_to_num(sitk.GetArrayFromImage(image), nan=0.0, posinf=0.0, neginf=0.0)
    return Volume(values, (z, y, x), image.GetOrigin(), image.GetDirection())


def write_volume(volume: Volume, path: Path) -> Path:
    """Write a scan as whole numbers of 16 bits, or as floats if it holds others.

    Raises:
        ConfigError: if the suffix is unknown, or SimpleITK is not installed.
        MediaError: if it cannot be written.
    """
    suffix, sitk = check_name(path), _library()
    values = volume.values
    if np.abs(values).max() < 2**15 and (values == values.round()).all():
        values = values.astype(np.int16)
    image = sitk.GetImageFromArray(values)
    z, y, x = volume.spacing
    image.SetSpacing((x, y, z))
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    with atomic_path(path) as part:
        named = part.with_name(part.name + suffix)
        try:
            sitk.WriteImage(image, str(named))
            named.replace(part)
        except RuntimeError as error:
            text = " ".join(str(error).split())[-160:]
            raise MediaError(f"{path} cannot be written: {text}") from error
        finally:
            named.unlink(missing_ok=True)
    return path


def check_name(path: Path) -> str:
    """Suffix of a volume that is to be written.

    Raises:
        ConfigError: if it is unknown.
    """
    suffix = next((each for each in SUFFIXES if path.name.lower().endswith(each)), None)
    if suffix is None:
        raise ConfigError(
            f"{path.name} is no name of a volume. Use one that ends with {', '.join(SUFFIXES)}."
        )
    return suffix


def parse_window(text: str) -> tuple[float, float] | None:
    """Read ``"soft"`` or ``"-160,240"``; ``auto`` is None.

    Raises:
        ConfigError: if it is neither.
    """
    if text == "auto":
        return None
    if text in WINDOWS:
        return WINDOWS[text]
    match = re.fullmatch(r"\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*", text)
    try:
        low, high = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    except ValueError:
        low = high = 0.0
    if low >= high:
        raise ConfigError(
            f"{text!r} is no window. Use auto, {', '.join(WINDOWS)}, or LOW,HIGH such as -160,240."
        )
    return low, high


def slices(
    volume: Volume, plane: Plane = "axial", window: tuple[float, float] | None = None
) -> tuple[FrameArray, tuple[float, float]]:
    """Slices of a scan as grey frames, heads up and the patient's right on the left.

    Args:
        volume: the scan.
        plane: how it is cut; slices go from feet to head, front to back, or right to left.
        window: values that become black and white; by default nearly the whole range.

    Returns:
        The frames, and the window.
    """
    if window is None:
        low, high = np.percentile(volume.values, CENTRAL)
        window = (float(low), float(max(high, low + 1e-6)))
    low, high = window
    grey = ((volume.values - low) / (high - low)).clip(0, 1) * 255
    cut = np.moveaxis(grey, PLANES[plane], 0)
    if plane != "axial":
        cut = cut[:, ::-1]  # the head is up
    levels = cut.round().astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1), window


def assembled(
    frames: FrameArray,
    like: Volume,
    plane: Plane = "axial",
    window: tuple[float, float] = (0.0, 255.0),
    slice_spacing: float | None = None,
) -> Volume:
    """A scan from its slices; undoes :func:`slices` up to its 256 levels.

    Args:
        frames: grey, in the order of :func:`slices`; the mean of their channels counts.
        like: a scan that says where and how large it is. Frames of another size cover the same
            area of the slice.
        plane: how it was cut.
        window: values of black and white.
        slice_spacing: millimetres between slices, by default those of ``like``.

    Raises:
        ShapeError: if there is no frame.
        ConfigError: if the spacing is not above 0.
    """
    if frames.size == 0:
        raise ShapeError("There is no slice to make a volume of. Give at least one frame.")
    if slice_spacing is not None and slice_spacing <= 0:
        raise ConfigError(
            f"A spacing of {slice_spacing} mm is no distance. Use one above 0, or leave it out."
        )
    low, high = window
    grey = frames.astype(np.float32).mean(axis=-1) / 255 * (high - low) + low
    if plane != "axial":
        grey = grey[:, ::-1]
    axis = PLANES[plane]
    values = np.ascontiguousarray(np.moveaxis(grey, 0, axis))
    spacing = [
        step * before / now
        for step, before, now in zip(like.spacing, like.values.shape, values.shape, strict=True)
    ]
    spacing[axis] = like.spacing[axis] if slice_spacing is None else slice_spacing
    # The same edges, not the same centre of the first value.
    shift = (np.array(spacing) - np.array(like.spacing)) / 2
    shift[axis] = 0
    origin = np.array(like.origin) + np.array(like.direction).reshape(3, 3) @ shift[::-1]
    if high - low >= 255:
        values = values.round()
    return Volume(values, (spacing[0], spacing[1], spacing[2]), tuple(origin), like.direction)


def told_window(request: Any) -> tuple[Plane, tuple[float, float]] | None:
    """Plane and window that frames were cut with, as their provenance tells."""
    told = (request or {}).get("slices")
    if not isinstance(told, dict):
        return None
    low, high = told["window"]
    return told["plane"], (float(low), float(high))


def _read_series(sitk: Any, folder: Path) -> Any:
    """The longest series of DICOM files in a folder."""
    reader = sitk.ImageSeriesReader()
    series = [
        reader.GetGDCMSeriesFileNames(str(folder), each)
        for each in reader.GetGDCMSeriesIDs(str(folder))
    ]
    if not series:
        raise MediaError(f"{folder} holds no series of DICOM files.")
    names = max(series, key=len)
    _check_even(sitk, names, folder)
    reader.SetFileNames(names)
    return reader.Execute()


def _check_even(sitk: Any, names: Sequence[str], folder: Path) -> None:
    """Refuse slices that are missing or unevenly spaced: they would be stretched without a word."""
    places = []
    for name in names:
        one = sitk.ImageFileReader()
        one.SetFileName(name)
        one.ReadImageInformation()
        places.append(np.array(one.GetOrigin()))
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1) if len(places) > 1 else np.ones(1)
    if steps.max() - steps.min() > 0.1 * np.median(steps) + 1e-3:
        raise MediaError(
            f"The slices in {folder} are {steps.min():g} to {steps.max():g} mm apart, so that some "
            "are missing. Add these, or resample the series to even slices first."
        )


@contextmanager
def _own_locale() -> Iterator[None]:
    """Undo what the reader of DICOM does: it sets the locale of the whole process to C."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def _library() -> Any:
    try:
        import SimpleITK
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Volumes take SimpleITK, which is not installed. Run `pip install 'filmgrid[medical]'`."
        ) from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK
