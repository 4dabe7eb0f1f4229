from pathlib import Path

import numpy as np
import pytest

from filmgrid.data.manifest import MANIFEST, Entry, content_hash, load_manifest, save_manifest
from filmgrid.errors import DatasetError
from filmgrid.grid.spec import CellSize, Layout


def entry(**values: object) -> Entry:
    told = {
        "id": "a",
        "frames": "sequences/a.png",
        "source": "a.mp4",
        "indices": (0, 2, 4, 6),
        "layout": "2x2",
        "cell": (8, 16),
        "group": "a.mp4",
        "sha256": "0" * 64,
    }
    return Entry.model_validate(told | values)


def damaged(folder: Path, *lines: str) -> str:
    (folder / MANIFEST).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        load_manifest(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_saved_is_loaded(tmp_path: Path):
    entries = [
        entry(caption="一只猫 \u2028 \x85 “quoted”", fps=29.97),
        entry(id="b", group="b", split="held_out", indices=(3, 4, 9, 10)),
    ]
    save_manifest(tmp_path, entries)
    assert load_manifest(tmp_path) == entries


def test_an_entry_tells_what_it_follows_from_its_facts():
    strided = entry(fps=30)
    assert (strided.stride, strided.sequence_fps) == (2, 15)
    assert (strided.grid_layout, strided.cell_size) == (Layout(2, 2), CellSize(8, 16))
    still = entry(layout="1x1", indices=(5,))
    assert (still.stride, still.sequence_fps) == (1, None)


def test_blank_lines_are_no_entries(tmp_path: Path):
    (tmp_path / MANIFEST).write_text(f"\n{entry().model_dump_json()}\n\n")
    assert load_manifest(tmp_path) == [entry()]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"frames": "../../etc/passwd"}, "not a path inside the dataset"),
        ({"frames": "/etc/passwd"}, "not a path inside the dataset"),
        ({"frames": "C:/a.png"}, "not a path inside the dataset"),
        ({"frames": "a\\..\\b.png"}, "not a path inside the dataset"),
        ({"indices": [0, 1, 2]}, "3 frame indices do not fill a 2x2 grid of 4 cells"),
        ({"indices": [0, 1, 1, 2]}, "rise from cell to cell"),
        ({"indices": [-1, 0, 1, 2]}, "0 or more"),
        ({"cell": [0, 8]}, "has no pixels"),
        ({"layout": "2by2"}, "'2by2' is not a layout"),
        ({"split": "test"}, "split: Input should be 'train' or 'held_out'"),
        ({"sha256": "abc"}, "sha256"),
        ({"captoin": "x"}, "captoin is not a known key. Did you mean caption?"),
    ],
)
def test_a_damaged_entry_is_refused_with_its_line(
    tmp_path: Path, values: dict[str, object], part: str
):
    line = entry(id="b").model_copy(update=values).model_dump_json(warnings=False)
    if "captoin" in values:
        line = line[:-1] + ', "captoin": "x"}'
    sentence = damaged(tmp_path, entry().model_dump_json(), line)
    assert "manifest.jsonl, line 2: " in sentence
    assert part in sentence


def test_a_line_cut_short_is_refused_with_its_number(tmp_path: Path):
    sentence = damaged(tmp_path, entry().model_dump_json(), entry(id="b").model_dump_json()[:40])
    assert "line 2" in sentence
    assert "JSON" in sentence


def test_an_id_may_occur_once(tmp_path: Path):
    line = entry().model_dump_json()
    assert "line 2: id a is already on line 1" in damaged(tmp_path, line, line)


def test_a_group_on_both_sides_is_refused(tmp_path: Path):
    other = entry(id="b", split="held_out").model_dump_json()
    sentence = damaged(tmp_path, entry().model_dump_json(), other)
    assert "line 2: group a.mp4 is held_out here and train above" in sentence


def test_a_folder_without_sequences_is_no_dataset(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"is not a dataset: it has no manifest\.jsonl"):
        load_manifest(tmp_path)
    with pytest.raises(DatasetError, match="is not a dataset"):
        load_manifest(tmp_path / "nowhere")
    assert "lists no sequence" in damaged(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match="cannot be read"):
        load_manifest(tmp_path)


def test_the_hash_is_of_pixels_and_shape_alone():
    frames = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), np.uint8)
    turned = np.asfortranarray(frames)
    assert content_hash(frames) == content_hash(turned)
    assert content_hash(frames) != content_hash(frames.reshape(4, 8, 6, 3))
    changed = frames.copy()
    changed[3, 5, 7, 2] ^= 1
    assert content_hash(frames) != content_hash(changed)
