import json

import numpy as np
import pytest

from filmgrid import cli
from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.data.world import World
from filmgrid.errors import ConfigError, DatasetError, ShapeError
from filmgrid.evaluation.clips import ClipSet
from filmgrid.evaluation.config import METRICS, EvaluateConfig
from filmgrid.evaluation.measure import evaluate
from filmgrid.evaluation.results import compare_runs, read_evaluation
from filmgrid.grid.spec import CellSize

SIDE = 32


def clips(count, first=0, side=SIDE):
    rng = np.random.default_rng(0)
    drawn = (World().draw(first + index, 8, CellSize(side, side), rng) for index in range(count))
    return [example.frames for example in drawn]


def write(folder, sequences):
    for number, frames in enumerate(sequences):
        save_sequence(frames, f"{folder / f'clip-{number}'}/", fps=8.0, provenance=Provenance())
    return folder


def noisy(frames, level, seed=0):
    noise = np.random.default_rng(seed).normal(0, level, frames.shape)
    return np.clip(frames + noise, 0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    real = clips(8)
    return {
        "real": write(root / "real", real),
        "fine": write(root / "fine", [noisy(frames, 4) for frames in real]),
        "poor": write(root / "poor", [noisy(frames, 30) for frames in real]),
        "other": write(root / "other", clips(8, first=100)),
    }


def run(sets, made, *metrics, **settings):
    config = EvaluateConfig(
        real=sets["real"], generated=sets[made], metrics=metrics, repeats=4, **settings
    )
    return {metric.name: metric for metric in evaluate(config).metrics}


def test_every_metric_can_be_measured_and_read_back(sets):
    found = run(sets, "fine", *METRICS)
    assert set(found) == set(METRICS)
    for metric in found.values():
        assert np.isfinite(metric.made.value)
        assert metric.real is None or np.isfinite(metric.real.value)


def test_more_noise_is_worse_in_fidelity_and_farther_away(sets):
    names = ("psnr", "ssim", "mmd-offline-gradients", "fd-offline-random")
    fine, poor = run(sets, "fine", *names), run(sets, "poor", *names)
    for name in names[:2]:
        assert fine[name].made.value > poor[name].made.value
        assert fine[name].made.low <= fine[name].made.value <= fine[name].made.high
    for name in names[2:]:
        assert fine[name].made.value < poor[name].made.value
    gradients = poor["mmd-offline-gradients"]
    assert gradients.made.low > gradients.real.high


def test_other_clips_of_the_same_world_stay_near_the_floor(sets):
    found = run(sets, "other", "mmd-offline-motion")["mmd-offline-motion"]
    worse = run(sets, "poor", "mmd-offline-motion")["mmd-offline-motion"]
    assert found.made.value < worse.made.value
    assert found.made.n == found.real.n == 4


def test_runs_are_compared_clip_by_clip(sets):
    config = EvaluateConfig(real=sets["real"], generated=sets["fine"], metrics=("psnr", "grain"))
    first = evaluate(config)
    second = evaluate(config.model_copy(update={"generated": sets["poor"]}))
    found = compare_runs(first, second)
    assert found["psnr"].difference.high < 0
    assert found["psnr"].share_better == 0
    assert "grain" not in found  # neither more nor less of it is better


def test_equal_clips_have_a_number_and_no_interval(sets):
    found = run(sets, "real", "psnr")["psnr"].made
    assert found.value == float("inf")
    assert found.low is None


def test_an_evaluation_with_an_infinite_number_can_be_read_back(sets, tmp_path):
    config = EvaluateConfig(real=sets["real"], generated=sets["real"], metrics=("psnr",))
    found = evaluate(config)
    path = tmp_path / "equal.json"
    path.write_text(found.model_dump_json())
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read_evaluation(path) == found


def test_the_first_frames_alone_can_be_measured(sets):
    assert ClipSet(sets["real"], frames=3)["clip-0"].shape == (3, SIDE, SIDE, 3)
    with pytest.raises(ShapeError, match=r"clip-0 .* has 8 frames, and 9 are asked for"):
        run(sets, "fine", "psnr", frames=9)


def test_what_cannot_be_compared_is_refused_in_one_sentence(sets, tmp_path):
    with pytest.raises(ConfigError, match="'fid' is no metric"):
        EvaluateConfig(real=tmp_path, generated=tmp_path, metrics=("fid",))
    with pytest.raises(DatasetError, match="no source"):
        run({**sets, "gone": tmp_path / "gone"}, "gone", "psnr")
    few = write(tmp_path / "few", clips(3))
    with pytest.raises(ConfigError, match="at least 4 real clips"):
        run({"real": few, "fine": few}, "fine", "mmd-offline-motion")
    large = write(tmp_path / "large", clips(2, side=40))
    with pytest.raises(ShapeError, match=r"8 frames of 32x32 px .* 8 frames of 40x40 px"):
        run({**sets, "large": large}, "large", "psnr")
    more = write(tmp_path / "more", clips(10))
    with pytest.raises(ConfigError, match=r"has no clip-8 \(2 of 10 have no partner\)"):
        run({**sets, "more": more}, "more", "psnr")


def test_the_commands_evaluate_and_compare(sets, tmp_path, capsys):
    for made in ("fine", "poor"):
        out = str(tmp_path / f"{made}.json")
        words = ["--real", str(sets["real"]), "--generated", str(sets[made]), "--out", out]
        cli.main(["evaluate", *words, "--metrics", "psnr", "ssim", "mmd-offline-motion"])
    assert "mmd-offline-motion" in capsys.readouterr().out
    both = [str(tmp_path / f"{made}.json") for made in ("fine", "poor")]
    cli.main(["compare", *both])
    assert "second better on 0% of 8 clips" in capsys.readouterr().out
    cli.main(["compare", *both, "--json"])
    assert json.loads(capsys.readouterr().out)["ssim"]["difference"]["value"] < 0
    (tmp_path / "words.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", str(tmp_path / "words.json"), both[0]])
    assert stop.value.code == 2
