import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.loading import Loading
from filmgrid.models.adapters import LORA_FILE
from filmgrid.models.families import load_mini
from filmgrid.models.places import find_model, newest_checkpoint
from filmgrid.process.flow import velocity_from_clean
from filmgrid.training import validate as validation
from filmgrid.training.batches import Batches, open_sources, sigma_at
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import WorldData
from filmgrid.training.files import load_config
from filmgrid.training.learning_config import LayoutShare, NoiseConfig, OptimConfig
from filmgrid.training.model_config import LoraSettings, ModelConfig
from filmgrid.training.run import train
from filmgrid.training.starting import facts_of
from filmgrid.training.state import averaged, resume, start_state
from filmgrid.training.step import losses_of, train_step


def config_of(out, **changes):
    return TrainConfig(
        **{
            "out": out,
            "name": "test",
            "layouts": (LayoutShare(layout="2x2"), LayoutShare(layout="1x2")),
            "model": ModelConfig(dim=64, depth=1, head_dim=32, text_depth=1),
            "cell": 16,
            "batch": 3,
            "steps": 20,
            "save_every": 100,
            "validate_every": 0,
            "compile": False,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            "seed": 7,
            **changes,
        }
    )


def whole_state(folder):
    tensors = {
        f"{name}/{key}": value
        for name in ("weights", "average")
        for key, value in load_file(folder / "state" / f"{name}.safetensors").items()
    }
    for index in range(2):
        saved = torch.load(folder / "state" / f"optimizer-{index}.pt", weights_only=True)
        for key, entries in saved["state"].items():
            tensors |= {
                f"optimizer {index}/{key}/{name}": torch.as_tensor(value)
                for name, value in entries.items()
            }
    return tensors


@pytest.mark.parametrize("accumulation", [1, 2])
def test_resuming_equals_not_stopping_bit_for_bit(tmp_path, accumulation, monkeypatch):
    changes = {"accumulation": accumulation, "save_every": 8, "keep_checkpoints": 9}
    straight = train(config_of(tmp_path / "straight", **changes))

    class StoppedError(Exception):
        pass

    def stop(report):
        if report.step == 10:
            raise StoppedError

    broken = config_of(tmp_path / "broken", **changes)
    with pytest.raises(StoppedError):
        train(broken, stop)
    assert newest_checkpoint(broken.out).name == "step-00000008"
    torch.manual_seed(123)  # whatever the process did in between
    np.random.seed(5)
    resumed = train(broken)
    one, two = whole_state(straight), whole_state(resumed)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    models = [load_mini(str(run)).module.state_dict() for run in (straight, resumed)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_training_leaves_the_global_generators_alone(tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    train(config_of(tmp_path, steps=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_finished_run_returns_at_once(tmp_path):
    config = config_of(tmp_path, steps=2)
    first = train(config)
    assert train(config, lambda report: pytest.fail("it trained again")) == first


def test_only_the_newest_checkpoints_stay(tmp_path):
    train(config_of(tmp_path, steps=6, save_every=2, keep_checkpoints=2))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000004", "step-00000006"]


def test_training_lowers_the_loss(tmp_path):
    losses = []
    train(config_of(tmp_path, steps=60, batch=8), lambda report: losses.append(report.base))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])


def test_other_settings_in_the_folder_of_a_run_are_refused(tmp_path):
    train(config_of(tmp_path, steps=2))
    with pytest.raises(ConfigError, match=r"batch was 3 and is 4 now"):
        train(config_of(tmp_path, steps=2, batch=4))
    train(config_of(tmp_path, steps=2, save_every=1))  # this one changes nothing that is learned


def test_a_saved_configuration_reads_as_it_was(tmp_path):
    config = config_of(tmp_path, steps=1)
    train(config)
    assert load_config(tmp_path / "config.yaml") == config


def test_a_run_is_found_by_its_folder_and_says_how_it_was_trained(tmp_path):
    train(config_of(tmp_path, steps=2))
    facts = load_mini(str(tmp_path)).facts
    assert facts.layout == "2x2"
    assert facts.trained_layouts == ("2x2", "1x2")
    assert facts.training["progress"]["step"] == 2
    assert facts.training["config"]["seed"] == 7
    assert find_model(str(tmp_path)) == tmp_path / "checkpoints" / "step-00000002" / "model"


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer-0.pt", "progress.json"])
def test_a_damaged_checkpoint_is_refused_with_its_name(tmp_path, name):
    config = config_of(tmp_path, steps=4, save_every=2)
    folder = train(config_of(tmp_path, steps=4, save_every=2))
    (folder / "state" / name).write_bytes(b"\x00" * 40)
    with pytest.raises(CheckpointError, match="step-00000004 is damaged"):
        train(config)


def test_a_failing_validation_does_not_end_the_run(tmp_path, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError("no picture today")

    monkeypatch.setattr(validation, "_sample", fail)
    assert train(config_of(tmp_path, steps=2, validate_every=1)).name == "step-00000002"
    assert "training goes on" in caplog.text


def test_validation_draws_a_picture_and_measures_it(tmp_path):
    state = start_state(config_of(tmp_path, steps=1, num_steps=2))
    numbers = validation.validate(state, open_sources(state.config))
    assert {"samples/score", "samples/order", "samples/frozen", "data/score"} <= numbers.keys()
    assert (tmp_path / "samples" / "step-00000000.png").is_file()


def test_batches_depend_on_their_number_alone(tmp_path):
    config = config_of(tmp_path)
    forward, backward = (Batches(config, open_sources(config)) for _ in range(2))
    one = [forward[number] for number in (0, 1, 2)]
    two = [backward[number] for number in (2, 1, 0)][::-1]
    for a, b in zip(one, two, strict=True):
        assert a.layout == b.layout
        assert a.prompts == b.prompts
        assert (a.frames == b.frames).all()
        assert (a.sigma == b.sigma).all()
        assert (a.keep == b.keep).all()


def test_kept_cells_have_sigma_zero_and_the_others_share_one(tmp_path):
    config = config_of(tmp_path, keep_probability=1.0, batch=16)
    batch = Batches(config, open_sources(config))[3]
    assert (batch.sigma[batch.keep] == 0).all()
    for sigma, keep in zip(batch.sigma, batch.keep, strict=True):
        assert len(set(sigma[~keep])) == 1
        assert 0 < sigma[~keep][0] < 1


def test_degraded_sequences_are_shown_worse_but_for_kept_cells_and_lead_to_sharp_ones(
    tmp_path, monkeypatch
):
    levels = {"least_sigma": 0.3, "most_sigma": 0.4}
    config = config_of(
        tmp_path, degrade={"probability": 0.5, **levels}, keep_probability=0.5, batch=32
    )
    batch = Batches(config, open_sources(config))[0]
    plain = Batches(config_of(tmp_path, keep_probability=0.5, batch=32), open_sources(config))[0]
    assert batch.shown is not None
    assert plain.shown is None
    assert (batch.frames == plain.frames).all()
    assert (batch.shown[batch.keep] == batch.frames[batch.keep]).all()
    worse = (batch.shown != batch.frames).any((1, 2, 3, 4))
    assert 4 < worse.sum() < 28
    drawn = batch.sigma[worse].max(1)
    assert ((drawn >= 0.3) & (drawn <= 0.4)).all()

    state = start_state(config)
    sharp = state.code(batch.frames, batch.layout)

    def knowing(self, noisy, sigma, condition, layout):
        return velocity_from_clean(noisy, sharp, sigma)

    monkeypatch.setattr(type(state.backbone), "velocity", knowing)
    base, temporal = losses_of(state, batch)
    assert float(base) == pytest.approx(0, abs=1e-10)
    assert float(temporal) == pytest.approx(0, abs=1e-10)


def test_small_layouts_come_first_where_asked_and_fill_the_batch(tmp_path):
    layouts = (LayoutShare(layout="2x2", start=0.5), LayoutShare(layout="1x1", end=0.5))
    config = config_of(
        tmp_path, layouts=layouts, batch=3, steps=4, accumulation=2, keep_probability=0
    )
    batches = Batches(config, open_sources(config), processes=2)
    sizes = [(str(batches[number].layout), len(batches[number].frames)) for number in range(16)]
    assert sizes == [("1x1", 12)] * 8 + [("2x2", 3)] * 8
    levels = {"1x1": [], "2x2": []}
    for number in range(40):  # past the end, layouts stay as they were
        batch = batches[number]
        levels[str(batch.layout)].extend(np.log(batch.sigma[:, 0] / (1 - batch.sigma[:, 0])))
    assert np.mean(levels["1x1"]) < np.mean(levels["2x2"])


def test_a_layout_may_have_its_own_batch(tmp_path):
    layouts = (LayoutShare(layout="2x2", batch=5), LayoutShare(layout="1x1", batch=2))
    config = config_of(tmp_path, layouts=layouts)
    batches = Batches(config, open_sources(config))
    sizes = {(str(batches[i].layout), len(batches[i].frames)) for i in range(16)}
    assert sizes == {("2x2", 5), ("1x1", 2)}


def test_every_batch_sees_the_whole_distribution_of_noise_levels(tmp_path):
    noise = NoiseConfig(mean=0.7, std=1.2)
    config = config_of(tmp_path, noise=noise, batch=20, keep_probability=0)
    batches = Batches(config, open_sources(config))
    for number in range(3):
        batch = batches[number]
        shift = 1 if str(batch.layout) == "2x2" else 0.5**0.5
        edges = [sigma_at(noise, k / len(batch.sigma), shift) for k in range(1, len(batch.sigma))]
        assert np.digitize(batch.sigma[:, 0], edges).tolist() == list(range(len(batch.sigma)))
    levels = np.concatenate([batches[i].sigma[:, 0] for i in range(20)])
    assert np.std(np.log(levels / (1 - levels))) == pytest.approx(1.2, rel=0.1)
    assert sigma_at(noise, 0.5) == pytest.approx(1 / (1 + np.exp(-0.7)))


def test_a_run_starts_from_the_weights_of_another(tmp_path):
    base = train(config_of(tmp_path / "base", steps=2))
    config = config_of(tmp_path / "next", start_from=str(tmp_path / "base"), seed=8, steps=2)
    state = start_state(config)
    average = load_mini(str(base / "model")).module.state_dict()
    weights = state.module.state_dict()
    assert all(torch.equal(weights[name], average[name]) for name in average)
    with averaged(state) as backbone:
        weights = backbone.module.state_dict()
        assert all(torch.equal(weights[name], average[name]) for name in average)
    assert all(parameter.requires_grad for parameter in state.module.parameters())
    trained = train(config)
    first = whole_state(trained)
    assert whole_state(train(config)).keys() == first.keys()
    (tmp_path / "base").rename(tmp_path / "moved")  # a run under way needs it no more
    train(config)
    with pytest.raises(CheckpointError, match="There is no model"):
        start_state(config_of(tmp_path / "third", start_from=str(tmp_path / "base")))
    other = ModelConfig(dim=64, depth=1, head_dim=32, text_depth=1, patch=4)
    with pytest.raises(ConfigError, match=r"has model.patch 8, and this run has 4"):
        start_state(config_of(tmp_path / "third", start_from=str(tmp_path / "moved"), model=other))


def test_a_run_may_grow_the_model_it_starts_from(tmp_path):
    train(config_of(tmp_path / "base", steps=2))
    small = load_mini(str(tmp_path / "base")).module
    grown = ModelConfig(
        dim=64, depth=3, head_dim=32, text_depth=1, detail=2, detail_dim=32, patch=8
    )
    config = config_of(tmp_path / "next", start_from=str(tmp_path / "base"), model=grown, steps=2)
    large = start_state(config).module.eval()
    noisy, sigma = torch.randn(1, 4, 3, 16, 16), torch.tensor([[0.0, 0.2, 0.8, 1.0]])
    words = torch.randint(1, 200, (1, 7, 12))
    with torch.no_grad():
        assert torch.equal(large(noisy, sigma, words), small(noisy, sigma, words))
    folder = train(config)
    after = load_mini(str(folder / "model")).module
    moved = [name for name, weights in after.state_dict().items() if "details.blocks" in name]
    assert moved and not torch.equal(after.details.paint.weight, large.details.paint.weight)
    alone = train(
        config_of(
            tmp_path / "alone",
            start_from=str(tmp_path / "next"),
            model=grown,
            train_only="detail",
            steps=2,
        )
    )
    was = after.state_dict()
    for name, weights in load_mini(str(alone / "model")).module.state_dict().items():
        moves = name.startswith("details.") and "tell" not in name
        assert not (moves and weights.ndim == 2 and torch.equal(weights, was[name])), name
        assert name.startswith("details.") or torch.equal(weights, was[name]), name
    moving = grown.model_copy(update={"motion": 1, "motion_dim": 32})
    words = {"train_only": "motion", "keep_probability": 1.0, "steps": 2}
    carries = train(
        config_of(tmp_path / "moving", start_from=str(tmp_path / "next"), model=moving, **words)
    )
    for name, weights in load_mini(str(carries / "model")).module.state_dict().items():
        assert name.startswith("compensation.") or torch.equal(weights, was[name]), name
        assert not (name == "compensation.move.weight" and torch.equal(weights, 0 * weights))
    with pytest.raises(ConfigError, match=r"keep_probability is 0"):
        config_of(tmp_path / "third", model=moving, keep_probability=0)
    with pytest.raises(ConfigError, match=r"and model.detail is 0"):
        config_of(tmp_path / "third", train_only="detail")
    with pytest.raises(ConfigError, match=r"has model.depth 3, and this run has 1"):
        start_state(config_of(tmp_path / "third", start_from=str(tmp_path / "next")))


def test_lora_changes_the_matrices_of_the_blocks_alone_and_is_saved_merged(tmp_path):
    fast = {"optim": OptimConfig(adamw_lr=0.005, warmup_steps=0), "steps": 8, "ema": 0.0}
    base = train(config_of(tmp_path / "base", **fast))
    lora = LoraSettings(rank=2)
    config = config_of(tmp_path / "lora", start_from=str(tmp_path / "base"), lora=lora, **fast)
    trained = train(config)
    before = load_mini(str(base / "model")).module.state_dict()
    backbone = load_mini(str(trained / "model"))
    after = backbone.module.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layers = ("qkv", "proj", "up", "down")
    assert changed == {f"blocks.0.{layer}.weight" for layer in layers}
    for name in changed:
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) <= 2

    state = start_state(config)
    assert resume(state)
    noisy, sigma = torch.randn(1, 4, 3, 16, 16), torch.full((1, 4), 0.7)
    condition = backbone.encode(["a red circle"])
    with torch.inference_mode():
        with averaged(state) as now:
            apart = now.velocity(noisy, sigma, condition, Layout(2, 2))
        merged = backbone.velocity(noisy, sigma, condition, Layout(2, 2))
    assert torch.allclose(apart, merged, atol=1e-4)

    def painted(model, *loras):
        loading = Loading(lora=loras) if loras else None
        generator = Generator.from_pretrained(str(model), "cpu", "fp32", loading)
        return generator("a red circle", num_inference_steps=3, seed=0)

    run, first = tmp_path / "lora", painted(base / "model")
    assert first.arrays.std() > 3
    with_it, whole = painted(base / "model", str(run)), painted(run)
    assert with_it.layout == whole.layout
    gaps = [np.abs(with_it.arrays.astype(int) - each.arrays).max() for each in (whole, first)]
    assert gaps[0] <= 1 < gaps[1]
    none = painted(base / "model", f"{run}:0")
    assert np.abs(none.arrays.astype(int) - first.arrays).max() <= 1
    twice = painted(base / "model", f"{run}:0.5", str(trained / "model" / LORA_FILE) + ":0.5")
    assert np.abs(with_it.arrays.astype(int) - twice.arrays).max() <= 1
    with pytest.raises(CheckpointError, match="cannot be loaded into GridTransformer"):
        painted(base / "model", str(base))
    with pytest.raises(ConfigError, match="Set start_from"):
        config_of(tmp_path, lora=LoraSettings())


def test_a_small_world_repeats_its_scenes(tmp_path):
    few = WorldData(turntables=0.0, size=2)
    config = config_of(tmp_path, data=(few,), batch=8)
    batches = Batches(config, open_sources(config))
    seen = {frames.tobytes() for number in range(4) for frames in batches[number].frames}
    layouts = {batches[number].layout for number in range(4)}
    assert len(seen) <= 2 * len(layouts)


def test_the_cells_of_a_model_with_an_upscaler_are_twice_what_it_paints(tmp_path):
    facts = facts_of(config_of(tmp_path, upscaler="upscaler"), has_text=True)
    assert (facts.cell, facts.stride, facts.upscaler) == ((32, 32), 16, "upscaler")
    plain = facts_of(config_of(tmp_path), has_text=True)
    assert (plain.cell, plain.stride, plain.upscaler) == ((16, 16), 8, None)


def test_layouts_that_leave_a_part_of_the_training_out_are_refused(tmp_path):
    layouts = (LayoutShare(layout="2x2", start=0.5), LayoutShare(layout="1x1", end=0.4))
    with pytest.raises(ConfigError, match=r"no layout is trained on after 0\.4"):
        config_of(tmp_path, layouts=layouts)


def test_accumulating_equals_one_larger_batch(tmp_path):
    layouts = (LayoutShare(layout="2x2"),)
    split = start_state(config_of(tmp_path, layouts=layouts, accumulation=2, keep_probability=0))
    batches = Batches(split.config, open_sources(split.config))
    parts = [batches[0], batches[1]]
    report = train_step(split, parts)
    assert report.sequences == 6
    single = start_state(config_of(tmp_path, layouts=layouts, accumulation=1, keep_probability=0))
    losses = [train_step(single, [parts[0]]).base]
    again = start_state(config_of(tmp_path, layouts=layouts, accumulation=1, keep_probability=0))
    losses.append(train_step(again, [parts[1]]).base)
    assert report.base == pytest.approx(np.mean(losses), rel=1e-5)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_run import config_of
from filmgrid.training.run import train
train(config_of(Path({out!r}), steps={steps}, save_every=2, keep_checkpoints=2))
"""


def script(out, steps):
    return SCRIPT.format(tests=os.path.dirname(__file__), out=str(out), steps=steps)


def test_a_killed_run_goes_on_from_a_whole_checkpoint(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", script(tmp_path, 100_000)])
    deadline = time.time() + 120
    while newest_checkpoint(tmp_path) is None and time.time() < deadline:
        time.sleep(0.02)
    for _ in range(3):  # checkpoints follow each other closely, so one is likely being written
        time.sleep(0.11)
    process.send_signal(signal.SIGKILL)
    process.wait()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    step = int(newest.name.removeprefix("step-"))
    config = load_config(tmp_path / "config.yaml")
    state = start_state(config)
    from filmgrid.training.state import resume

    assert resume(state)
    assert state.progress.step == step
    assert load_mini(str(tmp_path)).facts.training["progress"]["step"] == step


@pytest.mark.long
def test_two_processes_train_one_model(tmp_path):
    """torchrun with gloo: both see other data, and both end with the same weights."""
    program = tmp_path / "program.py"
    program.write_text(script(tmp_path / "run", 4))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*command, "--nproc_per_node=2", str(program)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    facts = load_mini(str(tmp_path / "run")).facts
    assert facts.training["progress"]["step"] == 4
