import json
import re

import numpy as np
import pytest
import torch

from benchmarks.ablation.arms import ARMS, PLAIN, QUESTIONS, SEEDS, STEPS, steps_at_equal_compute
from benchmarks.ablation.report import READINGS, difference, report
from benchmarks.ablation.run import _with_bases, read, run
from benchmarks.ablation.score import COUNT, SCORES, pasted
from filmgrid.generator import Generator
from filmgrid.models.codec import pixels_of


def results_of(folder, name, values, seeds=SEEDS, **more):
    told = {
        str(seed): {"steps": 3, "scores": {"psnr": [value + seed for value in values], **more}}
        for seed in seeds
    }
    (folder / f"{name}.json").write_text(json.dumps(told))


def test_every_arm_can_be_trained_and_measured(tmp_path):
    for arm in ARMS.values():
        config = arm.config(tmp_path, 1)
        assert config.seed == 1 and (config.start_from is None) == (arm.after is None)
        assert {*arm.scores} <= COUNT.keys() == SCORES.keys()
        for base in (arm.after, arm.trained_as):
            assert base is None or base in ARMS
    for question in QUESTIONS:
        assert {*question.readings} <= READINGS.keys()
        assert all(arm is ARMS[arm.name] or arm == ARMS[arm.name] for arm in question.arms.values())


def test_what_an_arm_starts_from_comes_before_it():
    names = [arm.name for arm in _with_bases(["temporal-64", "pasted"])]
    assert names == ["stills", "stage-1-64", "temporal-64", "grid", "pasted"]
    with pytest.raises(SystemExit, match="There is no arm gird"):
        _with_bases(["gird"])


def test_a_pasted_cell_enters_every_step_clean(monkeypatch):
    generator = Generator.from_pretrained("mini", device="cpu")
    given = np.full((64, 64, 3), 90, np.uint8)
    words = {"image": given, "layout": "2x2", "num_inference_steps": 2, "seed": 0}
    backbone, seen = generator.backbone, []
    asked = type(backbone).velocity

    def velocity(self, noisy, sigma, condition, layout):
        seen.append((noisy[:, 0], noisy[:, 1], sigma[:, 0]))
        return asked(self, noisy, sigma, condition, layout)

    monkeypatch.setattr(type(backbone), "velocity", velocity)
    with pasted(generator, words):
        generator("a red circle", **words, conditioning="replacement")
    assert generator.backbone is backbone
    assert len(seen) == 2
    clean = generator.codec.encode(pixels_of(given)[None, None])[0, 0]
    for first, second, sigma in seen:
        assert torch.allclose(first.float(), clean.expand_as(first).float(), atol=1e-2)
        assert second.std() > 0.1 and (sigma > 0).all()


def test_equal_compute_gives_the_cheaper_network_more_steps():
    assert steps_at_equal_compute() == STEPS
    assert STEPS < steps_at_equal_compute(mixing="factorised") < 2 * STEPS
    assert steps_at_equal_compute(depth=2 * PLAIN.depth) < 0.6 * STEPS


def test_differences_are_scene_by_scene_over_the_seeds_that_both_have(tmp_path):
    results_of(tmp_path, "one", [1.0, 2.0, 4.0])
    results_of(tmp_path, "two", [2.0, 3.0, 5.5], seeds=(0, 2))
    found, by_seed = difference("psnr", read(tmp_path, "one"), read(tmp_path, "two"))
    assert found.difference.value == pytest.approx(3.5 / 3)
    assert 0 < found.difference.low < 3.5 / 3 < found.difference.high
    assert by_seed == pytest.approx([3.5 / 3] * 2)
    assert difference("psnr", read(tmp_path, "one"), {}) is None


def test_a_scene_without_a_reading_is_left_out(tmp_path):
    results_of(tmp_path, "one", [1.0, 2.0, 4.0], path=[1.0, None, 3.0])
    results_of(tmp_path, "two", [1.0, 2.0, 4.0], path=[2.0, 9.0, 5.0])
    found, _ = difference("path", read(tmp_path, "one"), read(tmp_path, "two"))
    assert found.difference.value == pytest.approx(1.5)


def test_the_page_gets_its_tables_and_keeps_its_words(tmp_path):
    results_of(tmp_path, "grid", [10.0, 12.0, 14.0])
    results_of(tmp_path, "velocity", [9.0, 11.5, 13.5])
    blocks = "".join(f"<!-- {each.name} -->\nold\n<!-- /{each.name} -->\n" for each in QUESTIONS)
    (tmp_path / "ablation.md").write_text(f"Before.\n{blocks}After.\n")
    report(tmp_path, tmp_path)
    page = (tmp_path / "ablation.md").read_text()
    assert page.startswith("Before.") and page.endswith("After.\n") and "old" not in page
    assert re.search(r"\| velocity \| 12\.33 \(\*\*-0\.67, -\d\.\d\d to -0\.\d\d\*\*\)", page)
    assert "| row and column of the grid | | | | | | | not yet |" in page
    assert (tmp_path / "images/ablation/target.svg").read_text().startswith("<svg")
    report(tmp_path, tmp_path)
    assert (tmp_path / "ablation.md").read_text() == page


def test_what_is_scored_is_not_done_again(tmp_path, monkeypatch):
    results_of(tmp_path, "grid", [1.0, 2.0])

    def refuse(config):
        raise AssertionError(f"{config.name} was trained")

    monkeypatch.setattr("benchmarks.ablation.run.train", refuse)
    run(tmp_path / "work", tmp_path, SEEDS, ["grid"])
    with pytest.raises(AssertionError, match="velocity was trained"):
        run(tmp_path / "work", tmp_path, SEEDS, ["velocity"])
