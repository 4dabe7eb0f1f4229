"""Stretches that are walked again, through the doors that users have."""

import json

import numpy as np
import pytest

from filmgrid.cli import main
from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.inputs import gather
from filmgrid.long import Checkpoint, Stretch, stream
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.walking import Progress

TWICE = {"steps": 6, "resample": 2, "resample_steps": 2}
MORE = 6 + 2 * 2  # steps of a grid: the last two stretches of three are walked again


@pytest.fixture(scope="module")
def generator(tiny_model):
    return Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)


def asked(generator, **words):
    return GenerateRequest(prompt="a star", model=generator.name, **words)


def of_grid(generator, inputs, **words):
    events = list(generator.generate(asked(generator, **words), inputs))
    steps = [each for each in events if isinstance(each, Progress)]
    assert [each.step for each in steps] == list(range(1, len(steps) + 1))
    assert {each.num_steps for each in steps} == {len(steps)}
    assert isinstance(events[-1], Result)
    return events[-1], len(steps)


def of_stream(generator, inputs=None, memory=None, **words):
    events = list(stream(generator, asked(generator, **words), inputs, memory))
    steps = [each for each in events if isinstance(each, Progress)]
    assert [each.step for each in steps] == list(range(steps[0].step, steps[-1].num_steps + 1))
    frames = [each.arrays[0] for each in events if isinstance(each, Stretch)]
    marks = [each.memory for each in events if isinstance(each, Checkpoint)]
    return np.concatenate(frames), steps[-1].num_steps, marks


@pytest.mark.parametrize("conditioning", ["learned", "replacement"])
def test_a_picture_stays_and_the_others_change_alike_for_a_seed(generator, clip, conditioning):
    inputs, words = gather({0: clip[0]}, None), {"image": "array", "conditioning": conditioning}
    plain, steps = of_grid(generator, inputs, steps=6, **words)
    assert steps == 6
    once, steps = of_grid(
        generator, inputs, **{**TWICE, "resample": 1, "resample_steps": 5}, **words
    )
    assert steps == 6 and (once.arrays == plain.arrays).all()
    twice, steps = of_grid(generator, inputs, **TWICE, **words)
    assert steps == MORE
    assert (twice.arrays[0, 0] == clip[0]).all()
    assert (twice.arrays[0, 1:] != plain.arrays[0, 1:]).any()
    again, _ = of_grid(generator, inputs, **TWICE, **words)
    assert (again.arrays == twice.arrays).all()
    assert twice.request["resample"] == 2 and twice.request["resample_steps"] == 2


def test_noise_of_jumps_belongs_to_the_sequence_whatever_the_batch(generator, clip):
    inputs, words = gather({0: clip[0]}, None), {"image": "array", **TWICE}
    both, steps = of_grid(generator, inputs, best_of=2, batch=2, **words)
    assert steps == MORE
    one, steps = of_grid(generator, inputs, best_of=2, batch=1, **words)
    assert steps == 2 * MORE
    for seed in (0, 1):
        here, there = (each.arrays[each.seeds.index(seed)].astype(int) for each in (both, one))
        assert np.abs(here - there).max() <= 2


@pytest.mark.parametrize("words", [{}, {"spread": 3}, {"loop": True}])
def test_later_grids_are_walked_again_and_the_first_only_beside_given_frames(generator, words):
    plain, _, marks = of_stream(generator, frames=9, steps=6, **words)
    grids = marks[-1].windows
    made, steps, marks = of_stream(generator, frames=9, **TWICE, **words)
    assert marks[-1].windows == grids and steps == 6 + (grids - 1) * MORE
    assert (made[0] == plain[0]).all() and (made[-1] != plain[-1]).any()
    rest, total, _ = of_stream(generator, memory=marks[0], frames=9, **TWICE, **words)
    assert total == steps and (rest == made[marks[0].written :]).all()


def test_clips_that_go_on_or_are_filled_hold_frames_in_every_grid(generator, clip):
    made, steps, marks = of_stream(
        generator, gather({}, clip), frames=15, video="array", task="extend", **TWICE
    )
    assert (made[:11] == clip).all() and steps == marks[-1].windows * MORE
    made, steps, marks = of_stream(
        generator, gather({}, clip[:4]), video="array", between=1, **TWICE
    )
    assert (made[::2] == clip[:4]).all() and steps == marks[-1].windows * MORE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"resample": 2}, "here none do"),
        ({"resample": 2, "frames": 4}, "here none do"),
        ({"resample": 2, "frames": 9, "steps": 5}, "Use at most 4"),
        ({"resample": 2, "resample_steps": 3, "frames": 9}, "Use at most 2"),  # of the model's 3
        ({"resample_steps": 3, "frames": 9}, "Add --resample 2"),
        ({"resample": 0}, "resample"),
        ({"resample": 2, "resample_steps": 0, "frames": 9}, "resample_steps"),
        (
            {**TWICE, "frames": 16, "layout": "4x4", "sampler": "gridit-release"},
            "no place for resample",
        ),
    ],
)
def test_what_cannot_be_walked_again_is_refused(generator, words, told):
    with pytest.raises(ConfigError, match=told):
        if "frames" in words:
            list(stream(generator, asked(generator, **words)))
        else:
            list(generator.generate(asked(generator, **words)))


def test_jumps_beyond_a_start_below_1_are_refused_and_edits_need_locked_frames(generator, clip):
    inputs, words = gather({}, clip[:4]), {"video": "array", "task": "edit", **TWICE}
    with pytest.raises(ConfigError, match="here none do"):
        of_grid(generator, inputs, **words)
    with pytest.raises(ConfigError, match="would forget all that was made"):
        of_grid(generator, inputs, lock="1", sigma=0.3, **words)
    made, _ = of_grid(generator, inputs, lock="1", sigma=0.9, **words)
    assert (made.arrays[0, 1] == clip[1]).all()


def test_the_cost_counts_what_is_walked_again(tiny_model, capsys):
    words = ["generate", "a star", "--model", str(tiny_model), "--frames", "9", "--steps", "6"]
    told = []
    for more in ([], ["--resample", "3", "--resample-steps", "2"]):
        main([*words, *more, "--dry-run", "--json"])
        told.append(json.loads(capsys.readouterr().out))
    assert told[0]["grids"] == told[1]["grids"] == 4
    assert told[0]["passes"] == 2 * 4 * 6
    assert told[1]["passes"] == 2 * (6 + 3 * (6 + 2 * 2 * 2))


def test_jumps_beyond_a_shortened_walk_are_refused_before_the_model_is_loaded(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(Generator, "from_pretrained", None)
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    save_sequence(frames, tmp_path / "clip.mkv", fps=8, provenance=Provenance())
    words = ["generate", "a star", "--video", str(tmp_path / "clip.mkv"), "--redraw", "1"]
    words += ["--layout", "2x2", "--strength", "0.5", "--steps", "4", "--resample", "2"]
    with pytest.raises(SystemExit):
        main([*words, "--resample-steps", "3", "--out", str(tmp_path / "made.mp4")])
    assert "Jumps of 3 steps" in capsys.readouterr().err
