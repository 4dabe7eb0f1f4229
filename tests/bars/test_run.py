import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from filmgrid.bars.config import BarsConfig
from filmgrid.bars.figure import Row, Setup
from filmgrid.bars.figures import ALL, find_figures
from filmgrid.bars.results import below_base, sum_up
from filmgrid.bars.run import measure_bars
from filmgrid.errors import ConfigError
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.families import mini_backbone
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import load_facts

MADE = [figure.name for figure in ALL if figure.name != "speed"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Random weights that call themselves trained on every layout."""
    folder = tmp_path_factory.mktemp("world-model")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = GridTransformer(patch=16, dim=64, depth=2, head_dim=32, text_depth=1)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    facts = BackboneFacts(
        family="mini",
        name="tiny",
        layout="4x4",
        trained_layouts=("1x1", "4x4", "4x6"),
        cell=(32, 32),
        stride=16,
        has_text=True,
        per_cell_sigma=True,
        num_steps=2,
        guidance_scale=2.0,
    )
    mini_backbone(module, facts).save_pretrained(folder)
    return folder


def oracle(facts, config):
    """A generator that knows the true frames of everything it will be asked for."""
    setup = Setup(config, facts, lambda: None)
    known = {}
    for figure in ALL:
        if figure.name in config.only:
            for number in range(config.count):
                ask = figure.draw(setup, number)
                known[ask.words["prompt"], ask.words["layout"], ask.words["seed"]] = ask.truth

    def generate(prompt, *, layout, seed, **_):
        return SimpleNamespace(arrays=known[prompt, layout, seed][None])

    return generate


def untouched(model):
    raise AssertionError("nothing should be made again")


@pytest.mark.parametrize("name", MADE)
def test_a_generator_that_returns_the_true_frames_reaches_every_bar(model, tmp_path, name):
    facts = load_facts(model).model_copy(update={"cell": (64, 64)})
    large = tmp_path / "large"
    shutil.copytree(model, large)
    (large / "filmgrid.json").write_text(facts.model_dump_json())
    config = BarsConfig(model=str(large), count=6, only=(name,), work=tmp_path)
    report = measure_bars(config, open_generator=lambda _: oracle(facts, config))
    barred = [row for row in report.rows if row.gpu is not None and row.value is not None]
    assert barred or report.row("stills", "right").value.value == 100
    for row in barred:
        assert row.gpu_mark in ("reached", "reached?"), row
        assert row.value == row.real


def test_a_model_of_random_weights_runs_through_every_figure(model, tmp_path):
    config = BarsConfig(model=str(model), count=1, only=tuple(MADE), work=tmp_path)
    report = measure_bars(config)
    assert {row.figure for row in report.rows} == set(MADE)
    assert report.row("image", "exact").value.value == 100
    assert report.row("text", "shape").real.value == 100
    text = report.text()
    assert ">= 97 missed" in text
    assert "<= 4 missed" in text
    assert "Name one with --base" in text


def test_a_run_that_was_stopped_goes_on_and_a_finished_one_is_only_summed_up(model, tmp_path):
    config = BarsConfig(model=str(model), count=3, only=("text", "image"), work=tmp_path / "whole")
    whole = measure_bars(config)
    stopped = config.model_copy(update={"work": tmp_path / "stopped"})

    def stop(done, total):
        assert total == 6
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_bars(stopped, stop)
    lines = (tmp_path / "stopped" / "image.jsonl").read_bytes()
    assert lines.count(b'"key"') == 1
    (tmp_path / "stopped" / "image.jsonl").write_bytes(lines + b'\n{"key": "half a li')
    assert measure_bars(stopped) == whole
    assert measure_bars(stopped, open_generator=untouched) == whole


def test_other_settings_are_judged_anew(model, tmp_path):
    config = BarsConfig(model=str(model), count=1, only=("recolour",), work=tmp_path)
    measure_bars(config)
    for change in ({"steps": 1}, {"seed": 1}, {"edit_sigma": 0.5}):
        with pytest.raises(AssertionError, match="nothing should"):
            measure_bars(config.model_copy(update=change), open_generator=untouched)
    other = config.model_copy(update={"restore_sigma": 0.5})  # which no edit depends on
    measure_bars(other, open_generator=untouched)


def test_what_a_model_was_not_trained_for_is_said(tiny_model, tmp_path):
    report = measure_bars(BarsConfig(model=str(tiny_model), only=("turntable",), work=tmp_path))
    (row,) = report.rows
    assert row.value is None
    assert row.note == "Not trained for: tiny was trained on 2x2, 1x1 and not on 4x6."
    assert "not trained for" in report.text()


def test_a_model_without_text_is_not_asked_for_prompts():
    facts = BackboneFacts(
        family="mini", name="mute", layout="4x4", trained_layouts=("4x4",), cell=(32, 32),
        stride=16, has_text=False, per_cell_sigma=True,
    )  # fmt: skip
    unfit = {figure.name for figure in find_figures(()) if figure.unfit(facts)}
    assert {"text", "recolour"} <= unfit
    assert not {"interpolation", "deblur", "image", "speed"} & unfit


def test_a_thing_that_vanishes_does_not_go_on():
    facts = BackboneFacts(
        family="mini", name="any", layout="4x4", trained_layouts=("4x4",), cell=(64, 64),
        stride=16, has_text=True, per_cell_sigma=True,
    )  # fmt: skip
    (longer,) = find_figures(("longer",))
    ask = longer.draw(Setup(BarsConfig(model="mini"), facts, lambda: None), 0)
    assert longer.judge(ask, ask.truth)["goes on"] == 1
    gone = ask.truth.copy()
    gone[16:] = np.median(gone, axis=0)
    assert longer.judge(ask, gone)["goes on"] == 0


def test_stills_are_held_against_their_base(model, tmp_path):
    config = BarsConfig(model=str(model), base=str(model), count=2, only=("stills",), work=tmp_path)
    row = measure_bars(config).row("stills", "below base")
    assert (row.value.value, row.gpu, row.gpu_mark) == (0, 2, "reached")


def test_the_difference_to_the_base_is_in_points_and_paired():
    row = Row("right", "", 2, 4, "points", "points", at_most=True)
    made, base = [{"right": 0.0}, {"right": 1.0}] * 10, [{"right": 1.0}] * 20
    found = below_base("stills", row, made, base)
    assert found.value.value == 50
    assert found.gpu_mark == "missed"


def test_marks_say_where_an_interval_holds_the_bar():
    row = Row("right", "", 90, 40)
    readings = [{"right": float(number % 2)} for number in range(40)]
    found = sum_up("figure", row, readings, [])
    assert (found.value.value, found.gpu_mark, found.cpu_mark) == (50, "missed", "reached?")
    few = sum_up("figure", row, [{"other": 1.0}], [])
    assert few.value is None
    assert few.note


def test_times_and_memory_are_measured(model, tmp_path):
    config = BarsConfig(model=str(model), count=1, only=("speed",), work=tmp_path)
    report = measure_bars(config)
    assert 0 < report.row("speed", "warm").value.value < report.row("speed", "cold").value.value
    assert 0.1 < report.row("speed", "memory").value.value < 8
    assert "the bars are for 64 px" in report.text()


def test_mistakes_get_a_sentence(model):
    with pytest.raises(ConfigError, match="Did you mean turntable"):
        measure_bars(BarsConfig(model=str(model), only=("turntabel",)))
    with pytest.raises(ConfigError, match="Give one of them"):
        BarsConfig(model="mini", quick=True, full=True)
    with pytest.raises(ConfigError, match="Add stills to --only"):
        measure_bars(BarsConfig(model=str(model), only=("text",), base="mini"))


def test_the_report_is_json(model, tmp_path):
    report = measure_bars(BarsConfig(model=str(model), count=1, only=("text",), work=tmp_path))
    told = json.loads(report.model_dump_json())
    assert told["rows"][0]["gpu"] == 97
    assert np.isfinite(told["rows"][0]["value"]["value"])
