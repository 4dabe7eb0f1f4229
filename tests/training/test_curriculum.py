import pytest
import torch
import yaml
from safetensors.torch import load_file

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.adapters import LORA_FILE, block_layers
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import newest_checkpoint
from filmgrid.models.sketch import sketch_model
from filmgrid.training.config import TrainConfig
from filmgrid.training.curriculum import train_stages
from filmgrid.training.curriculum_config import CurriculumConfig
from filmgrid.training.files import load_config
from filmgrid.training.presets import PRESETS
from filmgrid.training.starting import start_network

PLAIN = {"device": "cpu", "precision": "fp32", "compile": False, "workers": 0, "validate_every": 0}
MINI = {
    **PLAIN,
    "model": {"dim": 64, "depth": 1, "head_dim": 32, "text_depth": 1},
    "layouts": [{"layout": "1x2"}],
    "cell": 16,
    "batch": 2,
    "optim": {"warmup_steps": 0, "adamw_lr": 1e-3},
}


def test_each_stage_goes_on_from_the_one_before_and_the_whole_resumes(tmp_path):
    stages = ({"steps": 3}, {"steps": 2, "seed": 5, "optim": {"adamw_lr": 1e-5}})
    config = CurriculumConfig(out=tmp_path, base=MINI, stages=stages)
    seen = []

    def stop(number, report):
        seen.append((number, report.step))
        if seen[-1] == (2, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stages(config, stop)
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 1)]
    last = train_stages(config)
    assert last.parent.parent == tmp_path / "stage-2"
    told = load_config(tmp_path / "stage-2" / "config.yaml")
    assert isinstance(told, TrainConfig)
    assert told.start_from == str(tmp_path / "stage-1")
    assert (told.optim.adamw_lr, told.optim.warmup_steps, told.seed) == (1e-5, 0, 5)
    before, after = (
        load_file(newest / "model" / "diffusion_pytorch_model.safetensors")
        for stage in (1, 2)
        if (newest := newest_checkpoint(tmp_path / f"stage-{stage}"))
    )
    assert all(torch.allclose(before[key], after[key], atol=0.1) for key in before)
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert train_stages(config) == last


def test_a_lora_goes_on_as_a_lora(tmp_path):
    save_tiny("flux", tmp_path / "flux")
    base = {
        **PLAIN,
        "start_from": str(tmp_path / "flux"),
        "lora": {"rank": 2},
        "keep_probability": 0,
        "layouts": [{"layout": "1x2"}],
        "batch": 2,
        "ema": 0.0,
        "optim": {"adamw_lr": 1e-2, "warmup_steps": 0, "decay": 0},
    }
    stages = ({"cell": 16, "steps": 2}, {"cell": 32, "steps": 1})
    path = tmp_path / "two.yaml"
    asked = {"kind": "curriculum", "out": str(tmp_path / "run"), "base": base, "stages": stages}
    path.write_text(yaml.safe_dump(asked | {"stages": list(stages)}))
    config = load_config(path)
    assert isinstance(config, CurriculumConfig)
    train_stages(config)
    told = load_config(tmp_path / "run" / "stage-2" / "config.yaml")
    assert isinstance(told, TrainConfig) and told.lora is not None
    first = newest_checkpoint(tmp_path / "run" / "stage-1")
    assert first is not None
    begins = told.model_copy(update={"out": tmp_path / "fresh"})
    start = start_network(begins, torch.float32, torch.device("cpu"), has_text=True)
    weights = dict(start.backbone.module.named_parameters())
    for key, value in load_file(first / "model" / LORA_FILE).items():
        name = key.removeprefix("transformer.").replace(".weight", ".default.weight")
        assert torch.equal(weights[name], value)
    wider = told.model_copy(
        update={"out": tmp_path / "fresh", "lora": told.lora.model_copy(update={"rank": 3})}
    )
    with pytest.raises(CheckpointError, match="same rank"):
        start_network(wider, torch.float32, torch.device("cpu"), has_text=True)


@pytest.mark.parametrize(
    ("base", "stages", "told"),
    [
        (MINI, [{"steps": 0}], "stage 1: steps"),
        (MINI, [{}, {"out": "x"}], "stage 2 sets out"),
        (MINI, [{}, {"lear": 1}], "stage 2: lear is not a known key"),
        (MINI, [], "stages"),
    ],
)
def test_stages_that_cannot_be_trained_are_refused_before_the_first(tmp_path, base, stages, told):
    with pytest.raises(ConfigError, match=told):
        CurriculumConfig(out=tmp_path, base=base, stages=tuple(stages))


def test_the_presets_of_the_paper_have_its_numbers():
    video, views = PRESETS["grid-video-r256"](), PRESETS["grid-multi-view-r16"]()
    assert isinstance(video, CurriculumConfig) and isinstance(views, CurriculumConfig)
    stages = [video.stage(1), video.stage(2)]
    assert sum(stage.steps for stage in stages) == 10_000
    assert [share.layout for share in stages[0].layouts] == ["4x4", "8x8"]
    assert stages[1].lora is not None and stages[1].lora.rank == 256
    assert [stage.loss.weight for stage in stages] == [0.5, 0.5]
    assert views.stage(1).steps + views.stage(2).steps == 1500
    assert views.stage(2).layouts[0].layout == "4x6" and views.stage(2).cell == 256


@pytest.mark.parametrize(("rank", "millions"), [(16, 85.9), (256, 1374.7)])
def test_a_lora_of_flux_has_the_parameters_that_the_paper_does_not_say(rank, millions):
    """The paper says 160M; every linear layer of the 57 blocks is 5.37M a rank."""
    network = sketch_model("flux1-dev").backbone.module
    layers = [network.get_submodule(name) for name in block_layers(network)]
    assert len(layers) == 19 * 14 + 38 * 6
    count = rank * sum(layer.in_features + layer.out_features for layer in layers)
    assert count / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize(
    ("size", "millions"), [("s", 35.1), ("b", 139.4), ("l", 475.7), ("xl", 695.4)]
)
def test_sizes_from_scratch_are_those_of_dit(size, millions):
    config = PRESETS[f"sequence-{size}"]()
    with torch.device("meta"):
        module = GridTransformer(**config.model.model_dump())
    count = sum(each.numel() for each in module.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.01)
