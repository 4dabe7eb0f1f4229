from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.stats import DatasetStats, Spread, dataset_stats, moving_share
from filmgrid.errors import DatasetError
from filmgrid.types import FrameArray


def noise(seed: int, count: int = 8) -> FrameArray:
    return np.random.default_rng(seed).integers(0, 256, (count, 10, 10, 3), np.uint8)


def build(tmp_path: Path, clips: dict[str, FrameArray], **values: object) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name, frames in clips.items():
        Image.fromarray(np.concatenate(list(frames), axis=1)).save(folder / f"{name}.png")
    told = {"sources": folder, "out": tmp_path / "set", "layout": "2x2", "cell": 10}
    config = DatasetConfig.model_validate(told | {"strip_width": 10} | values)
    build_dataset(config)
    return config.out


def test_sequences_are_counted_by_side_and_group(tmp_path: Path):
    clips = {"a1": noise(1), "a2": noise(2), "b1": noise(3, 4)}
    out = build(tmp_path, clips, group=r"(\w)\d", held_out_groups=["b"], step=2)
    stats = dataset_stats(out)
    assert (stats.layouts, stats.cells, stats.strides) == ({"2x2": 7}, {"10x10": 7}, {1: 7})
    assert stats.all.sequences == 7
    assert stats.sides["train"].groups == {"a": 6}
    assert stats.sides["held_out"].groups == {"b": 1}
    train = stats.sides["train"]
    assert (train.clips, train.frames, train.source_frames) == (2, 24, 16)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert stats.file_bytes == sum(path.stat().st_size for path in files)


def test_captions_are_measured_in_bytes(tmp_path: Path):
    out = build(tmp_path, {"é": noise(1), "abc": noise(2, 4)}, caption_template="{stem}")
    stats = dataset_stats(out).all
    assert stats.captions == {"é": 2, "abc": 1}
    assert stats.caption_bytes == Spread(smallest=2, median=2, largest=3)


def test_motion_is_the_share_of_pixels_that_change(tmp_path: Path):
    frames = np.zeros((4, 10, 10, 3), np.uint8)
    assert moving_share(frames) == 0
    frames[1:, :5] = (0, 17, 0)
    assert moving_share(frames) == pytest.approx(0.5 / 3)
    frames[1:, :5] = (16, 16, 16)
    assert moving_share(frames) == 0
    assert moving_share(frames[:1]) == 0


def test_a_change_from_bright_to_dark_counts_as_one_from_dark_to_bright():
    frames = np.full((2, 10, 10, 3), 255, np.uint8)
    frames[1] = 0
    assert moving_share(frames) == moving_share(frames[::-1]) == 1


def test_sequences_in_which_nothing_moves_are_named(tmp_path: Path):
    out = build(tmp_path, {"still": np.repeat(noise(1, 1), 4, axis=0), "moving": noise(2, 4)})
    stats = dataset_stats(out)
    assert len(stats.all.still) == 1
    assert "Next to nothing moves in 1 sequence(s)" in stats.text()


def test_colours_are_those_of_all_pixels(tmp_path: Path):
    clips = {"a": noise(1), "b": noise(2)}
    stats = dataset_stats(build(tmp_path, clips)).all
    pixels = np.stack(list(clips.values())).reshape(-1, 3)
    assert stats.colour_mean == pytest.approx(pixels.mean(axis=0))
    assert stats.colour_std == pytest.approx(pixels.std(axis=0))


def test_a_mirrored_twin_on_the_other_side_is_told(tmp_path: Path):
    clips = {"a": noise(1), "b": noise(1)[:, :, ::-1], "c": noise(2)}
    stats = dataset_stats(build(tmp_path, clips, held_out_groups=["b.png"]))
    assert (stats.mirrored_sequences, stats.mirrored_frames, stats.shared_frames) == (2, 8, 0)
    assert any("mirror image of a frame that is trained on" in note for note in stats.notes())


def test_a_frame_on_both_sides_is_told(tmp_path: Path):
    clips = {"a": noise(1), "b": np.concatenate([noise(1)[2:4], noise(2)])}
    stats = dataset_stats(build(tmp_path, clips, held_out_groups=["b.png"]))
    assert (stats.shared_frames, stats.mirrored_frames, stats.equal_sequences) == (2, 0, 0)
    assert any("held-out frame(s) are also trained on" in note for note in stats.notes())


def test_black_frames_on_both_sides_are_no_leak(tmp_path: Path):
    black = np.zeros((2, 10, 10, 3), np.uint8)
    clips = {name: np.concatenate([black, noise(seed, 2)]) for seed, name in enumerate("ab")}
    stats = dataset_stats(build(tmp_path, clips, held_out_groups=["b.png"]))
    assert (stats.shared_frames, stats.mirrored_frames) == (0, 0)
    assert stats.notes() == []


def test_numbers_survive_json_and_are_told_in_columns(tmp_path: Path):
    out = build(tmp_path, {"a": noise(1), "b": noise(2)}, held_out_groups=["b.png"])
    seen: list[tuple[int, int]] = []
    stats = dataset_stats(out, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert DatasetStats.model_validate_json(stats.model_dump_json()) == stats
    lines = stats.text().splitlines()
    assert "4 sequences" in lines[0]
    assert lines[2].split() == ["all", "train", "held", "out"]
    assert lines[3].split() == ["sequences", "4", "2", "2"]


def test_a_damaged_dataset_has_no_numbers(tmp_path: Path):
    out = build(tmp_path, {"a": noise(1)})
    next((out / "sequences").iterdir()).unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        dataset_stats(out)


def test_real_twins_leak_unless_they_are_one_group(real_data: Path, tmp_path: Path):
    told = DatasetConfig(
        sources=(real_data / "weizmann_actions" / "4",),
        out=tmp_path / "set",
        strip_width=64,
        held_out_groups=("00000007.jpg",),
    )
    build_dataset(told)
    assert dataset_stats(told.out).mirrored_frames == 48
    people = told.model_copy(
        update={
            "out": tmp_path / "people",
            "group": r"(\d+)\.jpg$",
            "group_divide": 8,
            "held_out_groups": ("3", "4"),
        }
    )
    build_dataset(people)
    stats = dataset_stats(people.out)
    assert (stats.shared_frames, stats.mirrored_frames) == (0, 0)
    assert stats.mirrored_sequences > 0
    assert 0.005 < stats.all.moving.median < 0.2
