import json

import pytest
import torch
from diffusers import FluxPipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.cli import main
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.adapters import add_lora, save_lora
from filmgrid.models.families import load_mini
from filmgrid.models.places import LORA_LAYOUTS
from filmgrid.request.models import VerifyRequest
from filmgrid.verifying import verify_lora


@pytest.fixture(scope="module")
def flux(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "flux"
    save_tiny("flux", folder)
    return folder


@pytest.fixture(scope="module")
def lora(flux, tmp_path_factory):
    """Of rank 2 with random weights, saved by diffusers, with a header of ours."""
    folder = tmp_path_factory.mktemp("lora")
    pipeline = FluxPipeline.from_pretrained(flux)
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "to_k"])
    pipeline.transformer.add_adapter(config, "one")
    for key, value in pipeline.transformer.named_parameters():
        if "lora_B.one" in key:
            torch.nn.init.normal_(value, std=0.5)
    weights = get_peft_model_state_dict(pipeline.transformer, adapter_name="one")
    FluxPipeline.save_lora_weights(folder, transformer_lora_layers=weights)
    file = folder / "pytorch_lora_weights.safetensors"
    save_file(load_file(file), folder / "grids.safetensors", {LORA_LAYOUTS: "2x3,4x4"})
    file.unlink()
    return folder / "grids.safetensors"


def asked(flux, *loras, **changes):
    return VerifyRequest(
        lora=tuple(map(str, loras)),
        model=str(flux),
        cell=32,
        steps=2,
        device="cpu",
        precision="fp32",
        **changes,
    )


def test_a_lora_that_fits_is_said_to_and_drawn(flux, lora, tmp_path):
    told = verify_lora(asked(flux, lora, out=tmp_path / "seen"))
    (fit,) = told.loras
    assert fit.ranks == (2,)
    assert fit.unmatched == ()
    assert fit.tensors == 2 * fit.layers
    assert 0 < fit.layers < fit.of_layers
    assert fit.trained_layouts == ("2x3", "4x4")
    assert (told.single.layout, told.grid.layout) == ("1x1", "2x3")
    assert told.single.moved > 0.01 and told.grid.moved > 0.01
    assert told.verdict.startswith("Single images")
    assert len(told.files) == 4 == len(list((tmp_path / "seen").iterdir()))


def test_the_licence_and_what_fits_the_memory_are_said(flux, lora, caplog):
    caplog.set_level("INFO", "filmgrid")
    verify_lora(asked(flux, lora, layout="1x2", fit_memory="12gb"))
    said = [record.message for record in caplog.records]
    assert any(line.startswith("flux: licence unknown") for line in said)
    assert "For 12gb: offload none, none weights" in said


def test_what_no_layer_takes_is_named(flux, lora, tmp_path):
    weights = load_file(lora)
    key = next(key for key in weights if "lora_A" in key)
    for side in ("lora_A", "lora_B"):
        weights[f"transformer.no_such_block.0.to_q.{side}.weight"] = weights[
            key.replace("lora_A", side)
        ].clone()
    save_file(weights, tmp_path / "more.safetensors")
    (fit,) = verify_lora(asked(flux, tmp_path / "more.safetensors", layout="1x2")).loras
    assert len(fit.unmatched) == 2
    assert all("no_such_block" in name for name in fit.unmatched)
    assert "left out" in fit.text()


def test_weight_zero_moves_nothing(flux, lora):
    told = verify_lora(asked(flux, f"{lora}:0", layout="1x2"))
    assert told.single.moved == told.grid.moved == 0
    assert told.single.psnr == told.grid.psnr == (100.0,)
    assert told.verdict.startswith("It changes nothing")


def test_the_command_reports_as_words_and_as_json(flux, lora, capsys):
    words = ["verify-lora", str(lora), "--model", str(flux), "--cell", "32", "--steps", "1"]
    main([*words, "--layout", "1x2", "--precision", "fp32"])
    assert "linear layers of the blocks, rank 2" in capsys.readouterr().out
    main([*words, "--layout", "1x2", "--precision", "fp32", "--json"])
    assert json.loads(capsys.readouterr().out)["grid"]["layout"] == "1x2"


def test_what_cannot_be_verified_is_refused(flux, tmp_path):
    with pytest.raises(ConfigError, match="Name a file"):
        verify_lora(asked(flux))
    with pytest.raises(CheckpointError, match="There is no LoRA"):
        verify_lora(asked(flux, tmp_path / "none.safetensors"))
    with pytest.raises(CheckpointError, match="There is no LoRA"):
        verify_lora(asked("mini", tmp_path / "none.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"no weights" * 20)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        verify_lora(asked("mini", tmp_path / "bad.safetensors"))


def test_a_lora_of_mini_is_verified_too(tmp_path):
    module = load_mini("mini").module
    add_lora(module, 2, 2.0, layers=r"blocks\..*qkv")
    for key, value in module.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.5)
    weights = {key: value for key, value in module.named_parameters() if "lora_" in key}
    save_lora(module, weights, load_mini("mini").facts, tmp_path)
    told = verify_lora(asked("mini", tmp_path).model_copy(update={"cell": None, "layout": "2x2"}))
    (fit,) = told.loras
    assert (fit.ranks, fit.unmatched) == ((2,), ())
    assert fit.tensors == 2 * fit.layers and 0 < fit.layers < fit.of_layers
    assert told.grid.moved > 0.01
