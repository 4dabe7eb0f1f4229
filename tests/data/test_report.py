from pathlib import Path

from filmgrid.data.report import MAX_ROWS, BuildReport, SourceReport
from filmgrid.data.sources import Skipped


def source(name: str, **values: object) -> SourceReport:
    told = {"source": name, "path": Path("clips") / name, "kind": "video", **values}
    return SourceReport.model_validate(told)


def report(*sources: SourceReport, **values: object) -> BuildReport:
    told = {
        "out": "set",
        "sequences": 3,
        "train": 2,
        "held_out": 1,
        "train_groups": ("a", "b"),
        "held_out_groups": ("c",),
        "captions": {"sidecar": 2, "none": 1},
        "sources": sources,
        "skipped": (),
    }
    return BuildReport.model_validate(told | values)


USED = source("a.mp4", frames=36, used_frames=16, between_frames=15, tail_frames=5, sequences=1)
SHORT = source("b.mp4", frames=4, tail_frames=4, notes=("shorter than one sequence",))


def test_the_first_lines_say_what_came_out():
    assert report(USED, SHORT).text().splitlines()[:3] == [
        "3 sequences in set: 2 to train on (2 groups: a, b), 1 held out (1 group: c).",
        "Captions: 2 from sidecar, 1 without.",
        "Frames: 40 read, 16 used, 15 passed over by stride and step, "
        "9 after the last sequence of their source.",
    ]


def test_the_table_has_a_line_for_every_source_in_columns():
    table = report(USED, SHORT).text().splitlines()[4:7]
    assert len({len(line) for line in table}) == 1
    assert table[1].split() == ["a.mp4", "1", "36", "16", "15", "5", "1", "0", "0"]


def test_sources_without_a_sequence_say_why():
    assert "Without a sequence:\n  b.mp4: shorter than one sequence" in report(USED, SHORT).text()
    assert "Without" not in report(USED).text()


def test_files_not_used_are_told_by_reason():
    skipped = tuple(Skipped(Path(f"clips/{n}.md"), "neither video nor image") for n in range(9))
    text = report(USED, skipped=skipped).text()
    assert "Not used:\n  0.md and 8 more: neither video nor image" in text


def test_notes_stand_at_the_end():
    assert report(USED, notes=("Mind the gap.",)).text().endswith("\n\nNote: Mind the gap.")


def test_a_long_list_is_shortened_in_the_text_but_not_in_json():
    sources = [source(f"{number}.mp4", notes=("too short",)) for number in range(500)]
    long = report(*sources)
    text = long.text()
    assert f"… and {500 - MAX_ROWS} more in report.json" in text
    assert f"  … and {500 - MAX_ROWS} more" in text
    assert len(text.splitlines()) < 2 * MAX_ROWS + 20
    assert BuildReport.model_validate_json(long.model_dump_json()) == long


def test_no_line_is_wider_than_a_screen_for_names_of_usual_length():
    assert max(len(line) for line in report(USED, SHORT).text().splitlines()[3:]) <= 80
