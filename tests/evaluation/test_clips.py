import numpy as np
import pytest

from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.errors import DatasetError
from filmgrid.evaluation.clips import ClipSet, partners
from filmgrid.grid.spec import CellSize, Layout

FRAMES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
GRID = Layout(2, 4)


def save(path, frames=FRAMES, layout=None, request=None):
    told = Provenance(layout=str(layout) if layout else None, request=request)
    save_sequence(frames, str(path), fps=8.0, provenance=told, layout=layout)


def test_a_folder_of_everything_is_read_by_name(tmp_path):
    save(tmp_path / "a.mp4")
    save(f"{tmp_path / 'frames'}/")
    save(tmp_path / "grids" / "c.png", layout=GRID)
    np.save(tmp_path / "d.npy", FRAMES)
    np.save(tmp_path / "many.npy", np.stack([FRAMES, FRAMES]))
    found = ClipSet(tmp_path)
    assert set(found.names) == {"a", "frames", "grids/c", "d", "many-0", "many-1"}
    for clip in found:
        assert clip.frames.shape == FRAMES.shape
        if clip.name != "a":
            np.testing.assert_array_equal(clip.frames, FRAMES)


def test_grids_that_filmgrid_made_tell_their_layout_and_prompt(tmp_path):
    save(tmp_path / "one.png", layout=GRID, request={"prompt": "a red circle"})
    clip = ClipSet(tmp_path)["one"]
    assert (clip.layout, clip.caption) == (GRID, "a red circle")
    np.testing.assert_array_equal(clip.frames, FRAMES)
    assert ClipSet(tmp_path / "one.png").names == ["one"]


def test_other_pictures_are_frames_unless_they_are_said_to_be_grids(tmp_path):
    from PIL import Image

    for number in range(3):
        Image.fromarray(FRAMES[number]).save(tmp_path / f"{number}.png")
    assert ClipSet(tmp_path)[ClipSet(tmp_path).names[0]].frames.shape == (3, 16, 16, 3)
    grids = ClipSet(tmp_path, layout=Layout(2, 2), grids=True)
    assert grids.names == ["0", "1", "2"]
    assert grids["1"].frames.shape == (4, 8, 8, 3)


def test_the_words_beside_a_clip_are_its_caption(tmp_path):
    save(tmp_path / "a.mp4", request={"prompt": "from the request"})
    save(tmp_path / "b.mp4", request={"prompt": "from the request"})
    (tmp_path / "b.txt").write_text("from beside")
    found = ClipSet(tmp_path)
    assert [clip.caption for clip in found] == ["from the request", "from beside"]


def test_clips_are_cut_and_brought_to_size(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    clip = ClipSet(tmp_path, frames=3, size=CellSize(8, 4), fit="crop")["a"]
    assert clip.frames.shape == (3, 8, 4, 3)
    assert clip.size == CellSize(8, 4)


def test_two_single_clips_are_partners_whatever_they_are_called(tmp_path):
    for name in ("one", "other"):
        np.save(tmp_path / f"{name}.npy", FRAMES)
    sets = [ClipSet(tmp_path / f"{name}.npy") for name in ("one", "other")]
    assert partners(*sets) == {"other": "one"}


def test_what_is_left_out_is_told(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    (tmp_path / "notes.doc").write_text("?")
    save(tmp_path / "b.mp4")
    assert any("notes.doc" in note for note in ClipSet(tmp_path).notes)
    assert not any("a.npy" in note for note in ClipSet(tmp_path).notes)


def test_what_is_no_set_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no source"):
        ClipSet(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="can become a sequence"):
        ClipSet(tmp_path / "empty")
    np.save(tmp_path / "a.npy", FRAMES)
    with pytest.raises(DatasetError, match="no dataset, so it has no split"):
        ClipSet(tmp_path, split="train")
    save(tmp_path / "a.mp4")
    with pytest.raises(DatasetError, match="two clips called a"):
        ClipSet(tmp_path)
