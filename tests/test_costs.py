import json
from types import SimpleNamespace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from filmgrid.bench.peers.tiny import NAMES, save_tiny
from filmgrid.cli import main
from filmgrid.costs import (
    call_backbone,
    cost_of,
    cost_of_training,
    counting,
    flops_of_pass,
    work_of_coding,
    work_of_pass,
)
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.generator import Generator
from filmgrid.grid.spec import CellSize, Layout, layouts_of
from filmgrid.inputs import Described
from filmgrid.models.adapters import add_lora
from filmgrid.models.families import load_model
from filmgrid.models.known import KNOWN
from filmgrid.models.published.images import PUBLISHED
from filmgrid.models.sketch import sketch_model
from filmgrid.models.vae import VaeCodec
from filmgrid.planning import make_plan
from filmgrid.request.models import PlanRequest

CPU = torch.device("cpu")
LAYOUT, CELL = Layout(4, 4), CellSize(64, 64)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return {name: (save_tiny(name, folder / name), folder / name)[1] for name in NAMES}


@pytest.fixture(autouse=True)
def two_threads():
    """Attention on CPUs keeps a buffer for each thread, which a plan for a GPU does not count."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def loaded(folder):
    """The real model in the place of its sketch."""
    backbone, codec = load_model(str(folder), torch.float32, CPU)
    parts = {"transformer": backbone.module}
    if isinstance(codec, VaeCodec):
        parts["vae"] = codec.vae
    return SimpleNamespace(facts=backbone.facts, backbone=backbone, parts=parts), codec


def peak_bytes(call, *, training=False):
    """What a call really takes from torch's allocator at its peak."""
    with (
        torch.enable_grad() if training else torch.inference_mode(),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as made,
    ):
        call()
    events = made.profiler.kineto_results.events()
    moves = sorted((each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]")
    now = peak = 0
    for _, size in moves:
        now += size
        peak = max(peak, now)
    return peak


def test_every_known_model_has_its_published_architecture():
    assert PUBLISHED.keys() == KNOWN.keys()


@pytest.mark.parametrize(
    ("name", "billions", "teraflops"),
    [
        ("flux1-dev", 11.901, 74.38),
        ("flux2-klein-base-4b", 3.876, 34.82),
        ("flux2-klein-base-9b", 9.079, None),
        ("z-image", 6.155, 62.51),
    ],
)
def test_full_sizes_are_counted_from_the_architecture(name, billions, teraflops):
    sketch = sketch_model(name)
    assert sketch.num_parameters["transformer"] == pytest.approx(billions * 1e9, rel=1e-3)
    if teraflops is not None:
        flops = flops_of_pass(sketch, LAYOUT, CellSize(256, 256))
        assert flops == pytest.approx(teraflops * 1e12, rel=0.01)


@pytest.mark.parametrize("name", ["mini", *NAMES])
def test_a_sketch_counts_what_the_model_does(tiny, name, monkeypatch):
    folder = tiny.get(name, name)
    real, _ = loaded(folder)
    monkeypatch.setattr("torch.backends.mha._is_fastpath_enabled", False)  # is not counted
    with torch.inference_mode(), counting() as counter:
        call_backbone(real, LAYOUT, CELL, 1)
    assert flops_of_pass(sketch_model(str(folder)), LAYOUT, CELL) == counter.get_total_flops()


@pytest.mark.parametrize("name", ["mini", *NAMES])
def test_memory_of_a_pass_is_told_to_15_percent(tiny, name):
    folder = tiny.get(name, name)
    real, _ = loaded(folder)
    measured = peak_bytes(lambda: call_backbone(real, LAYOUT, CELL, 2))
    told = work_of_pass(sketch_model(str(folder), torch.float32), LAYOUT, CELL, 2)
    assert told == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_cost_of_training_is_that_of_a_real_step(tiny, name, checkpointing):
    real, _ = loaded(tiny[name])
    network = real.backbone.module
    layers = add_lora(network, 4)
    if checkpointing:
        network.enable_gradient_checkpointing()
    network.train()

    def step():
        for each in network.parameters():
            each.grad = None
        call_backbone(real, LAYOUT, CELL, 1).square().mean().backward()

    with counting() as counter:
        step()
    gradients = sum(4 * each.numel() for each in network.parameters() if each.requires_grad)
    sketch = sketch_model(str(tiny[name]), torch.float32)
    told = cost_of_training(sketch, LAYOUT, CELL, rank=4, checkpointing=checkpointing)
    assert (told.layers, 4 * told.trained) == (layers, gradients)
    assert told.flops == pytest.approx(counter.get_total_flops(), rel=1e-3)
    measured = peak_bytes(step, training=True)
    assert told.work_bytes + gradients == pytest.approx(measured, rel=0.15)


def test_plan_says_what_a_step_of_a_training_takes(capsys):
    words = ["plan", "--model", "flux1-dev", "--layout", "4x4", "--cell", "256", "--json"]
    main([*words, "--lora-rank", "16", "--quantize", "int8"])
    told = json.loads(capsys.readouterr().out)["training"]
    assert told["layers"] == 494
    assert told["trained"] / 1e6 == pytest.approx(85.9, abs=0.1)
    # Forward, forward again, and backward to the inputs, each 74.4; the weights have no gradient.
    assert 3 * 74.4 < told["tflop_per_step"] < 3.4 * 74.4
    assert told["weights_gib"] == pytest.approx(11.9e9 / 2**30, rel=0.01)
    with pytest.raises(SystemExit):
        main(["plan", "--model", "mini", "--lora-rank", "16"])
    assert "Leave lora_rank out" in capsys.readouterr().err


@pytest.mark.parametrize("coding", ["cells", "grid"])
def test_memory_of_coding_is_told_to_15_percent(tiny, coding):
    real, codec = loaded(tiny["flux"])
    request = PlanRequest(model=str(tiny["flux"]), cell="64", coding=coding).to_request("4x4")
    plan = make_plan(request, real.facts, Described())
    generator = Generator(real.backbone, codec, CPU, torch.float32)
    latents = torch.zeros(1, 16, codec.channels, 8, 8)
    measured = peak_bytes(lambda: generator.codec_of(plan).decode(latents))
    told = work_of_coding(sketch_model(str(tiny["flux"]), torch.float32), plan)
    assert told == pytest.approx(measured, rel=0.15)


def test_a_plan_counts_passes_and_sequences(tiny):
    sketch = sketch_model(str(tiny["flux2-klein"]))
    request = PlanRequest(model=str(tiny["flux2-klein"]), cell=64, steps=7, guidance=4.0)
    plan = make_plan(request.to_request("4x4"), sketch.facts, Described())
    one, three = (cost_of(plan, sketch, 7, count, count) for count in (1, 3))
    assert one.passes == three.passes == 14
    assert one.flops == 14 * flops_of_pass(sketch, LAYOUT, CELL)
    assert three.flops == 3 * one.flops
    assert one.work_bytes < three.work_bytes
    assert one.tokens == 16 * 4 * 4


def test_layouts_of_a_number_of_frames_are_the_squarest_first():
    assert [str(each) for each in layouts_of(12)] == ["3x4", "4x3", "2x6", "6x2", "1x12", "12x1"]
    assert [str(each) for each in layouts_of(7)] == ["1x7", "7x1"]


def test_plan_says_what_a_known_model_takes(capsys):
    main(["plan", "--model", "flux1-dev", "--layout", "4x4", "--cell", "256", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["tokens"] == 4096
    assert told["tflop_per_pass"] == pytest.approx(74.4, rel=0.01)
    assert told["shift"] == pytest.approx(3.158, abs=1e-3)
    assert told["passes"] == 28
    assert told["devices"]["h200"]["fits"] == "whole"
    assert told["devices"]["rtx3090"]["fits"] != "whole"
    assert any("not for commercial use" in note for note in told["notes"])


def test_plan_in_words_names_what_it_counts(capsys):
    main(["plan", "--frames", "24"])
    told = capsys.readouterr().out
    assert "4x6 cells of 64x64 px" in told
    assert "layouts   4x6, 6x4" in told
    assert "GFLOP in a pass" in told
    assert "this machine" in told


def test_plan_refuses_what_cannot_be(capsys):
    with pytest.raises(ConfigError, match="Give one of them"):
        PlanRequest(layout="4x4", frames=16)
    with pytest.raises(SystemExit):
        main(["plan", "--model", "flux1-dev", "--cell", "250"])
    assert "the nearest is 256x256" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="neither a shipped one"):
        sketch_model("nothing")
