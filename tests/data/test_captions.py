import json
from pathlib import Path

import pytest

from filmgrid.data.captions import Captions
from filmgrid.data.sources import Source
from filmgrid.errors import DatasetError


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "day" / "clip.mp4"
    path.parent.mkdir()
    path.touch()
    return Source(path, "video", tmp_path, "day/clip.mp4")


def metadata(path: Path, *rows: dict[str, str]) -> Path:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def row(name: str, text: str) -> dict[str, str]:
    return {"file_name": name, "text": text}


def told(captions: Captions, source: Source, suffix: str = "") -> tuple[str, str]:
    caption = captions.of(source, source.name + suffix, "g")
    return caption.text, caption.origin


def test_the_nearest_words_win(tmp_path: Path, source: Source):
    def found(given: Path | None = None, template: str | None = None) -> tuple[str, str]:
        return told(Captions(given, template), source)

    assert found() == ("", "none")
    assert found(template="{parent}, {stem}, {group}") == ("day, clip, g", "template")
    metadata(tmp_path / "metadata.jsonl", row("day/clip.mp4", "far"))
    assert found(template="{stem}") == ("far", "metadata")
    metadata(tmp_path / "day" / "metadata.jsonl", row("clip.mp4", "near"))
    assert found() == ("near", "metadata")
    given = metadata(tmp_path / "elsewhere.jsonl", row("day/clip.mp4", "by hand"))
    assert found(given) == ("by hand", "metadata")
    source.path.with_suffix(".txt").write_text(" beside \n")
    assert found(given) == ("beside", "sidecar")


def test_a_folder_of_frames_has_its_text_beside_it(tmp_path: Path):
    (tmp_path / "run.v2").mkdir()
    (tmp_path / "run.v2.txt").write_text("a run")
    source = Source(tmp_path / "run.v2", "frames", tmp_path, "run.v2")
    assert told(Captions(), source) == ("a run", "sidecar")


def test_a_line_for_a_folder_speaks_for_what_has_none(tmp_path: Path, source: Source):
    table = tmp_path / "metadata.jsonl"
    metadata(table, row("day", "a day"))
    assert told(Captions(), source) == ("a day", "metadata")
    metadata(table, row("day", "a day"), row("day/clip.mp4", "a clip"))
    assert told(Captions(), source) == ("a clip", "metadata")


def test_a_line_may_name_one_clip_of_a_mosaic(tmp_path: Path, source: Source):
    metadata(tmp_path / "metadata.jsonl", row("day/clip.mp4#3", "dusk"), row("day", "sky"))
    captions = Captions()
    assert told(captions, source, "#3") == ("dusk", "metadata")
    assert told(captions, source, "#4") == ("sky", "metadata")


def test_metadata_outside_the_search_is_left_alone(tmp_path: Path, source: Source):
    metadata(tmp_path / "metadata.jsonl", row("day/clip.mp4", "outside"))
    inner = Source(source.path, "video", source.path.parent, "clip.mp4")
    assert told(Captions(), inner) == ("", "none")


def test_a_caption_keeps_every_letter(tmp_path: Path, source: Source):
    words = "一只猫 – \u2028 next \x85 line"
    metadata(tmp_path / "metadata.jsonl", row("day/clip.mp4", words))
    assert told(Captions(), source)[0] == words


def test_lines_that_name_nothing_are_told(tmp_path: Path, source: Source):
    table = metadata(tmp_path / "m.jsonl", row("day/clip.mp4", "a"), row("day/clpi.mp4", "b"))
    captions = Captions(table)
    told(captions, source)
    assert captions.unused() == [f"{table}, line 2 (day/clpi.mp4)"]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("{", "line 2: this is not JSON"),
        ("[1]", "line 2: this is not a JSON object"),
        ('{"file_name": "b.mp4", "caption": "b"}', "must both be there.*found file_name, caption"),
        ('{"file_name": "b.mp4", "text": 3}', "must both be there"),
        ('{"file_name": "./a.mp4", "text": "b"}', "a.mp4 is already captioned on line 1"),
    ],
)
def test_a_damaged_line_is_refused_with_its_number(
    tmp_path: Path, source: Source, line: str, part: str
):
    table = tmp_path / "m.jsonl"
    table.write_text(f'{{"file_name": "a.mp4", "text": "a"}}\n{line}\n')
    with pytest.raises(DatasetError, match=part):
        told(Captions(table), source)


def test_a_caption_that_is_no_text_is_refused(source: Source):
    source.path.with_suffix(".txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"clip\.txt is not UTF-8 text"):
        told(Captions(), source)


def test_a_missing_caption_file_is_refused_at_once(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"There is no caption file .*m\.jsonl"):
        Captions(tmp_path / "m.jsonl")
