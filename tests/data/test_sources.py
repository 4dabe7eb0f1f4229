import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.sources import Scan, count_reasons, scan_sources
from filmgrid.errors import DatasetError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(scan: Scan) -> list[str]:
    return [source.name for source in scan.found]


def why(scan: Scan) -> dict[str, str]:
    return {item.path.name: item.why for item in scan.skipped}


def test_videos_are_found_at_any_depth_in_natural_order(tmp_path: Path):
    touch(tmp_path / "clip10.mp4", tmp_path / "clip2.MKV", tmp_path / "day 1" / "a.avi")
    scan = scan_sources([tmp_path])
    assert names(scan) == ["clip2.MKV", "clip10.mp4", "day 1/a.avi"]
    assert {source.kind for source in scan.found} == {"video"}
    assert scan.skipped == ()


def test_pictures_in_one_folder_are_the_frames_of_one_clip(tmp_path: Path):
    touch(tmp_path / "run" / "0.png", tmp_path / "run" / "1.png", tmp_path / "walk" / "0.jpg")
    scan = scan_sources([tmp_path])
    assert [(source.name, source.kind) for source in scan.found] == [
        ("run", "frames"),
        ("walk", "frames"),
    ]
    assert names(scan_sources([tmp_path / "run"])) == ["run"]


def test_pictures_are_strips_where_asked(tmp_path: Path):
    touch(tmp_path / "0" / "b.jpg", tmp_path / "0" / "a.jpg", tmp_path / "film.mp4")
    scan = scan_sources([tmp_path], strips=True)
    assert [(source.name, source.kind) for source in scan.found] == [
        ("0/a.jpg", "strip"),
        ("0/b.jpg", "strip"),
        ("film.mp4", "video"),
    ]


def test_an_animated_picture_is_a_clip_of_its_own(tmp_path: Path):
    pages = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (0, 99, 200)]
    pages[0].save(tmp_path / "moving.webp", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "frame0.webp")
    scan = scan_sources([tmp_path])
    assert {source.path.name: source.kind for source in scan.found} == {
        tmp_path.name: "frames",
        "moving.webp": "video",
    }


def test_what_is_not_taken_is_named_with_the_reason(tmp_path: Path):
    touch(tmp_path / "a.mp4", tmp_path / "notes.pdf", tmp_path / "Makefile", tmp_path / "b.txt")
    scan = scan_sources([tmp_path])
    assert why(scan) == {
        "notes.pdf": "neither video nor image (.pdf)",
        "Makefile": "neither video nor image (no suffix)",
        "b.txt": "a text that no source beside it shares its name with",
    }


def test_captions_and_hidden_files_are_passed_over(tmp_path: Path):
    touch(tmp_path / "a.mp4", tmp_path / "a.txt", tmp_path / "metadata.jsonl", tmp_path / ".x.mp4")
    touch(tmp_path / "run" / "0.png", tmp_path / "run.txt", tmp_path / ".cache" / "b.mp4")
    scan = scan_sources([tmp_path])
    assert names(scan) == ["a.mp4", "run"]
    assert scan.skipped == ()


def test_a_single_picture_is_no_sequence_and_the_message_says_what_to_do(tmp_path: Path):
    touch(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"a\.png: a single image .* give strip_width"):
        scan_sources([tmp_path / "a.png"])


def test_a_dataset_is_not_a_source_of_another(tmp_path: Path):
    touch(tmp_path / "a.mp4", tmp_path / "set" / "manifest.jsonl", tmp_path / "set" / "x" / "0.png")
    scan = scan_sources([tmp_path])
    assert names(scan) == ["a.mp4"]
    assert "dataset already" in why(scan)["set"]


def test_a_source_given_twice_is_used_once(tmp_path: Path):
    touch(tmp_path / "a.mp4")
    scan = scan_sources([tmp_path, tmp_path / "a.mp4"])
    assert names(scan) == ["a.mp4"]
    assert why(scan) == {"a.mp4": "given twice"}


def test_sources_of_one_name_are_told_apart_by_their_folders(tmp_path: Path):
    touch(tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4", tmp_path / "y" / "b.mp4")
    assert names(scan_sources([tmp_path / "x", tmp_path / "y"])) == ["x/a.mp4", "y/a.mp4", "b.mp4"]


def test_a_folder_that_leads_back_to_itself_is_searched_once(tmp_path: Path):
    touch(tmp_path / "clips" / "a.mp4")
    (tmp_path / "clips" / "again").symlink_to(tmp_path / "clips")
    scan = scan_sources([tmp_path / "clips"])
    assert names(scan) == ["a.mp4"]
    assert "link leads back" in why(scan)["again"]


def test_an_empty_folder_and_a_missing_path_are_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"can become a sequence: there is no file in it"):
        scan_sources([tmp_path])
    with pytest.raises(DatasetError, match=r"There is no source .*lost\.mp4. Check the path"):
        scan_sources([tmp_path / "lost.mp4"])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_a_manifest_cannot_hold_is_refused(tmp_path: Path):
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")))
    with pytest.raises(DatasetError, match=r"caf\\xe9\.mp4' has a name that is not UTF-8"):
        scan_sources([tmp_path])


def test_equal_reasons_are_told_once(tmp_path: Path):
    touch(tmp_path / "a.mp4", *(tmp_path / f"{index}.md" for index in range(3)))
    reasons = list(count_reasons(scan_sources([tmp_path]).skipped))
    assert reasons == ["0.md and 2 more: neither video nor image (.md)"]
