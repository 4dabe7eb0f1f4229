"""What a file made by filmgrid carries inside: its layout, its request, its versions."""

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal, Self

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from filmgrid.data.gate import MAX_FPS
from filmgrid.data.images import check_exists, is_picture, open_picture
from filmgrid.data.videos import open_video
from filmgrid.errors import MediaError
from filmgrid.grid.spec import CellSize, Layout

SIDECAR = "filmgrid.json"
"""Name of the file that carries the provenance of a folder of frames."""

_IMAGE_DESCRIPTION = 0x010E  # the Exif field every viewer shows
_MAX_SHORT_FIELD = 60_000  # JPEG and QuickTime measure these fields with 16 bits


def current_versions(*also: str) -> dict[str, str]:
    """Versions of what makes the pictures, found without importing it.

    Args:
        also: further packages.
    """
    versions = {"python": platform.python_version()}
    for package in ("filmgrid", "torch", *also):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


class Provenance(BaseModel):
    """How a file came to be, enough to cut it into frames and to make it again.

    A caller gives ``request`` (and ``layout``, if the frames were made as one grid); the
    writers fill in what only they know. Unknown fields are ignored, so that files of later
    versions stay readable.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["sequence", "grid", "sprites", "image"] = "sequence"
    """What the file holds: frames in time, frames side by side (grid, sprites), or a still."""
    layout: str | None = None
    """ROWSxCOLS of the grid, or of the grid the frames were made as."""
    gap: int = Field(default=0, ge=0)
    """Pixels between the cells of the picture."""
    margin: int | None = Field(default=None, ge=0)
    """Pixels around the cells of the picture; as ``gap`` where absent."""
    cell: tuple[int, int] | None = None
    """Height and width of one frame in pixels, without padding."""
    num_frames: int | None = Field(default=None, ge=1)
    """Number of frames; absent in a stream whose length was not known."""
    fps: float | None = Field(default=None, gt=0, le=MAX_FPS)
    """Frames per second."""
    durations: tuple[int, ...] | None = None
    """Milliseconds for which each frame of an animation is shown, if not all alike."""
    pad: tuple[int, int] | None = None
    """Pixels added at the right and bottom, 0 or 1 each, because video sides must be even."""
    scale: int = Field(default=1, ge=1)
    """Integer enlargement with which the frames were written."""
    request: dict[str, JsonValue] | None = None
    """What was asked for."""
    versions: dict[str, str] = Field(default_factory=current_versions)
    """Versions of filmgrid, torch and Python."""
    created_by: Literal["filmgrid"] = "filmgrid"
    """Marks the text as ours."""

    @field_validator("layout")
    @classmethod
    def _layout_is_one(cls, layout: str | None) -> str | None:
        if layout is not None:
            Layout.parse(layout)
        return layout

    @field_validator("cell")
    @classmethod
    def _cell_has_pixels(cls, cell: tuple[int, int] | None) -> tuple[int, int] | None:
        if cell is not None and min(cell) < 1:
            raise ValueError("a cell has at least one pixel")
        return cell

    @field_validator("pad")
    @classmethod
    def _pad_is_small(cls, pad: tuple[int, int] | None) -> tuple[int, int] | None:
        if pad is not None and not set(pad) <= {0, 1}:
            raise ValueError("padding is 0 or 1 pixel")
        return pad

    @property
    def grid(self) -> Layout | None:
        """The layout with its gaps, where the file carries one."""
        return Layout.parse(self.layout, self.gap, self.margin) if self.layout else None

    def unpadded(self, height: int, width: int) -> CellSize:
        """Size of the frames in a video of this size, which may have been re-coded since."""
        if self.cell is not None and self.pad is not None:
            right, bottom = self.pad
            if (self.cell[0] + bottom, self.cell[1] + right) == (height, width):
                return CellSize(*self.cell)
        return CellSize(height, width)

    def to_json(self) -> str:
        """One line of plain ASCII, which every container can hold."""
        return self.model_dump_json(ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self | None:
        """The provenance in a text, or ``None`` if the text is anything else."""
        try:
            found = cls.model_validate_json(text)
        except (ValidationError, ValueError, RecursionError):
            return None
        return found if "created_by" in found.model_fields_set else None


def png_text(provenance: Provenance) -> PngInfo:
    """The provenance as a PNG text chunk, for Pillow's ``pnginfo``."""
    info = PngInfo()
    info.add_itxt("filmgrid", provenance.to_json())
    return info


def exif(provenance: Provenance) -> Image.Exif:
    """The provenance as an image description, for Pillow's ``exif`` (JPEG, WebP)."""
    fields = Image.Exif()
    fields[_IMAGE_DESCRIPTION] = provenance.to_json()
    return fields


def short_json(path: Path, provenance: Provenance) -> str:
    """The JSON for a container whose text fields are measured with 16 bits.

    Raises:
        MediaError: if the request does not fit.
    """
    text = provenance.to_json()
    if len(text) > _MAX_SHORT_FIELD:
        raise MediaError(
            f"The request ({len(text)} characters) does not fit into {path.name}, whose text is "
            f"limited to {_MAX_SHORT_FIELD}. Write .mp4, .png or .webp instead."
        )
    return text


def read_provenance(path: Path) -> Provenance | None:
    """What a file or folder made by filmgrid carries inside.

    Foreign or malformed metadata, and files that cannot be opened as media, give ``None``.

    Raises:
        MediaError: if there is nothing at ``path``.
    """
    check_exists(path)
    try:
        text = _embedded_text(path)
    except (MediaError, OSError, UnicodeDecodeError):
        return None
    return None if text is None else Provenance.from_json(text)


def _embedded_text(path: Path) -> str | bytes | None:
    if path.is_dir():
        sidecar = path / SIDECAR
        return sidecar.read_bytes() if sidecar.is_file() else None
    if path.suffix.lower() == ".json":
        return _sprite_text(path.read_bytes())
    if is_picture(path):
        with open_picture(path) as image:
            info = image.info
            if image.format == "GIF":
                return info.get("comment")
            found = info.get("filmgrid") or image.getexif().get(_IMAGE_DESCRIPTION)
            return found if isinstance(found, str | bytes) else None
    with open_video(path) as (container, _):
        return _lower(container.metadata).get("comment")


def _sprite_text(text: bytes) -> str | None:
    try:
        return json.dumps(json.loads(text)["meta"]["filmgrid"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}  # Matroska shouts: COMMENT
