"""Two gloo processes that share the weights out (FSDP2) against one that holds them all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from filmgrid.errors import ConfigError
from filmgrid.models.adapters import LORA_FILE
from filmgrid.training.data_config import WorldData
from filmgrid.training.learning_config import LayoutShare, OptimConfig
from filmgrid.training.model_config import ModelConfig
from filmgrid.training.run import train
from filmgrid.training.sharding import like, shared_state, whole
from filmgrid.training.state import resume, start_state
from tests.training.test_pretrained import config_of, frames_of

PROGRAM = Path(__file__).with_name("sharded.py")


def in_two_processes(config, folder):
    """What each of two processes reports of a training."""
    path = folder / "config.json"
    path.write_text(json.dumps(config.model_dump(mode="json")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*command, "--nproc_per_node=2", str(PROGRAM), str(path)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    return [json.loads((folder / f"report-{rank}.json").read_text()) for rank in range(2)]


def of_mini(out, **changes):
    """All weights of a grid transformer, those of its blocks by Muon."""
    changes.setdefault("optim", OptimConfig(muon_lr=0.01, adamw_lr=1e-3, warmup_steps=0))
    return config_of(
        out,
        "",
        ".",
        start_from=None,
        lora=None,
        data=(WorldData(),),
        model=ModelConfig(dim=64, depth=2, head_dim=32, text_depth=1),
        layouts=(LayoutShare(layout="2x2"),),
        cell=16,
        **changes,
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", ["flux lora", "mini"])
def test_weights_that_are_shared_out_learn_what_one_process_learns(models, data, tmp_path, kind):
    words = {"steps": 5, "save_every": 2, "ema": 0.5, "validate_every": 5, "num_steps": 1}
    two = tmp_path / "two"
    if kind == "mini":
        one, shared = (of_mini(tmp_path / name, **words) for name in ("one", "two"))
    else:
        one, shared = (
            config_of(tmp_path / name, models["flux"], data, **words) for name in ("one", "two")
        )
    curve = []
    alone = train(
        one.model_copy(update={"accumulation": 2}),
        lambda each: curve.append(each.base + each.temporal),
    )
    reports = in_two_processes(shared.model_copy(update={"shard": True}), tmp_path)
    assert all(0.4 < report["held"] < 0.65 for report in reports)
    together = torch.tensor([report["losses"] for report in reports]).mean(dim=0)
    assert torch.allclose(torch.tensor(curve), together, rtol=1e-4, atol=0)

    newest = two / "checkpoints" / "step-00000005"
    for name in ("weights", "average"):
        mine, theirs = (
            load_file(folder / "state" / f"{name}.safetensors") for folder in (alone, newest)
        )
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            assert torch.allclose(value, theirs[key], rtol=1e-3, atol=2e-4), key
    again = tmp_path / "two-again" / "checkpoints" / "step-00000005"
    assert_same(newest, again)
    assert (two / "samples" / "step-00000005.png").is_file()
    if kind == "flux lora":
        assert (newest / "model" / LORA_FILE).is_file()
        assert frames_of(models["flux"], two).arrays.shape == frames_of(models["flux"]).arrays.shape
    # The files are those of one process: one can go on from them, were the data the same.
    told = newest / "state" / "progress.json"
    told.write_text(told.read_text().replace('"num_processes":2', '"num_processes":1'))
    state = start_state(shared)
    assert resume(state) and state.progress.step == 5
    weights = load_file(newest / "state" / "weights.safetensors")
    assert all(torch.equal(weight, weights[name]) for name, weight in state.weights.items())


def assert_same(one, two):
    """Bit for bit."""
    for name in ("weights", "average"):
        mine, theirs = (load_file(each / "state" / f"{name}.safetensors") for each in (one, two))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    for path in (one / "state").glob("optimizer-*.pt"):
        mine, theirs = (
            torch.load(folder / "state" / path.name, weights_only=True)["state"]
            for folder in (one, two)
        )
        assert mine.keys() == theirs.keys()
        for index, remembered in mine.items():
            for key, value in remembered.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[index][key]))


def test_one_process_has_nobody_to_share_with(tmp_path):
    with pytest.raises(ConfigError, match=r"there is one\. Start more"):
        start_state(of_mini(tmp_path, shard=True))


def test_what_cannot_be_shared_out_is_refused(models, data, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="Leave one of them out"):
        config_of(tmp_path, models["flux"], data, quantize="int8", shard=True)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="Set shard: true"):
        start_state(of_mini(tmp_path))


def test_what_is_not_shared_out_stays_as_it_is():
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    optimizer = torch.optim.AdamW([weight])
    weight.grad = torch.ones(2, 3)
    optimizer.step()
    saved = whole(optimizer.state_dict())
    given = shared_state(saved, [weight])
    assert given["param_groups"] == optimizer.state_dict()["param_groups"]
    for name, value in optimizer.state_dict()["state"][0].items():
        assert torch.equal(given["state"][0][name], value)
    assert like(torch.ones(2, 3), weight).equal(torch.ones(2, 3))
