"""Sprite sheets out: a grid picture, and a JSON that game engines read."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from filmgrid.data.animations import durations_of
from filmgrid.data.files import atomic_path
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance, png_text, read_provenance
from filmgrid.errors import MediaError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray


def square_layout(num_frames: int) -> Layout:
    """The most nearly square grid that holds this many frames, filled row by row."""
    cols = next(cols for cols in range(1, num_frames + 1) if cols * cols >= num_frames)
    return Layout(-(-num_frames // cols), cols)


def check_picture(path: Path) -> None:
    """Refuse to put a sprite sheet's picture over one that was not named.

    Raises:
        MediaError: if ``NAME.png`` beside ``path`` exists and is no sprite sheet of filmgrid.
    """
    picture = path.with_suffix(".png")
    if picture.exists():
        told = read_provenance(picture)
        if told is None or told.kind != "sprites":
            raise MediaError(
                f"{path.name} needs {picture.name} for its picture, and there is another file of "
                "that name. Use a new name."
            )


def save_sprites(
    frames: FrameArray,
    path: Path,
    layout: Layout,
    fps: float,
    provenance: Provenance,
    times: Sequence[float] | None = None,
) -> list[Path]:
    """Write ``NAME.png`` and ``NAME.json`` in the "JSON hash" format.

    The format is the one of TexturePacker and Aseprite, which Phaser, PixiJS and others load:
    a rectangle and a duration in whole milliseconds for every frame, in order. Each frame begins
    within half a millisecond of its time.

    Returns:
        The JSON and the picture.

    Raises:
        MediaError: if the place cannot be written.
        ShapeError: if the frames do not fit the layout.
    """
    sheet = pack_image(frames, layout)
    picture = path.with_suffix(".png")
    shown = durations_of(len(frames), fps, 1000, times)
    text = json.dumps(_describe(frames, picture.name, layout, shown, provenance), indent=1)
    # The JSON last: where it stands, its picture stands too.
    with atomic_path(path) as json_part:
        json_part.write_text(text + "\n", encoding="ascii")
        with atomic_path(picture) as png_part:
            Image.fromarray(sheet).save(png_part, format="PNG", pnginfo=png_text(provenance))
    return [path, picture]


def _describe(
    frames: FrameArray, picture: str, layout: Layout, shown: list[int], provenance: Provenance
) -> dict[str, object]:
    num_frames, height, width, _ = frames.shape
    cell = CellSize(height, width)
    sheet = layout.grid_size(cell)
    size = {"w": width, "h": height}
    stem = Path(picture).stem
    entries = {
        f"{stem}_{index:05d}.png": {
            "frame": {"x": box.left, "y": box.top, **size},
            "rotated": False,
            "trimmed": False,
            "spriteSourceSize": {"x": 0, "y": 0, **size},
            "sourceSize": size,
            "duration": shown[index],
        }
        for index, box in enumerate(layout.boxes(cell)[:num_frames])
    }
    meta = {
        "app": "filmgrid",
        "version": provenance.versions.get("filmgrid", ""),
        "image": picture,
        "format": "RGB888",
        "size": {"w": sheet.width, "h": sheet.height},
        "scale": "1",
        "frameTags": [
            {"name": stem, "from": 0, "to": num_frames - 1, "direction": "forward"},
        ],
        "filmgrid": json.loads(provenance.to_json()),
    }
    return {"frames": entries, "meta": meta}
