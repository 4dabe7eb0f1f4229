from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data import preview
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.media import read_image
from filmgrid.data.preview import draw_preview
from filmgrid.data.provenance import read_provenance
from filmgrid.data.sequences import SequenceFolder
from filmgrid.errors import ConfigError, DatasetError, MediaError
from filmgrid.types import ImageArray


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three clips of four sequences of 2x2 frames; the last clip is held out."""
    rng = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    for name in "abc":
        pixels = rng.integers(0, 256, (16, 16 * 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "clips" / f"{name}.png")
    told = DatasetConfig(
        sources=(tmp_path / "clips",),
        out=tmp_path / "set",
        layout="2x2",
        cell=16,
        strip_width=16,
        held_out_groups=("c.png",),
    )
    build_dataset(told)
    return told.out


def occurs(pixels: ImageArray, page: ImageArray) -> bool:
    """Whether a picture is somewhere in a page, pixel for pixel."""
    height, width = pixels.shape[:2]
    rows, cols = np.nonzero((page == pixels[0, 0]).all(axis=-1))
    return any(
        np.array_equal(page[row : row + height, col : col + width], pixels)
        for row, col in zip(rows, cols, strict=True)
    )


def test_every_cell_is_shown_whole_and_pixel_for_pixel(dataset: Path, tmp_path: Path):
    (path,) = draw_preview(dataset, tmp_path / "preview", limit=2)
    page = read_image(path)
    folder = SequenceFolder(dataset)
    for sequence in (folder[0], folder[11]):
        for frame in sequence.frames:
            assert occurs(frame.repeat(7, axis=0).repeat(7, axis=1), page)
    assert not occurs(folder[5].frames[0].repeat(7, axis=0).repeat(7, axis=1), page)


def test_as_many_are_drawn_as_asked_from_the_side_asked(dataset: Path, tmp_path: Path):
    everything = read_image(draw_preview(dataset, tmp_path / "a", limit=1000)[0])
    one = read_image(draw_preview(dataset, tmp_path / "b", limit=1, split="held_out")[0])
    assert everything.shape[0] > 2 * one.shape[0]
    assert occurs(SequenceFolder(dataset, "held_out")[0].frames[0].repeat(7, 0).repeat(7, 1), one)


def test_many_sequences_go_on_further_pages(dataset: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(preview, "PAGE_HEIGHT", 700)
    paths = draw_preview(dataset, tmp_path / "preview", limit=12)
    assert [path.name for path in paths] == [f"preview-{n}.png" for n in range(len(paths))]
    assert len(paths) > 1
    told = read_provenance(paths[0])
    assert told is not None
    assert told.request == {"preview": str(dataset), "limit": 12, "split": None}


def test_an_earlier_preview_is_replaced_whole_but_no_other_file(
    dataset: Path, tmp_path: Path, monkeypatch
):
    out = tmp_path / "preview"
    with monkeypatch.context() as small:
        small.setattr(preview, "PAGE_HEIGHT", 700)
        assert len(draw_preview(dataset, out, limit=12)) > 1
    draw_preview(dataset, out, limit=1)
    assert [path.name for path in out.iterdir()] == ["preview-0.png"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(MediaError, match="already holds other files"):
        draw_preview(dataset, out, limit=1)
    assert (out / "notes.txt").read_text() == "mine"


def test_words_in_any_script_can_be_read():
    assert preview._legible("a dog runs", 17) == (preview._default_font(17), "a dog runs")
    for words in ("naïve – café", "две собаки бегут", "一只猫"):
        font, text = preview._legible(words, 17)
        assert all(preview._has(font, letter) for letter in text)


def test_letters_that_no_font_has_are_escaped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preview, "_wider_fonts", lambda size: ())
    assert preview._legible("a 猫", 13) == (preview._default_font(13), "a \\u732b")


def test_long_words_are_cut_with_a_sign(dataset: Path):
    font = preview._default_font(17)
    lines = preview._wrap("word " * 100, font, 200, 2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(font.getlength(line) <= 200 for line in lines)
    assert len(preview._wrap("w" * 500, font, 200, 3)) == 3


def test_what_cannot_be_drawn_is_refused(dataset: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="Use a limit of 1 or more"):
        draw_preview(dataset, tmp_path / "p", limit=0)
    with pytest.raises(DatasetError, match="is not a dataset"):
        draw_preview(tmp_path, tmp_path / "p")
    assert not (tmp_path / "p").exists()
