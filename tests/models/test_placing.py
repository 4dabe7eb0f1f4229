"""LoRAs and switches of pretrained pipelines."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from filmgrid.costs import fitting
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.generator import Generator
from filmgrid.inputs import Described
from filmgrid.loading import Loading, LoraChoice, parse_lora
from filmgrid.models.places import LORA_LAYOUTS
from filmgrid.models.sketch import sketch_model
from filmgrid.planning import make_plan
from filmgrid.request.models import PlanRequest

OPTIONS = {"layout": "2x2", "cell": 32, "num_inference_steps": 2, "seed": 3}


@pytest.fixture(scope="module")
def flux(pipelines):
    return pipelines["flux"][1]


@pytest.fixture(scope="module")
def loras(pipelines, tmp_path_factory):
    """Two LoRAs with random weights, saved by diffusers."""
    folder = tmp_path_factory.mktemp("loras")
    pipeline = FluxPipeline.from_pretrained(pipelines["flux"][1])
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_k", "to_out.0"])
    for name in ("one", "two"):
        pipeline.transformer.add_adapter(config, name)
        for key, value in pipeline.transformer.named_parameters():
            if f"lora_B.{name}" in key:
                torch.nn.init.normal_(value, std=0.5)
        weights = get_peft_model_state_dict(pipeline.transformer, adapter_name=name)
        FluxPipeline.save_lora_weights(
            folder, transformer_lora_layers=weights, weight_name=f"{name}.safetensors"
        )
    return folder


def made_with(folder, *loras, **loading):
    options = Loading(lora=tuple(str(each) for each in loras), **loading)
    generator = Generator.from_pretrained(folder, "cpu", "fp32", options)
    return generator("a ball", **OPTIONS)


def test_a_lora_changes_the_frames_by_its_weight(flux, loras):
    plain = made_with(flux).arrays
    one = made_with(flux, loras / "one.safetensors").arrays
    none = made_with(flux, f"{loras / 'one.safetensors'}:0").arrays
    assert (plain != one).mean() > 0.2
    assert (plain == none).all()


def test_several_loras_are_added_at_once(flux, loras):
    both = made_with(flux, f"{loras / 'one.safetensors'}:0.5", f"{loras / 'two.safetensors'}:0.5")
    alone = made_with(flux, f"{loras / 'one.safetensors'}:0.5")
    assert (both.arrays != alone.arrays).any()
    assert both.request["lora"] == [
        f"{loras / 'one.safetensors'}:0.5",
        f"{loras / 'two.safetensors'}:0.5",
    ]


def test_a_lora_gives_diffusers_the_same_image(pipelines, loras):
    folder = pipelines["flux"][1]
    generator = Generator.from_pretrained(
        folder, "cpu", "fp32", Loading(lora=(str(loras / "one.safetensors"),))
    )
    pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.load_lora_weights(loras, weight_name="one.safetensors")
    condition = {**generator.backbone.encode(["a"]), "guidance": torch.ones(1)}
    noisy, sigma = torch.ones(1, 1, 4, 8, 8), torch.full((1, 1), 0.5)
    other = generator.backbone.with_module(pipeline.transformer)
    layout = SimpleNamespace(rows=1, cols=1)
    with torch.inference_mode():
        ours, theirs = (
            each.velocity(noisy, sigma, condition, layout) for each in (generator.backbone, other)
        )
    assert (ours == theirs).all()


def test_a_lora_says_which_layouts_it_was_trained_on(flux, loras, tmp_path):
    weights = load_file(loras / "one.safetensors")
    save_file(weights, tmp_path / "grids.safetensors", {LORA_LAYOUTS: "2x3,4x4"})
    generator = Generator.from_pretrained(
        flux, "cpu", "fp32", Loading(lora=(str(tmp_path / "grids.safetensors"),))
    )
    assert generator.backbone.facts.trained_layouts == ("2x3", "4x4")
    assert str(generator.backbone.facts.default_layout) == "2x3"


@pytest.mark.parametrize("place", ["missing.safetensors", "../no/such/folder", "no lora"])
def test_a_lora_that_is_not_there_is_refused(flux, place):
    with pytest.raises(CheckpointError, match=r"There is no LoRA|cannot be loaded"):
        made_with(flux, place)


def test_a_lora_of_another_model_is_refused(flux, tmp_path):
    foreign = {
        "transformer.other.lora_A.weight": torch.ones(2, 8),
        "transformer.other.lora_B.weight": torch.ones(8, 2),
    }
    save_file(foreign, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="trained for this model"):
        made_with(flux, tmp_path / "foreign.safetensors")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", LoraChoice("a/b")),
        ("a/b:0.8", LoraChoice("a/b", 0.8)),
        ("x.safetensors:-1", LoraChoice("x.safetensors", -1)),
        ("C:\\loras\\x.safetensors", LoraChoice("C:\\loras\\x.safetensors")),
    ],
)
def test_loras_are_read_with_their_weight(text, expected):
    assert parse_lora(text) == expected


def test_a_weight_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="'much' is no weight"):
        Loading(lora=("a/b:much",))


def test_a_step_cache_forgets_between_two_generations(flux):
    generator = Generator.from_pretrained(flux, "cpu", "fp32", Loading(step_cache=1e9))
    options = {**OPTIONS, "num_inference_steps": 4}
    first, again = (generator("a ball", **options).arrays for _ in range(2))
    plain = Generator.from_pretrained(flux, "cpu", "fp32")("a ball", **options).arrays
    assert (first == again).all()
    assert (first != plain).any()


def test_an_attention_backend_is_chosen_or_refused(flux):
    exact = made_with(flux, attention="_native_math").arrays
    assert np.abs(exact.astype(int) - made_with(flux).arrays.astype(int)).max() <= 1
    with pytest.raises(ConfigError, match="Use native, or auto"):
        made_with(flux, attention="lightning")


def test_the_next_model_has_its_own_attention_backend(flux):
    before = _AttentionBackendRegistry.get_active_backend()
    made_with(flux, attention="_native_math")
    assert _AttentionBackendRegistry.get_active_backend() == before


def test_what_cannot_work_here_is_refused(flux):
    with pytest.raises(ConfigError, match="this runs on the cpu"):
        made_with(flux, offload="model")
    with pytest.raises(ConfigError, match="is for pretrained pipelines"):
        Generator.from_pretrained("mini", "cpu", loading=Loading(compile=True))
    with pytest.raises(ConfigError, match="made on a GPU, and this runs on the cpu"):
        made_with(flux, quantize="nf4")
    if importlib.util.find_spec("torchao") is None:
        with pytest.raises(ConfigError, match="pip install torchao"):
            made_with(flux, quantize="int8")


@pytest.mark.parametrize(
    ("model", "memory", "expected"),
    [
        ("flux1-dev", "80gb", ("none", "none")),
        ("flux1-dev", "48gb", ("none", "none")),
        ("flux1-dev", "24gb", ("model", "int8")),
        ("flux1-dev", "12gb", ("model", "nf4")),
        ("flux2-klein-base-4b", "24gb", ("none", "none")),
        ("flux2-klein-base-4b", "12gb", ("model", "none")),
    ],
)
def test_memory_of_a_gpu_chooses_how_to_load(model, memory, expected):
    sketch = sketch_model(model)
    request = PlanRequest(model=model).to_request("4x4")
    plan = make_plan(request, sketch.facts, Described())
    chosen = fitting(Loading(fit_memory=memory), plan, sketch)
    assert (chosen.offload, chosen.quantize) == expected
    assert chosen.fit_memory is None


def test_memory_that_is_too_small_for_the_work_is_refused():
    sketch = sketch_model("flux1-dev")
    request = PlanRequest(model="flux1-dev", cell=1024).to_request("8x8")
    plan = make_plan(request, sketch.facts, Described())
    with pytest.raises(ConfigError, match="Use a smaller layout or cell"):
        fitting(Loading(fit_memory="12gb"), plan, sketch)
