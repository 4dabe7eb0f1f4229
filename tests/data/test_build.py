import errno
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.build import BuildProgress, build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.manifest import Entry, content_hash, load_manifest
from filmgrid.data.media import iter_frames, read_grid
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import read_provenance
from filmgrid.data.record import load_record
from filmgrid.data.report import BuildReport
from filmgrid.data.sequences import SequenceFolder
from filmgrid.errors import ConfigError, DatasetError, FilmgridError, MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

SIDE = 8


def noise(count: int, seed: int = 0) -> FrameArray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def strip(path: Path, frames: FrameArray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(path)
    return path


def pictures(folder: Path, frames: FrameArray) -> Path:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index}.png")
    return folder


def config(sources: object, out: Path, **values: object) -> DatasetConfig:
    told = {"sources": sources, "out": out, "layout": "2x2", "cell": SIDE}
    return DatasetConfig.model_validate(told | values)


def indices(out: Path) -> list[tuple[int, ...]]:
    return [entry.indices for entry in load_manifest(out)]


def by_source(out: Path) -> dict[str, list[Entry]]:
    entries: dict[str, list[Entry]] = {}
    for entry in load_manifest(out):
        entries.setdefault(entry.source, []).append(entry)
    return entries


def refusal(kind: type[FilmgridError], told: DatasetConfig) -> str:
    """What a build that fails says; it leaves the parent folder as it was."""
    before = sorted(told.out.parent.rglob("*"))
    with pytest.raises(kind) as caught:
        build_dataset(told)
    assert sorted(told.out.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_come_back_bit_for_bit(tmp_path: Path):
    frames = noise(9)
    pictures(tmp_path / "clips" / "run", frames)
    out = tmp_path / "set"
    report = build_dataset(config(tmp_path / "clips", out))
    assert (report.sequences, report.train, report.held_out) == (2, 2, 0)
    first, second = SequenceFolder(out)
    assert np.array_equal(first.frames, frames[:4])
    assert np.array_equal(second.frames, frames[4:8])
    assert second.entry.source == "run"
    assert second.entry.sha256 == content_hash(frames[4:8])
    SequenceFolder(out).verify()


def test_a_grid_file_knows_its_layout_and_where_it_is_from(tmp_path: Path):
    strip(tmp_path / "clips" / "a.png", noise(4))
    out = tmp_path / "set"
    build_dataset(config(tmp_path / "clips", out, strip_width=SIDE, caption_template="{stem}"))
    (entry,) = load_manifest(out)
    told = read_provenance(out / entry.frames)
    assert told is not None
    assert (told.kind, told.grid, told.num_frames) == ("grid", Layout(2, 2), 4)
    assert told.request == {
        "source": "a.png",
        "indices": [0, 1, 2, 3],
        "caption": "a",
        "sha256": entry.sha256,
    }
    assert np.array_equal(read_grid(out / entry.frames).frames, noise(4))


def test_the_folder_holds_what_can_build_it_again(tmp_path: Path):
    strip(tmp_path / "clips" / "a.png", noise(9))
    told = config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE, step=2)
    report = build_dataset(told)
    record = load_record(told.out)
    assert record.config == told
    assert set(record.versions) == {"python", "filmgrid", "torch"}
    assert BuildReport.model_validate_json((told.out / "report.json").read_bytes()) == report
    again = record.config.model_copy(update={"out": tmp_path / "again"})
    build_dataset(again)
    names = sorted(path.relative_to(told.out) for path in told.out.rglob("*"))
    assert names == sorted(path.relative_to(again.out) for path in again.out.rglob("*"))
    for name in names:
        if (told.out / name).is_file() and name.name not in ("dataset.json", "report.json"):
            assert (told.out / name).read_bytes() == (again.out / name).read_bytes()


@pytest.mark.parametrize(
    ("length", "values", "expected"),
    [
        (12, {}, [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]),
        (14, {"stride": 2}, [(0, 2, 4, 6)]),
        (15, {"stride": 2, "step": 4}, [(0, 2, 4, 6), (4, 6, 8, 10), (8, 10, 12, 14)]),
        (6, {"step": 1}, [(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)]),
        (14, {"step": 10}, [(0, 1, 2, 3), (10, 11, 12, 13)]),
        (10, {"tail": "back"}, [(0, 1, 2, 3), (4, 5, 6, 7), (6, 7, 8, 9)]),
        (8, {"tail": "back"}, [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (9, {"stride": 2, "tail": "back"}, [(0, 2, 4, 6), (2, 4, 6, 8)]),
        (12, {"max_sequences_per_clip": 1}, [(0, 1, 2, 3)]),
        (4, {"layout": "1x1", "step": 3}, [(0,), (3,)]),
    ],
)
def test_stride_step_and_tail_choose_the_frames(
    tmp_path: Path, length: int, values: dict[str, object], expected: list[tuple[int, ...]]
):
    frames = noise(length)
    strip(tmp_path / "a.png", frames)
    out = tmp_path / "set"
    build_dataset(config(tmp_path / "a.png", out, strip_width=SIDE, **values))
    assert indices(out) == expected
    for sequence in SequenceFolder(out):
        assert np.array_equal(sequence.frames, frames[list(sequence.entry.indices)])


def test_a_video_gives_the_frames_that_it_is_decoded_to(
    tmp_path: Path, clip: FrameArray, encode: Callable[..., Path]
):
    video = encode(tmp_path / "a.mp4", clip)
    out = tmp_path / "set"
    build_dataset(config(video, out, cell="24x40", stride=2))
    (sequence,) = SequenceFolder(out)
    assert np.array_equal(sequence.frames, list(iter_frames(video, stop=7, stride=2)))
    assert (sequence.entry.fps, sequence.entry.sequence_fps) == (10, 5)
    told = read_provenance(out / sequence.entry.frames)
    assert told is not None
    assert told.fps == 5


def test_a_mosaic_gives_a_sequence_of_every_cell(tmp_path: Path):
    clips = [noise(5, seed) for seed in range(6)]
    layout = Layout(2, 3, 2)
    moments = np.stack([pack_image(np.stack(m), layout) for m in zip(*clips, strict=True)])
    pictures(tmp_path / "sky", moments)
    told = config(tmp_path / "sky", tmp_path / "set", mosaic="2x3", mosaic_gap=2)
    report = build_dataset(told)
    assert list(by_source(told.out)) == [f"sky#{cell}" for cell in range(6)]
    for sequence, frames in zip(SequenceFolder(told.out), clips, strict=True):
        assert np.array_equal(sequence.frames, frames[:4])
    (source,) = report.sources
    assert (source.clips, source.frames, source.used_frames, source.tail_frames) == (6, 30, 24, 6)
    assert source.notes == ("1 tail frame dropped",)


def test_captions_are_written_and_counted_by_origin(tmp_path: Path):
    for name in ("a", "b", "c"):
        strip(tmp_path / "clips" / f"{name}.png", noise(8, seed=ord(name)))
    (tmp_path / "clips" / "a.txt").write_text("a circle\n")
    lines = ({"file_name": f"{name}.png", "text": f"{name} told"} for name in ("a", "b", "x"))
    (tmp_path / "clips" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    told = config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE)
    report = build_dataset(told.model_copy(update={"caption_template": "clip {stem}"}))
    captions = {source: entries[0].caption for source, entries in by_source(told.out).items()}
    assert captions == {"a.png": "a circle", "b.png": "b told", "c.png": "clip c"}
    assert report.captions == {"sidecar": 2, "metadata": 2, "template": 2}
    assert "2 caption(s) name no source that was used" in report.notes[0]
    assert "line 3 (x.png)" in report.notes[0]


def people(folder: Path) -> Path:
    for number in range(10):
        strip(folder / f"{number:04d}.png", noise(8, seed=number))
    return folder


def test_no_group_is_on_both_sides_of_the_split(tmp_path: Path):
    told = config(
        people(tmp_path / "clips"),
        tmp_path / "set",
        strip_width=SIDE,
        group=r"(\d+)\.png$",
        group_divide=2,
        held_out_groups=["3", "4"],
    )
    report = build_dataset(told)
    sides = {source: entries[0].split for source, entries in by_source(told.out).items()}
    assert [source for source, side in sides.items() if side == "held_out"] == [
        f"{number:04d}.png" for number in range(6, 10)
    ]
    assert (report.train_groups, report.held_out_groups) == (("0", "1", "2"), ("3", "4"))
    assert (report.train, report.held_out) == (12, 8)
    train, held_out = SequenceFolder(told.out, "train"), SequenceFolder(told.out, "held_out")
    assert not {e.group for e in train.entries} & {e.group for e in held_out.entries}


def test_the_share_held_out_stays_when_sources_are_added(tmp_path: Path):
    clips = people(tmp_path / "clips")
    share = {"strip_width": SIDE, "held_out_fraction": 0.3}
    build_dataset(config(clips, tmp_path / "before", **share))
    before = {entry.source: entry.split for entry in load_manifest(tmp_path / "before")}
    for number in range(10, 16):
        strip(clips / f"{number:04d}.png", noise(8, seed=number))
    build_dataset(config(clips, tmp_path / "after", **share))
    after = {entry.source: entry.split for entry in load_manifest(tmp_path / "after")}
    assert set(before.values()) == {"train", "held_out"}
    assert before.items() <= after.items()
    assert len(after) == 16


def test_trained_sequences_may_overlap_while_held_out_ones_do_not(tmp_path: Path):
    strip(tmp_path / "clips" / "a.png", noise(8, seed=1))
    strip(tmp_path / "clips" / "b.png", noise(8, seed=2))
    told = config(
        tmp_path / "clips", tmp_path / "set", strip_width=SIDE, step=1, held_out_groups=["b.png"]
    )
    report = build_dataset(told)
    starts = {s: [e.indices[0] for e in entries] for s, entries in by_source(told.out).items()}
    assert starts == {"a.png": [0, 1, 2, 3, 4], "b.png": [0, 4]}
    assert [source.used_frames for source in report.sources] == [8, 8]


def test_the_report_says_what_was_used_and_dropped_and_why(tmp_path: Path):
    strip(tmp_path / "clips" / "a.png", noise(17, seed=1))
    strip(tmp_path / "clips" / "b.png", noise(6, seed=2))
    (tmp_path / "clips" / "notes.md").touch()
    report = build_dataset(config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE, stride=2))
    first, second = report.sources
    numbers = ("frames", "used_frames", "between_frames", "tail_frames", "sequences")
    assert [getattr(first, name) for name in numbers] == [17, 8, 7, 2, 2]
    assert [getattr(second, name) for name in numbers] == [6, 0, 0, 6, 0]
    assert second.notes == ("shorter than one sequence: 6 frames, 7 needed",)
    assert [(item.path.name, item.why) for item in report.skipped] == [
        ("notes.md", "neither video nor image (.md)")
    ]


def test_equal_sequences_are_kept_once_and_never_on_both_sides(tmp_path: Path):
    frames = noise(8)
    for name in ("a", "b", "c"):
        strip(tmp_path / "clips" / f"{name}.png", frames)
    told = config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE, held_out_groups=["b.png"])
    told = told.model_copy(update={"sources": (*told.sources, tmp_path / "more")})
    strip(tmp_path / "more" / "d.png", noise(4, seed=9))
    report = build_dataset(told)
    assert {source: len(entries) for source, entries in by_source(told.out).items()} == {
        "b.png": 2,
        "d.png": 1,
    }
    assert [source.duplicates for source in report.sources] == [2, 0, 2, 0]
    assert "occur on both sides of the split" in report.notes[0]
    assert len(list((told.out / "sequences").iterdir())) == 3


def test_progress_tells_the_source_and_counts_up(tmp_path: Path):
    strip(tmp_path / "clips" / "a.png", noise(8, seed=1))
    strip(tmp_path / "clips" / "b.png", noise(4, seed=2))
    seen: list[BuildProgress] = []
    build_dataset(config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE), seen.append)
    assert [(told.source, told.num_sequences) for told in seen] == [
        ("a.png", 0),
        ("a.png", 1),
        ("a.png", 2),
        ("b.png", 2),
        ("b.png", 3),
    ]
    assert {told.num_sources for told in seen} == {2}


def clips_of_which_one_is_text(folder: Path) -> Path:
    pictures(folder / "a", noise(4))
    (folder / "b.mp4").write_text("no video at all, whatever its name says\n" * 100)
    return folder


def test_a_text_named_mp4_stops_the_build(tmp_path: Path):
    told = config(clips_of_which_one_is_text(tmp_path / "clips"), tmp_path / "set")
    assert "b.mp4 cannot be read" in refusal(MediaError, told)


def test_a_text_named_mp4_is_passed_over_where_asked(tmp_path: Path):
    clips = clips_of_which_one_is_text(tmp_path / "clips")
    report = build_dataset(config(clips, tmp_path / "set", skip_bad=True))
    assert report.sequences == 1
    assert [item.path.name for item in report.skipped] == ["b.mp4"]
    assert "cannot be read" in report.skipped[0].why


def test_a_source_that_breaks_off_leaves_none_of_its_sequences(tmp_path: Path):
    pictures(tmp_path / "clips" / "a", noise(4))
    damaged = pictures(tmp_path / "clips" / "b", noise(8, seed=1)) / "6.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    told = config(tmp_path / "clips", tmp_path / "set")
    assert "6.png" in refusal(MediaError, told)
    report = build_dataset(told.model_copy(update={"skip_bad": True}))
    assert list(by_source(told.out)) == ["a"]
    assert len(list((told.out / "sequences").iterdir())) == 1
    assert report.skipped[0].path.name == "b"


def test_an_empty_video_is_refused_with_its_name(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    told = config(tmp_path / "clips", tmp_path / "set")
    assert "a.mp4 is empty (0 bytes)" in refusal(MediaError, told)
    sentence = refusal(DatasetError, told.model_copy(update={"skip_bad": True}))
    assert "None of the 1 sources can be used, the first because" in sentence


def test_clips_that_are_all_too_short_are_refused_with_what_is_needed(tmp_path: Path):
    pictures(tmp_path / "clips" / "a", noise(3))
    pictures(tmp_path / "clips" / "b", noise(5))
    sentence = refusal(DatasetError, config(tmp_path / "clips", tmp_path / "set", stride=2))
    assert "4 frames at stride 2 needs 7 frames, and the longest source, b, has 5" in sentence


def test_frames_of_another_size_need_a_way_to_fit(tmp_path: Path):
    pictures(tmp_path / "clips" / "a", noise(4))
    told = config(tmp_path / "clips", tmp_path / "set", cell=4)
    sentence = refusal(ShapeError, told)
    assert sentence.startswith("a: Frames of 8x8 px do not fit cells of 4x4 px")
    build_dataset(told.model_copy(update={"fit": "resize"}))
    assert SequenceFolder(told.out)[0].frames.shape == (4, 4, 4, 3)


def test_pictures_that_do_not_divide_are_refused_with_the_nearest_that_does(tmp_path: Path):
    strip(tmp_path / "a.png", noise(4))
    told = config(tmp_path / "a.png", tmp_path / "set", strip_width=7)
    assert "32 px wide does not divide into frames of 7 px" in refusal(ShapeError, told)
    pictures(tmp_path / "sky", noise(4))
    told = config(tmp_path / "sky", tmp_path / "set", mosaic="3x3")
    assert refusal(ShapeError, told).startswith("sky: Cannot cut a 8x8 grid into 3 rows")


def test_frames_of_mixed_sizes_are_refused(tmp_path: Path):
    folder = pictures(tmp_path / "run", noise(4))
    Image.new("RGB", (6, 6)).save(folder / "2.png")
    told = config(folder, tmp_path / "set", fit="resize")
    assert "mixes sizes: 0.png is 8x8, 2.png is 6x6" in refusal(MediaError, told)


def test_an_empty_folder_has_nothing_to_build_from(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    told = config(tmp_path / "clips", tmp_path / "set")
    assert "there is no file in it" in refusal(DatasetError, told)


def test_a_grid_too_large_to_be_read_again_is_not_made(tmp_path: Path):
    pictures(tmp_path / "a", noise(4))
    told = config(tmp_path / "a", tmp_path / "set", layout="64x64", cell=512)
    assert "A 64x64 grid of 512x512 px cells is 32768x32768 px" in refusal(ConfigError, told)


def test_a_side_without_sequences_is_refused_or_told(tmp_path: Path):
    strip(tmp_path / "clips" / "long.png", noise(8))
    strip(tmp_path / "clips" / "short.png", noise(2))
    told = config(tmp_path / "clips", tmp_path / "set", strip_width=SIDE)
    sentence = refusal(DatasetError, told.model_copy(update={"held_out_groups": ("long.png",)}))
    assert "All 2 sequences would be held out" in sentence
    report = build_dataset(told.model_copy(update={"held_out_groups": ("short.png",)}))
    assert report.notes == ("The held-out group short.png has no sequence.",)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path):
    pictures(tmp_path / "a", noise(4))
    out = tmp_path / "set"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    told = config(tmp_path / "a", out)
    assert "is not empty. Name a new folder, or set overwrite" in refusal(DatasetError, told)
    forced = told.model_copy(update={"overwrite": True})
    assert "is not a dataset, so overwrite does not replace it" in refusal(DatasetError, forced)
    assert (out / "thesis.tex").read_text() == "years of work"
    (out / "thesis.tex").unlink()
    build_dataset(told)
    assert len(SequenceFolder(out)) == 1


def test_a_dataset_is_replaced_only_where_asked_and_only_by_a_whole_one(tmp_path: Path):
    old = pictures(tmp_path / "old", noise(4))
    out = tmp_path / "set"
    build_dataset(config(old, out))
    new = pictures(tmp_path / "new", noise(8, seed=1))
    assert "set overwrite" in refusal(DatasetError, config(new, out))
    (new / "7.png").write_bytes(b"damaged")
    forced = config(new, out, overwrite=True)
    refusal(MediaError, forced)
    assert [entry.source for entry in load_manifest(out)] == ["old"]
    (new / "7.png").unlink()
    build_dataset(forced)
    assert [entry.source for entry in load_manifest(out)] == ["new"]


def test_the_output_may_not_take_a_source_with_it(tmp_path: Path):
    clips = tmp_path / "clips"
    pictures(clips / "a", noise(4))
    told = config(clips / "a", clips, overwrite=True)
    assert "holds the source" in refusal(DatasetError, told)


def test_the_output_may_be_inside_the_sources(tmp_path: Path):
    pictures(tmp_path / "a", noise(4))
    told = config(tmp_path, tmp_path / "set", overwrite=True)
    build_dataset(told)
    report = build_dataset(told)
    assert [source.source for source in report.sources] == ["a"]
    assert [item.path.name for item in report.skipped] == ["set"]


def test_a_file_is_no_place_for_a_dataset(tmp_path: Path):
    pictures(tmp_path / "a", noise(4))
    (tmp_path / "set").touch()
    told = config(tmp_path / "a", tmp_path / "set")
    assert "set is a file. Name a folder" in refusal(DatasetError, told)
    inside = config(tmp_path / "a", tmp_path / "set" / "inner")
    assert "a part of this path is a file" in refusal(MediaError, inside)


def test_a_read_only_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures(tmp_path / "a", noise(4))

    def forbid(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", forbid)
    told = config(tmp_path / "a", tmp_path / "set")
    assert "is read-only or not yours to write" in refusal(MediaError, told)


def test_a_full_disk_is_no_fault_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures(tmp_path / "a", noise(4))

    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", fill)
    told = config(tmp_path / "a", tmp_path / "set", skip_bad=True)
    sentence = refusal(MediaError, told)
    assert sentence.startswith(f"{tmp_path / 'set'} could not be written because the disk is full")


def test_a_killed_build_leaves_nothing_under_the_name(tmp_path: Path):
    for number in range(3):
        strip(tmp_path / "clips" / f"{number}.png", noise(16, seed=number))
    out = tmp_path / "set"
    code = (
        "import time; from filmgrid.data.build import build_dataset; "
        "from filmgrid.data.config import DatasetConfig; "
        f"told = DatasetConfig(sources={str(tmp_path / 'clips')!r}, out={str(out)!r}, "
        f"layout='2x2', cell={SIDE}, strip_width={SIDE}); "
        "stop = lambda: (print(flush=True), time.sleep(60)); "
        "build_dataset(told, lambda progress: progress.num_sequences == 5 and stop())"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert not out.exists()
    assert len(list(tmp_path.glob(".set.part-*"))) == 1
    build_dataset(config(tmp_path / "clips", out, strip_width=SIDE))
    assert len(SequenceFolder(out)) == 12


def test_an_interrupted_build_leaves_nothing_at_all(tmp_path: Path):
    strip(tmp_path / "a.png", noise(16))

    def interrupt(told: BuildProgress) -> None:
        if told.num_sequences == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dataset(config(tmp_path / "a.png", tmp_path / "set", strip_width=SIDE), interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_damaged_record_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"it has no dataset\.json"):
        load_record(tmp_path)
    (tmp_path / "dataset.json").write_text('{"config": {"out": "x", "sources": ["a"], "sed": 1}}')
    with pytest.raises(DatasetError, match=r"damaged: config: sed is not a known key.*seed"):
        load_record(tmp_path)


def test_real_videos_become_one_dataset(real_data: Path, tmp_path: Path):
    videos = [path for path in (real_data / "videos").iterdir() if "mdgan" not in path.name]
    told = config(
        videos, tmp_path / "set", layout="4x4", cell=64, fit="crop", max_sequences_per_clip=1
    )
    report = build_dataset(told)
    assert report.sequences == len(report.sources) == len(videos)
    assert report.skipped == ()
    for sequence in SequenceFolder(told.out):
        assert sequence.frames.shape == (16, 64, 64, 3)
        assert sequence.frames.std() > 5


def test_the_real_mosaic_is_cut_exactly(real_data: Path, tmp_path: Path):
    mosaic = real_data / "videos" / "mdgan_real_video.mp4"
    told = config(
        mosaic, tmp_path / "set", cell=128, mosaic="6x8", mosaic_gap=2, max_sequences_per_clip=1
    )
    report = build_dataset(told)
    assert report.sequences == 48
    first = next(iter_frames(mosaic))
    for sequence in SequenceFolder(told.out):
        row, col = divmod(int(sequence.entry.source.partition("#")[2]), 8)
        top, left = 2 + 130 * row, 2 + 130 * col
        assert np.array_equal(sequence.frames[0], first[top : top + 128, left : left + 128])


def test_real_strips_are_split_by_person(real_data: Path, tmp_path: Path):
    told = config(
        real_data / "weizmann_actions",
        tmp_path / "set",
        layout="4x4",
        cell=64,
        stride=2,
        strip_width=64,
        group=r"(\d+)\.jpg$",
        group_divide=8,
        held_out_groups=["3", "4"],
    )
    report = build_dataset(told)
    assert (report.train_groups, report.held_out_groups) == (("0", "1", "2"), ("3", "4"))
    assert sum(source.frames for source in report.sources) == 2668
    assert (report.train, report.held_out) == (34, 28)
    groups = Counter(entry.group for entry in SequenceFolder(told.out, "held_out").entries)
    assert groups == {"3": 18, "4": 10}
