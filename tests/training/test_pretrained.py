"""LoRAs of pretrained pipelines, on tiny ones of the real classes."""

import json

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from safetensors import safe_open
from safetensors.torch import load_file

from filmgrid.bench.peers.tiny import NAMES
from filmgrid.cli import main
from filmgrid.errors import FilmgridError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.loading import Loading
from filmgrid.models.adapters import LORA_FACTS, LORA_FILE
from filmgrid.models.places import layouts_of_lora
from filmgrid.training.batches import Batches, open_sources
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import FolderData
from filmgrid.training.learning_config import LayoutShare, NoiseConfig, OptimConfig
from filmgrid.training.model_config import LoraSettings, ModelConfig
from filmgrid.training.run import train
from filmgrid.training.state import resume, start_state
from filmgrid.training.step import train_step

CELL = 32


def config_of(out, pipeline, folder, **changes):
    return TrainConfig(
        **{
            "out": out,
            "name": "tiny-lora",
            "start_from": str(pipeline),
            "lora": LoraSettings(rank=2),
            "data": (FolderData(folder=folder),),
            "layouts": (LayoutShare(layout="2x2"), LayoutShare(layout="1x2")),
            "cell": CELL,
            "batch": 2,
            "steps": 6,
            "save_every": 100,
            "validate_every": 0,
            "keep_probability": 0,
            "optim": OptimConfig(adamw_lr=1e-2, warmup_steps=0),
            "compile": False,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            "seed": 7,
            **changes,
        }
    )


def frames_of(model, lora=None, **words):
    loading = Loading(lora=(str(lora),)) if lora else None
    generator = Generator.from_pretrained(str(model), "cpu", "fp32", loading)
    return generator("a clip", layout="2x2", cell=CELL, num_inference_steps=2, seed=0, **words)


@pytest.mark.parametrize("name", NAMES)
def test_a_lora_is_trained_saved_and_used(models, data, tmp_path, name):
    folder = train(config_of(tmp_path / "run", models[name], data))
    weights = load_file(folder / "model" / LORA_FILE)
    assert all(key.startswith("transformer.") and "lora_" in key for key in weights)
    ups = [value for key, value in weights.items() if "lora_B" in key]
    assert ups and all(up.abs().max() > 0 for up in ups)
    assert layouts_of_lora(str(tmp_path / "run")) == ("2x2", "1x2")
    with_it = frames_of(models[name], tmp_path / "run")
    assert with_it.layout == Layout(2, 2)
    assert not np.array_equal(with_it.arrays, frames_of(models[name]).arrays)
    assert sum(each.stat().st_size for each in (folder / "state").iterdir()) < 40 * sum(
        value.nbytes for value in weights.values()
    )  # nothing of the pipeline


@pytest.mark.parametrize("dora", [False, True])
def test_diffusers_reads_it_and_merged_equals_unmerged(models, data, tmp_path, dora):
    settings = LoraSettings(rank=2, alpha=6, dora=dora)
    config = config_of(tmp_path / "run", models["flux"], data, lora=settings, ema=0.0)
    folder = train(config)
    state = start_state(config)
    assert resume(state)
    pipeline = FluxPipeline.from_pretrained(models["flux"])
    pipeline.set_progress_bar_config(disable=True)
    words = {"prompt": "a clip", "height": 64, "width": 64, "num_inference_steps": 2}

    def picture(pipeline):
        made = pipeline(**words, generator=torch.Generator().manual_seed(0), output_type="np")
        return made.images[0]

    bare = picture(pipeline)
    pipeline.load_lora_weights(folder / "model")
    loaded = picture(pipeline)
    state.module.eval()
    ours = picture(state.plain.pipeline)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    merged = picture(pipeline)
    assert np.abs(loaded - bare).max() > 1e-3
    assert np.abs(loaded - ours).max() < 1e-5
    assert np.abs(loaded - merged).max() < 1e-4


def test_every_linear_layer_of_the_blocks_is_changed_and_nothing_else(models, data, tmp_path):
    state = start_state(config_of(tmp_path, models["flux"], data))
    changed = {name.partition(".lora_")[0] for name in state.weights}
    linear = {
        name.removesuffix(".base_layer")
        for name, module in state.module.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name
    }
    outside = {name for name in linear if not name.startswith(("transformer_b", "single_t"))}
    assert changed == linear - outside
    assert {"x_embedder", "proj_out"} <= outside
    assert "transformer_blocks.0.norm1.linear" in changed


def test_the_header_says_what_was_trained(models, data, tmp_path):
    folder = train(config_of(tmp_path, models["flux"], data, steps=1))
    with safe_open(folder / "model" / LORA_FILE, "pt") as opened:
        header = opened.metadata()
    facts = json.loads(header[LORA_FACTS])
    assert facts["training"]["config"]["lora"]["rank"] == 2
    assert facts["training"]["progress"]["step"] == 1
    assert json.loads(header["lora_adapter_metadata"])["transformer.r"] == 2


def test_resuming_equals_not_stopping_bit_for_bit(models, data, tmp_path):
    straight = train(config_of(tmp_path / "straight", models["flux"], data, steps=20))
    stopped = tmp_path / "stopped"

    def stop(report):
        if report.step == 12:
            raise KeyboardInterrupt

    config = config_of(stopped, models["flux"], data, steps=20, save_every=8)
    with pytest.raises(KeyboardInterrupt):
        train(config, on_step=stop)
    again = train(config)
    for place in ("model/" + LORA_FILE, "state/weights.safetensors", "state/average.safetensors"):
        one, two = load_file(straight / place), load_file(again / place)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_checkpointing_changes_no_gradient(models, data, tmp_path):
    moved = []
    for on in (False, True):
        config = config_of(tmp_path / str(on), models["flux"], data, gradient_checkpointing=on)
        state = start_state(config)
        batches = Batches(config, open_sources(config), facts=state.backbone.facts)
        train_step(state, [batches[0]])
        moved.append({name: weight.detach() for name, weight in state.weights.items()})
        if on:
            assert state.module.is_gradient_checkpointing
    assert all(torch.allclose(moved[0][name], moved[1][name], atol=1e-6) for name in moved[0])


def test_noise_is_shifted_as_the_schedule_is(models, data, tmp_path):
    config = config_of(tmp_path, models["flux"], data, noise=NoiseConfig(kind="uniform"))
    facts = start_state(config).backbone.facts
    batches = Batches(config, open_sources(config), facts=facts)
    levels = {"1x2": [], "2x2": []}
    for number in range(150):
        batch = batches[number]
        levels[str(batch.layout)] += list(batch.sigma[:, 0])
    for layout, found in levels.items():
        shift = facts.shift_of(Layout.parse(layout), config.cell_size, config.num_steps)
        back = np.array(found) / (shift - (shift - 1) * np.array(found))
        assert np.quantile(back, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.05)


def test_sample_grids_are_drawn(models, data, tmp_path):
    config = config_of(tmp_path, models["flux"], data, steps=1, validate_every=1, num_steps=2)
    train(config)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["step-00000001.png"]


def test_the_loss_falls(models, data, tmp_path):
    seen = []
    config = config_of(tmp_path, models["flux"], data, steps=40, noise=NoiseConfig(mean=0.0))
    train(config, on_step=lambda report: seen.append(report.base))
    assert np.mean(seen[-10:]) < 0.97 * np.mean(seen[:10])


def test_muon_may_move_the_matrices_of_a_lora(models, data, tmp_path):
    optim = OptimConfig(matrices="muon", muon_lr=0.01)
    state = start_state(config_of(tmp_path, models["flux"], data, optim=optim))
    assert len(state.optimizers) == 1
    assert len(state.optimizers[0].param_groups[0]["params"]) == len(state.weights)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lora": None}, "only LoRAs of it are trained"),
        ({"keep_probability": 0.3}, "Set it to 0"),
        ({"upscaler": "upscaler"}, "Leave it out"),
        ({"cell": 33, "model": ModelConfig(patch=1)}, "33"),
    ],
)
def test_what_a_pipeline_cannot_be_trained_with_is_named(models, data, tmp_path, changes, told):
    with pytest.raises(FilmgridError, match=told):
        start_state(config_of(tmp_path, models["flux"], data, **changes))


def test_the_command_says_how_to_use_it(models, data, tmp_path, capsys):
    asked = config_of(tmp_path / "run", models["flux"], data, steps=1)
    path = tmp_path / "lora.yaml"
    path.write_text(json.dumps(asked.model_dump(mode="json")))
    main(["train", str(path)])
    assert f"--model {models['flux']} --lora {tmp_path / 'run'}" in capsys.readouterr().out
