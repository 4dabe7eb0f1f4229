import json

import numpy as np
import pytest

from filmgrid import cli
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.export import save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.data.sequences import SequenceFolder
from filmgrid.data.world.source import World
from filmgrid.errors import ConfigError, DatasetError, MediaError, ShapeError
from filmgrid.evaluation.catalogue import CATALOGUE, OFFLINE, companion
from filmgrid.evaluation.compare import compare_runs
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.instruments import random_seed
from filmgrid.evaluation.measure import command_of, evaluate
from filmgrid.evaluation.results import read_evaluation
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


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    root = tmp_path_factory.mktemp("arrays")
    real = clips(8, side=64)
    np.save(root / "real.npy", np.stack(real))
    np.save(root / "fine.npy", np.stack([noisy(frames, 4) for frames in real]))
    return {"root": root, "real": root / "real.npy", "fine": root / "fine.npy"}


def config(sets, made, *metrics, **settings):
    settings = {"repeats": 4, "layout": "2x4"} | settings
    return EvaluateConfig(real=sets["real"], generated=sets[made], metrics=metrics, **settings)


def run(sets, made, *metrics, **settings):
    return {m.name: m for m in evaluate(config(sets, made, *metrics, **settings)).metrics}


def test_every_metric_without_download_can_be_measured_and_read_back(arrays):
    found = run(arrays, "fine", "all-offline", kept=(0,))
    assert set(found) == set(OFFLINE)
    for metric in found.values():
        assert np.isfinite(metric.made.value)
        assert metric.real is None or np.isfinite(metric.real.value)
        assert metric.features or not CATALOGUE[metric.name].instruments


def test_more_noise_is_worse_in_fidelity_and_farther_away(sets):
    names = ("psnr", "ssim", "mmd-offline-gradients", "fd-offline-random")
    fine, poor = run(sets, "fine", *names), run(sets, "poor", *names)
    for name in names[:2]:
        assert fine[name].made.value > poor[name].made.value
        assert fine[name].made.low <= fine[name].made.value <= fine[name].made.high
    for name in names[2:]:
        assert fine[name].made.value < poor[name].made.value
    assert poor["mmd-offline-gradients"].verdict == "worse"


def test_other_clips_of_the_same_world_stay_near_the_floor(sets):
    found = run(sets, "other", "mmd-offline-motion")["mmd-offline-motion"]
    worse = run(sets, "poor", "mmd-offline-motion")["mmd-offline-motion"]
    assert found.made.value < worse.made.value
    assert found.verdict == "within noise"
    assert found.made.n == found.real.n == 4


def test_an_unbiased_distance_stands_beside_every_frechet_distance(sets):
    found = run(sets, "fine", "fd-offline-random")
    assert list(found) == ["fd-offline-random", "mmd-offline-random"]
    for metric in CATALOGUE.values():
        beside = companion(metric)
        biased = metric.kind == "distance" and not metric.name.startswith(("mmd-", "kid"))
        assert (beside is not None) == biased
        assert beside is None or beside.instruments == metric.instruments


def test_a_frechet_distance_of_few_clips_is_refused_without_its_floor(sets):
    with pytest.raises(ConfigError, match=r"from 8 clips .* at least 2048"):
        run(sets, "fine", "fd-offline-random", floor=False)
    alone = run(sets, "fine", "mmd-offline-random", floor=False)["mmd-offline-random"]
    assert alone.real is None
    assert alone.made.n == 8
    found = evaluate(config(sets, "fine", "fd-offline-random"))
    assert any("4 clips on each side, fewer than 2,048" in note for note in found.notes)


def test_sets_of_different_numbers_are_compared_at_one_number(sets, tmp_path):
    few = write(tmp_path / "few", clips(3, first=50))
    found = run({**sets, "few": few}, "few", "mmd-offline-gradients")["mmd-offline-gradients"]
    assert found.made.n == found.real.n == 3
    assert found.full is None


def test_runs_are_compared_clip_by_clip_and_distances_draw_by_draw(sets):
    names = ("psnr", "grain", "mmd-offline-gradients")
    first, second = (evaluate(config(sets, made, *names)) for made in ("fine", "poor"))
    found = compare_runs(first, second)
    assert found["psnr"].difference.high < 0
    assert found["psnr"].share_better == 0
    assert found["psnr"].verdict == "first better"
    assert found["grain"].verdict == "differ"  # neither more nor less of it is better
    assert found["mmd-offline-gradients"].verdict == "first better"
    assert found["mmd-offline-gradients"].p_value is None
    same = compare_runs(first, first)
    assert {each.verdict for each in same.values()} == {"no clear difference"}


def test_runs_that_were_measured_differently_are_not_compared(sets):
    first = evaluate(config(sets, "fine", "psnr", "mmd-offline-random"))
    with pytest.raises(ConfigError, match="different real clips"):
        compare_runs(first, evaluate(config(sets, "fine", "psnr", frames=6)))
    with pytest.raises(ConfigError, match="share no metric"):
        compare_runs(first, evaluate(config(sets, "fine", "grain")))
    for setting, value in (("kept", (0,)), ("seed", 3), ("repeats", 5), ("level", 0.9)):
        other = evaluate(config(sets, "fine", "psnr", "mmd-offline-random", **{setting: value}))
        with pytest.raises(ConfigError, match=f"another --{setting}"):
            compare_runs(first, other)
    metrics = [m.model_copy(update={"features": "0" * 64}) for m in first.metrics]
    with pytest.raises(ConfigError, match="other weights or another preprocessing"):
        compare_runs(first, first.model_copy(update={"metrics": metrics}))


def test_two_clips_are_too_few_for_a_verdict(sets):
    names = ("psnr", "order")
    first, second = (evaluate(config(sets, made, *names, clips=2)) for made in ("fine", "other"))
    for metric in (*first.metrics, *second.metrics):
        assert metric.verdict in ("", "within noise")
    found = compare_runs(first, second)
    assert {each.verdict for each in found.values()} == {"no clear difference"}


def test_being_on_the_better_side_of_real_clips_is_being_unlike_them(arrays):
    still = np.load(arrays["real"])
    still[:, 1::2] = still[:, ::2]  # every second frame is held
    np.save(arrays["root"] / "held.npy", still)
    np.save(arrays["root"] / "rough.npy", np.stack([noisy(frames, 20) for frames in still]))
    sets = {"real": arrays["root"] / "held.npy", "rough": arrays["root"] / "rough.npy"}
    assert run(sets, "rough", "frozen")["frozen"].verdict == "unlike real"
    back = {"real": sets["rough"], "held": sets["real"]}
    assert run(back, "held", "frozen")["frozen"].verdict == "worse"


def test_equal_clips_have_a_number_and_no_interval(sets):
    found = run(sets, "real", "psnr")["psnr"].made
    assert found.value == float("inf")
    assert found.low is None


def test_an_evaluation_with_an_infinite_number_can_be_read_back(sets, tmp_path):
    found = evaluate(config(sets, "real", "psnr"))
    path = tmp_path / "equal.json"
    path.write_text(found.model_dump_json())
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read_evaluation(path) == found


def test_kept_frames_are_checked_and_left_out_of_fidelity(arrays):
    real = np.load(arrays["real"])
    made = np.stack([noisy(frames, 10) for frames in real])
    made[:, 0] = real[:, 0]
    made[0, 7] = real[0, 7]
    np.save(arrays["root"] / "kept.npy", made)
    found = run(
        {**arrays, "kept": arrays["root"] / "kept.npy"}, "kept", "kept", "psnr", kept=(0, 7)
    )
    assert list(found["kept"].clips.values()) == [1.0, *[0.5] * 7]
    assert np.isfinite(found["psnr"].made.value)


def test_metrics_that_say_nothing_of_a_clip_leave_it_out(arrays):
    real = np.load(arrays["real"])
    real[2] = real[2, :1]
    np.save(arrays["root"] / "still.npy", real)
    sets = {**arrays, "real": arrays["root"] / "still.npy"}
    found = run(sets, "fine", "psnr-moving", "psnr")
    assert found["psnr"].made.n == 8
    assert found["psnr-moving"].made.n == 7
    assert "says nothing of 1 of 8 clips" in found["psnr-moving"].note


def test_the_result_does_not_depend_on_threads_or_the_order_of_reading(arrays):
    one, many = (run(arrays, "fine", "all-offline", workers=count) for count in (1, 4))
    assert one == many


def test_an_evaluation_tells_how_to_repeat_it(arrays, tmp_path):
    asked = config(arrays, "fine", "psnr", "mmd-offline-motion", frames=6, seed=3)
    found = evaluate(asked)
    line = command_of(asked)
    assert found.command == line
    assert "--frames 6" in line and "--seed 3" in line and "--level" not in line
    assert EvaluateConfig(**found.settings) == asked
    again = evaluate(asked)
    assert (found.real, found.generated) == (again.real, again.generated)
    assert found.metrics == again.metrics
    assert found.preprocessing == again.preprocessing
    assert found.preprocessing != evaluate(config(arrays, "fine", "psnr")).preprocessing
    statement = found.instruments[found.metric("mmd-offline-motion").features]
    assert statement.name == "offline-motion"


def test_frames_are_brought_to_one_size_only_where_it_is_said(sets, tmp_path):
    large = write(tmp_path / "large", clips(8, side=40))
    both = {**sets, "large": large}
    with pytest.raises(ShapeError, match=r"8 frames of 32x32 px .* 40x40 px.*--size"):
        run(both, "large", "mmd-offline-gradients")
    found = evaluate(config(both, "large", "psnr", size="32"))
    assert found.generated.size == "32x32"


def test_what_cannot_be_compared_is_refused_in_one_sentence(sets, tmp_path):
    with pytest.raises(ConfigError, match=r"'psrn' is no metric. Did you mean psnr"):
        EvaluateConfig(real=tmp_path, generated=tmp_path, metrics=("psrn",))
    with pytest.raises(ConfigError, match="needs the frames that had to stay"):
        EvaluateConfig(real=tmp_path, generated=tmp_path, metrics=("kept",))
    with pytest.raises(ConfigError, match="is not NAME=PLACE"):
        EvaluateConfig(real=tmp_path, generated=tmp_path, weights=("incption=a.pt",))
    for asked in ({"weights": ("i3d=a.pt",)}, {"sha256": ("i3d=abc",)}):
        flag = f"--{next(iter(asked))}"
        for metrics in (("psnr",), ("all-offline",)):
            with pytest.raises(ConfigError, match=rf"{flag} names i3d, .* uses.*such as fvd"):
                EvaluateConfig(real=tmp_path, generated=tmp_path, metrics=metrics, **asked)
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
    short = write(tmp_path / "short", [frames[:6] for frames in clips(8)])
    with pytest.raises(ShapeError, match=r"8 frames .* 6 frames .*--frames 6"):
        run({**sets, "short": short}, "short", "order")
    mixed = write(tmp_path / "mixed", [*clips(2), *clips(1, side=40)])
    with pytest.raises(ShapeError, match=r"clip-0 has 32x32 px and clip-2 has 40x40 px"):
        run({**sets, "mixed": mixed}, "mixed", "grain")
    with pytest.raises(ConfigError, match="layout of the grids is not known"):
        run(sets, "fine", "seams", layout=None)
    with pytest.raises(ConfigError, match="i3d-stylegan-v needs trained weights"):
        run(sets, "fine", "fvd")
    with pytest.raises(ShapeError, match=r"clip-0 in .* has 8 frames, and 9 are asked for"):
        run(sets, "fine", "psnr", frames=9)
    with pytest.raises(ConfigError, match=r"has 8 clips.*--clips 8"):
        run(sets, "fine", "psnr", clips=9)
    with pytest.raises(ConfigError, match=r"^8 made clips have .* --real-clips 3 .* 8 or more"):
        run(sets, "fine", "psnr", real_clips=3)
    with pytest.raises(ConfigError, match=r"^Neither .*real nor .*fine is a dataset.*held_out"):
        run(sets, "fine", "psnr", split="held_out")
    for name in ("psnr", "psnr-moving", "kept"):
        with pytest.raises(ConfigError, match=r"no frame 99 to keep: .* 0 to 7"):
            run(sets, "fine", name, kept=(0, 99))


def test_nan_frames_are_refused_by_name(tmp_path):
    good = np.random.default_rng(0).random((4, 6, 32, 32, 3))
    bad = good.copy()
    bad[2, 3, 0, 0, 0] = np.nan
    np.save(tmp_path / "good.npy", good)
    np.save(tmp_path / "bad.npy", bad)
    sets = {"real": tmp_path / "good.npy", "bad": tmp_path / "bad.npy"}
    with pytest.raises(MediaError, match=r"Frame 3 of 2 in .*bad.npy is NaN"):
        run(sets, "bad", "order")


def test_so_many_clips_can_be_drawn_with_their_partners(sets):
    first, again = (evaluate(config(sets, "fine", "psnr", clips=4, seed=1)) for _ in range(2))
    assert first.generated.num_clips == first.real.num_clips == len(first.pairs) == 4
    assert first.generated.sha256 == again.generated.sha256


@pytest.mark.parametrize("of_a_dataset", ["real", "generated"])
def test_a_split_is_taken_of_the_side_that_is_a_dataset(sets, tmp_path, of_a_dataset):
    build_dataset(
        DatasetConfig(
            sources=(sets["real"],),
            out=tmp_path / "set",
            layout="2x4",
            cell=SIDE,
            held_out_fraction=0.5,
        )
    )
    sides = {"real": sets["real"], "generated": sets["real"]} | {of_a_dataset: tmp_path / "set"}
    found = evaluate(EvaluateConfig(**sides, metrics=("grain",), split="held_out"))
    split = len(SequenceFolder(tmp_path / "set", "held_out").entries)
    counts = {"real": found.real.num_clips, "generated": found.generated.num_clips}
    assert 0 < split < 8
    assert counts == {"real": 8, "generated": 8} | {of_a_dataset: split}
    assert any("real has no split and is used whole" in note for note in found.notes)


@pytest.mark.parametrize(
    ("place", "seed"),
    [(None, None), ("random", 0), ("random:7", 7), ("randomly.pt", None), ("random/a.pt", None)],
)
def test_only_the_word_random_means_random_weights(place, seed):
    assert random_seed(place) == seed


@pytest.mark.parametrize("place", ["random:", "random:-1", "random:x", "random:²", "random:1 "])
def test_random_weights_need_a_whole_number(place):
    with pytest.raises(ConfigError, match=r"has no seed\. Write random:0"):
        random_seed(place)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "a.json", "--report", "./a.json"], "--out and --report both name a.json"),
        (["--out", "a.html"], "a.html is no name of an evaluation to keep"),
        (["--out", "taken.json"], "taken.json is a folder; name a file"),
        (["--report", "taken.html"], "taken.html is a folder; name a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_measuring(
    sets, tmp_path, monkeypatch, capsys, words, sentence
):
    monkeypatch.chdir(tmp_path)
    for name in ("taken.json", "taken.html"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("filmgrid.evaluation.measure.evaluate", lambda *_: pytest.fail("measured"))
    sides = ["--real", str(sets["real"]), "--generated", str(sets["fine"])]
    with pytest.raises(SystemExit) as stop:
        cli.main(["evaluate", *sides, *words])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_random_networks_are_labelled_as_tests(arrays):
    found = run(arrays, "fine", "clip-identity", "clip-image", weights=("clip=random:1",), clips=2)
    assert set(found) == {"random-clip-identity", "random-clip-image"}
    for metric in found.values():
        assert -1 <= metric.made.value <= 1 + 1e-6
        assert "no result" in metric.note


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
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["ssim"]["difference"]["value"] < 0
    (tmp_path / "words.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", str(tmp_path / "words.json"), both[0]])
    assert stop.value.code == 2
    cli.main(["metrics"])
    assert "fvd" in capsys.readouterr().out


def test_what_short_or_small_clips_do_not_allow_is_left_out_of_all_offline(tmp_path):
    real = np.random.default_rng(0).integers(0, 256, (5, 1, 24, 24, 3), dtype=np.uint8)
    for name, clips_of in (("real", real), ("made", real[:, :, ::-1])):
        np.save(tmp_path / f"{name}.npy", clips_of)
    sets = {"real": tmp_path / "real.npy", "made": tmp_path / "made.npy"}
    found = evaluate(config(sets, "made", "all-offline", layout="1x1"))
    names = {metric.name for metric in found.metrics}
    assert {"psnr", "ssim", "grain", "mmd-offline-gradients"} <= names
    assert not {"warp", "mmd-offline-motion", "psnr-moving"} & names
    assert any(note.startswith("mmd-offline-motion is left out: ") for note in found.notes)
    single = {"real": tmp_path / "one.npy", "made": tmp_path / "two.npy"}
    for path, clip in zip(single.values(), clips(2), strict=True):
        np.save(path, clip)
    found = evaluate(config(single, "made", "all-offline"))
    assert not any(metric.kind == "distance" for metric in found.metrics)
    assert any("too few for distances" in note for note in found.notes)
