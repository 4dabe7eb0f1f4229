"""Sequences out: one call, whose target's name chooses the format."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from filmgrid.data.animations import MAX_GIF_FPS, check_times, save_gif, save_webp
from filmgrid.data.files import atomic_path, check_folder, check_place
from filmgrid.data.folder_writer import folder_writer, may_replace_export
from filmgrid.data.gate import FrameGate, FrameWriter, check_numbers
from filmgrid.data.images import MAX_IMAGE_PIXELS
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance, exif, png_text, short_json
from filmgrid.data.sprites import check_picture, save_sprites, square_layout
from filmgrid.data.video_writer import VIDEO_SUFFIXES, video_writer
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray, ImageArray

_LARGEST_SIDES = {"video": 8192, "webp": 16383, "gif": 65535, "jpeg": 65500}
"""Pixels per side; H.264 encoders and players stop at about 8192."""

Target = Literal["video", "folder", "gif", "webp", "png", "jpeg", "sprites"]

_TARGETS: dict[str, Target] = {
    **dict.fromkeys(VIDEO_SUFFIXES, "video"),
    **{".gif": "gif", ".webp": "webp", ".png": "png", ".json": "sprites"},
    **{".jpg": "jpeg", ".jpeg": "jpeg"},
}


def check_output(
    out: Path | str,
    *,
    num_frames: int,
    fps: float = 8.0,
    layout: Layout | None = None,
    scale: int = 1,
    cell: CellSize | None = None,
    times: Sequence[float] | None = None,
) -> Target:
    """Say what a name means and refuse what could not be written, before any frame is made.

    ``cell``, the size of a frame where it is known, lets sizes that the format cannot hold be
    refused too; ``times``, seconds to each frame if they are unevenly apart, those times.

    ``.mp4 .mkv .mov .webm`` are videos, ``.gif .webp`` animations, ``.png`` a grid (of one
    frame: a still), ``.json`` a sprite sheet, ``.jpg`` one still. An existing folder, a name
    that ends with a slash, and a name without suffix are folders of frames.

    Raises:
        ConfigError: if the suffix is unknown, or a number does not fit the format.
        MediaError: if the place cannot be written, or other files are in the way: in the
            folder, in place of a folder, or as the picture of a sprite sheet.
        ShapeError: if the frames do not fill the layout of a grid.
    """
    check_numbers(fps, scale)
    path, suffix = Path(out), Path(out).suffix.lower()
    if path.is_dir() or not suffix or str(out).endswith(("/", os.sep)):
        check_folder(path, may_replace_export)
        return "folder"
    if suffix not in _TARGETS:
        raise ConfigError(
            f"{path.name} has a suffix that filmgrid does not write. Use one of "
            f"{' '.join(_TARGETS)}, or a name that ends with / for a folder of PNG frames."
        )
    target = _TARGETS[suffix]
    check_place(path)
    if num_frames > 1 and target == "jpeg":
        raise ConfigError(
            f"{num_frames} frames do not go into one {suffix}, which holds one picture. "
            "Use .png for a grid, .mp4, .gif or .webp."
        )
    if num_frames > 1 and target == "png" and layout is None:
        raise ConfigError(
            f"{num_frames} frames in one {suffix} need a layout. Name it with --layout "
            "ROWSxCOLS, or use a name that ends with / for a folder of PNG frames."
        )
    if target == "gif" and fps > MAX_GIF_FPS:
        raise ConfigError(
            f"A GIF cannot play {fps:g} frames per second. Use at most {MAX_GIF_FPS}, or .webp "
            "or .mp4."
        )
    if times is not None and target in ("gif", "webp"):
        check_times(path, num_frames, fps, times)
    if target == "sprites":
        check_picture(path)
        if layout is None and num_frames:
            square_layout(num_frames)
    if layout is not None and (target == "png" or target == "sprites"):
        _check_fills(num_frames, layout)
    if cell is not None:
        _check_sides(path, target, cell, layout, scale)
    return target


def save_sequence(
    frames: FrameArray,
    out: Path | str,
    *,
    fps: float = 8.0,
    provenance: Provenance,
    layout: Layout | None = None,
    scale: int = 1,
    times: Sequence[float] | None = None,
) -> list[Path]:
    """Write a sequence; the name chooses the format as :func:`check_output` says.

    PNG, WebP, sprite sheets and folders keep every bit of the frames. Every file appears whole
    or not at all, and replaces an earlier one of its name.

    Args:
        frames: the sequence, at least one frame.
        out: file or folder.
        fps: frames per second, 0.01 to 1000 (a GIF at most 50).
        provenance: request and versions; what describes the file itself is filled in.
        layout: for a grid or sprite sheet, with its gaps; sprite sheets choose one themselves.
        scale: integer enlargement without smoothing, for frames of few pixels.
        times: seconds from the first frame to each, if they are unevenly apart; videos, animations
            and sprite sheets keep them.

    Returns:
        The files written, or the folder; the one to open first.

    Raises:
        ConfigError: if the suffix is unknown or a number does not fit the format.
        MediaError: if the place cannot be written or the disk is full.
        ShapeError: if the frames do not fill the layout.
    """
    target = check_output(out, num_frames=len(frames), fps=fps, layout=layout, scale=scale)
    out = Path(out)
    told = provenance.model_copy(update={"num_frames": len(frames)})
    if layout is not None:
        told = told.model_copy(update={"layout": str(layout)})
    if target == "video" or target == "folder":
        with open_writer(out, target, fps=fps, provenance=told, scale=scale, times=times) as writer:
            for frame in frames:
                writer.write(frame)
        return [out]
    gate = FrameGate(out, scale)
    enlarged = [gate.admit(frame) for frame in frames]
    gate.check_not_empty()
    frames = np.stack(enlarged)
    told = told.model_copy(
        update={
            "kind": "sequence",
            "cell": frames.shape[1:3],
            "fps": fps,
            "scale": scale,
            "pad": None,
        }
    )
    if target == "sprites":
        layout = layout or square_layout(len(frames))
        told = _laid_out(told, "sprites", layout)
        return save_sprites(frames, out, layout, fps, told, times)
    if target == "png" and layout is not None:
        grid = pack_image(frames, layout)
        return [_save_still(grid, out, _laid_out(told, "grid", layout))]
    if len(frames) == 1 and target != "gif":
        return [save_image(frames[0], out, told)]
    (save_gif if target == "gif" else save_webp)(frames, out, fps, told, times)
    return [out]


@contextmanager
def open_writer(
    out: Path | str,
    target: Target,
    *,
    fps: float,
    provenance: Provenance,
    scale: int = 1,
    times: Sequence[float] | None = None,
) -> Iterator[FrameWriter]:
    """Write frames as they come, in constant memory, to a video or a folder.

    ::

        with open_writer(out, "video", fps=8, provenance=provenance) as writer:
            for frame in frames:
                writer.write(frame)

    Args:
        out: file or folder, which appears when the body succeeds.
        target: what :func:`check_output` said.
        fps: frames per second.
        provenance: what is known before the first frame.
        scale: integer enlargement without smoothing.
        times: seconds from the first frame to each, if they are unevenly apart; videos keep them.

    Raises:
        ConfigError: if frames cannot be streamed into this format.
        MediaError: if the place cannot be written or the disk is full.
    """
    if target not in ("video", "folder"):
        raise ConfigError(
            f"{Path(out).name} can only be written as a whole. To write frames as they come use "
            f"{' '.join(VIDEO_SUFFIXES)} or a name that ends with /."
        )
    words = {"fps": fps, "provenance": provenance, "scale": scale}
    if target == "video":
        opened = video_writer(Path(out), **words, times=times)
    else:
        opened = folder_writer(Path(out), **words)
    with opened as writer:
        yield writer


def save_image(image: ImageArray, out: Path, provenance: Provenance) -> Path:
    """Write one still picture: ``.png`` and ``.webp`` exactly, ``.jpg`` at quality 95, 4:4:4.

    Raises:
        ConfigError: if the suffix is none of these.
        MediaError: if the place cannot be written.
        ShapeError: if the picture is not 8-bit RGB.
    """
    FrameGate(out).admit(image)
    told = provenance.model_copy(
        update={"kind": "image", "cell": image.shape[:2], "num_frames": 1, "fps": None, "pad": None}
    )
    return _save_still(image, out, told)


def _save_still(image: ImageArray, out: Path, told: Provenance) -> Path:
    target = _TARGETS.get(out.suffix.lower())
    with atomic_path(out) as part:
        picture = Image.fromarray(image)
        if target == "png":
            picture.save(part, format="PNG", pnginfo=png_text(told))
        elif target == "webp":
            picture.save(part, format="WEBP", lossless=True, exif=exif(told))
        elif target == "jpeg":
            short_json(out, told)
            picture.save(part, format="JPEG", quality=95, subsampling="4:4:4", exif=exif(told))
        else:
            raise ConfigError(f"{out.name} is no still picture. Use .png, .webp or .jpg.")
    return out


def _laid_out(told: Provenance, kind: Literal["grid", "sprites"], layout: Layout) -> Provenance:
    return told.model_copy(
        update={
            "kind": kind,
            "layout": str(layout),
            "gap": layout.gap,
            "margin": layout.margin,
        }
    )


def _check_sides(
    path: Path, target: Target, cell: CellSize, layout: Layout | None, scale: int
) -> None:
    """Refuse pictures larger than their format holds."""
    whole = layout is not None and target in ("png", "sprites")
    size = layout.grid_size(cell) if whole and layout is not None else cell
    height, width = size.height * scale, size.width * scale
    side = _LARGEST_SIDES.get(target, MAX_IMAGE_PIXELS)
    if max(height, width) > side or height * width > MAX_IMAGE_PIXELS:
        raise ShapeError(
            f"{path.name} would be {height}x{width} px, more than its format holds. "
            "Use a smaller --scale, or another format."
        )


def _check_fills(num_frames: int, layout: Layout) -> None:
    if num_frames != layout.num_cells:
        raise ShapeError(
            f"{num_frames} frames do not fill a {layout} grid of {layout.num_cells} cells. "
            f"Give {layout.num_cells} frames, or name a layout with {num_frames} cells."
        )
