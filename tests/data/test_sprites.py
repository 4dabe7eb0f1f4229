import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.media import read_grid
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.data.sprites import check_picture, save_sprites, square_layout
from filmgrid.errors import MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

TOLD = Provenance(kind="sprites", layout="3x5", gap=2, num_frames=12, request={"prompt": "a ball"})


def test_every_rectangle_of_the_json_shows_its_frame(tmp_path: Path, clip: FrameArray):
    layout = Layout(3, 5, gap=2)
    paths = save_sprites(clip, tmp_path / "ball.json", layout, fps=8, provenance=TOLD)
    assert paths == [tmp_path / "ball.json", tmp_path / "ball.png"]
    sheet = json.loads(paths[0].read_text())
    with Image.open(tmp_path / sheet["meta"]["image"]) as image:
        pixels = np.asarray(image)
    assert sheet["meta"]["size"] == {"w": pixels.shape[1], "h": pixels.shape[0]}
    assert list(sheet["frames"]) == [f"ball_{index:05d}.png" for index in range(12)]
    for entry, expected in zip(sheet["frames"].values(), clip, strict=True):
        x, y, w, h = (entry["frame"][key] for key in "xywh")
        np.testing.assert_array_equal(pixels[y : y + h, x : x + w], expected)
        assert entry["sourceSize"] == {"w": 40, "h": 24}
        assert entry["duration"] == 125
    (tag,) = sheet["meta"]["frameTags"]
    assert (tag["from"], tag["to"]) == (0, 11)


def test_both_files_carry_what_they_came_from(tmp_path: Path, clip: FrameArray):
    layout = Layout(3, 5, gap=2)
    for path in save_sprites(clip, tmp_path / "ball.json", layout, fps=8, provenance=TOLD):
        assert read_provenance(path) == TOLD
    np.testing.assert_array_equal(read_grid(tmp_path / "ball.png").frames, clip)


@pytest.mark.parametrize("num_frames", range(1, 70))
def test_sheets_are_nearly_square_and_have_no_empty_row(num_frames: int):
    layout = square_layout(num_frames)
    assert layout.num_cells >= num_frames > layout.num_cells - layout.cols
    assert layout.cols - layout.rows in (0, 1)


def test_a_picture_that_was_not_named_is_not_overwritten(tmp_path: Path, clip: FrameArray):
    save_sprites(clip, tmp_path / "ball.json", Layout(3, 5), fps=8, provenance=TOLD)
    check_picture(tmp_path / "ball.json")
    Image.fromarray(clip[0]).save(tmp_path / "mine.png")
    with pytest.raises(MediaError, match=r"mine\.json needs mine\.png .* another file"):
        check_picture(tmp_path / "mine.json")


def test_a_sheet_that_cannot_be_written_leaves_neither_file(tmp_path: Path, clip: FrameArray):
    (tmp_path / "ball.png").mkdir()
    with pytest.raises(MediaError, match=r"ball\.png is a folder"):
        save_sprites(clip, tmp_path / "ball.json", Layout(3, 5), fps=8, provenance=TOLD)
    with pytest.raises(ShapeError, match="12 frames do not fit a 2x5 grid"):
        save_sprites(clip, tmp_path / "other.json", Layout(2, 5), fps=8, provenance=TOLD)
    assert [path.name for path in tmp_path.iterdir()] == ["ball.png"]
