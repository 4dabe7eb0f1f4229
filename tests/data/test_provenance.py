import json
from pathlib import Path

import pytest
from PIL import Image

from filmgrid.data.provenance import (
    Provenance,
    current_versions,
    exif,
    png_text,
    read_provenance,
    short_json,
)
from filmgrid.errors import MediaError
from filmgrid.grid.spec import CellSize, Layout

TOLD = Provenance(
    kind="grid",
    layout="4x6",
    gap=2,
    margin=0,
    cell=(48, 64),
    num_frames=24,
    fps=12.5,
    request={"prompt": 'ein Ball, 球, \n"two" lines & <tags>', "keep": [0, 5], "sigma": 0.9},
)


def test_a_provenance_survives_as_one_line_of_plain_text():
    text = TOLD.to_json()
    assert text.isascii()
    assert "\n" not in text
    assert Provenance.from_json(text) == TOLD
    assert Provenance.from_json(text.encode()) == TOLD


def test_versions_are_named_without_importing_what_they_are_of():
    versions = current_versions()
    assert set(versions) == {"python", "filmgrid", "torch"}
    assert all(version[0].isdigit() for version in versions.values())
    assert Provenance().versions == versions


def test_the_layout_comes_back_with_its_gaps():
    assert TOLD.grid == Layout(4, 6, gap=2, margin=0)
    assert Provenance().grid is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a comment",
        "{}",
        "[1]",
        "null",
        '{"prompt": "of another program"}',
        '{"created_by": "someone else"}',
        '{"created_by": "filmgrid", "layout": "4x"}',
        '{"created_by": "filmgrid", "layout": "0x4"}',
        '{"created_by": "filmgrid", "fps": 0}',
        '{"created_by": "filmgrid", "fps": 1e9}',
        '{"created_by": "filmgrid", "fps": Infinity}',
        '{"created_by": "filmgrid", "cell": [0, 4]}',
        '{"created_by": "filmgrid", "pad": [7, 0]}',
        '{"created_by": "filmgrid", "gap": -1}',
        '{"created_by": "filmgrid", "num_frames": 0}',
        "[" * 100_000,
    ],
)
def test_text_that_is_not_ours_or_makes_no_sense_tells_nothing(text: str):
    assert Provenance.from_json(text) is None


def test_fields_of_later_versions_are_passed_over():
    later = json.loads(TOLD.to_json()) | {"mood": "blue"}
    assert Provenance.from_json(json.dumps(later)) == TOLD


def test_padding_is_cut_off_only_where_the_size_is_still_ours():
    told = Provenance(cell=(23, 40), pad=(0, 1))
    assert told.unpadded(24, 40) == CellSize(23, 40)
    assert told.unpadded(48, 80) == CellSize(48, 80)
    assert Provenance().unpadded(24, 40) == CellSize(24, 40)


def test_pictures_carry_it_in_their_own_fields(tmp_path: Path):
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "a.png", pnginfo=png_text(TOLD))
    image.save(tmp_path / "a.jpg", exif=exif(TOLD))
    image.save(tmp_path / "a.webp", exif=exif(TOLD))
    image.save(tmp_path / "a.gif", comment=TOLD.to_json())
    for name in ("a.png", "a.jpg", "a.webp", "a.gif"):
        assert read_provenance(tmp_path / name) == TOLD


def test_a_long_request_is_carried_or_refused_but_never_cut(tmp_path: Path):
    long = TOLD.model_copy(update={"request": {"prompt": "ball " * 20_000}})
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "a.png", pnginfo=png_text(long))
    image.save(tmp_path / "a.webp", exif=exif(long))
    image.save(tmp_path / "a.gif", comment=long.to_json())
    for name in ("a.png", "a.webp", "a.gif"):
        assert read_provenance(tmp_path / name) == long
    with pytest.raises(MediaError, match=r"does not fit into a\.jpg.*Write \.mp4, \.png"):
        short_json(tmp_path / "a.jpg", long)
    assert short_json(tmp_path / "a.jpg", TOLD) == TOLD.to_json()


def test_foreign_and_broken_files_tell_nothing(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "comment.gif", comment="made by hand")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "other.json").write_text('{"meta": {"app": "other"}}')
    (tmp_path / "half.json").write_text('{"meta": {"filmgrid"')
    (tmp_path / "latin.json").write_bytes(b'{"meta": "\xe9"}')
    (tmp_path / "folder").mkdir()
    for path in tmp_path.iterdir():
        assert read_provenance(path) is None


def test_a_missing_or_empty_file_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match=r"none\.png does not exist"):
        read_provenance(tmp_path / "none.png")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError, match=r"empty\.mp4 is empty"):
        read_provenance(tmp_path / "empty.mp4")
