import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.errors import DatasetError, ShapeError
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


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_words_beside_arrays_and_grids_win_over_the_request(tmp_path, suffix):
    for name in ("a", "b", "c"):
        if suffix == ".npy":
            np.save(tmp_path / f"{name}.npy", FRAMES)
        else:
            save(tmp_path / f"{name}.png", layout=GRID, request={"prompt": "from the request"})
    (tmp_path / "a.txt").write_text("from beside")
    line = {"file_name": f"b{suffix}", "text": "from the list"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line))
    found = ClipSet(tmp_path)
    usual = "" if suffix == ".npy" else "from the request"
    assert [clip.caption for clip in found] == ["from beside", "from the list", usual]
    assert found.notes == []
    assert found.without_caption() == (None if usual else "c")


def test_each_clip_of_one_array_has_words_of_its_own(tmp_path):
    np.save(tmp_path / "many.npy", np.stack([FRAMES] * 3))
    (tmp_path / "many-1.txt").write_text("beside the second")
    lines = [("many.npy#2", "of the third"), ("many.npy", "of all")]
    rows = [json.dumps({"file_name": name, "text": text}) for name, text in lines]
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    words = [clip.caption for clip in ClipSet(tmp_path)]
    assert words == ["of all", "beside the second", "of the third"]


def test_the_first_clip_without_words_is_named(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.gif", request={"prompt": "" if name == "b" else "a star"})
    assert ClipSet(tmp_path).without_caption() == "b"
    (tmp_path / "b.txt").write_text("a moon")
    assert ClipSet(tmp_path).without_caption() is None


def test_a_relative_path_finds_what_the_absolute_one_does(tmp_path, monkeypatch):
    for name in ("a", "b"):
        save(tmp_path / "set" / f"{name}.png", layout=GRID)
    np.save(tmp_path / "set" / "c.npy", FRAMES)
    (tmp_path / "set" / "d.doc").write_text("?")
    (tmp_path / "here").mkdir()
    whole = ClipSet(tmp_path / "set")
    assert sorted(whole.names) == ["a", "b", "c"]
    for place, path in ((tmp_path, "set"), (tmp_path / "here", "../set"), (tmp_path / "set", ".")):
        monkeypatch.chdir(place)
        found = ClipSet(Path(path))
        assert found.names == whole.names
        assert found.notes == [whole.notes[0].replace(str(tmp_path / "set"), path)]
        assert "d.doc" in found.notes[0] and ".npy" not in found.notes[0]
    assert ClipSet(Path("a.png")).names == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
@pytest.mark.parametrize("suffix", [".npy", ".png", ".mp4", "/"])
def test_a_name_that_is_not_utf8_is_refused_before_measuring(tmp_path, suffix):
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/c\xff" + suffix.encode())
    np.save(tmp_path / "a.npy", FRAMES)
    if suffix == ".npy":
        np.save(bad, FRAMES)
    else:
        save(bad, layout=GRID)
    for path in (tmp_path, Path(bad)):
        with pytest.raises(DatasetError, match=r"c\\xff.* has a name that is not UTF-8.*Rename it"):
            ClipSet(path)


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


def test_a_clip_of_one_frame_has_one_frame(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES[:1])
    with pytest.raises(ShapeError, match=r"a in .* has 1 frame, and 2 are asked for"):
        ClipSet(tmp_path, frames=2)["a"]


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
    with pytest.raises(DatasetError, match=r"empty holds no clip: it is empty\. Give videos"):
        ClipSet(tmp_path / "empty")
    (tmp_path / "empty" / "notes.doc").write_text("?")
    with pytest.raises(DatasetError, match=r"holds no clip: its first file is notes.doc. Give"):
        ClipSet(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"notes.doc holds no clip. Give videos"):
        ClipSet(tmp_path / "empty" / "notes.doc")
    Image.fromarray(FRAMES[0]).save(tmp_path / "one.png")
    with pytest.raises(DatasetError, match=r"one picture and no clip.*--grids and --layout"):
        ClipSet(tmp_path / "one.png")
    (tmp_path / "one.png").unlink()
    np.save(tmp_path / "a.npy", FRAMES)
    with pytest.raises(DatasetError, match="no dataset, so it has no split"):
        ClipSet(tmp_path, split="train")
    save(tmp_path / "a.mp4")
    with pytest.raises(DatasetError, match="two clips called a"):
        ClipSet(tmp_path)
