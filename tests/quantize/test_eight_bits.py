import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from filmgrid.generator import Generator
from filmgrid.loading import Loading
from filmgrid.models.adapters import LORA_FILE
from filmgrid.training.learning_config import OptimConfig
from filmgrid.training.run import train
from filmgrid.training.state import resume, start_state
from tests.training.test_pretrained import config_of


@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_weights_in_eight_bits_paint_nearly_the_same(models, kind):
    flux = str(models["flux"])
    exact = Generator.from_pretrained(flux, "cpu", "bf16")
    short = Generator.from_pretrained(flux, "cpu", "bf16", Loading(quantize=kind))
    weight = short.backbone.module.transformer_blocks[0].attn.to_q.weight
    assert type(weight).__name__ == {"int8": "Int8Tensor", "fp8": "Float8Tensor"}[kind]
    options = {"layout": "1x2", "cell": 32, "num_inference_steps": 2, "seed": 0}
    one, two = (each("a ball", **options).arrays.astype(float) for each in (exact, short))
    assert 0 < np.abs(one - two).mean() < 8


def test_eight_bits_below_the_lora_and_in_the_optimizer_resume(models, data, tmp_path):
    optim = OptimConfig(adamw_lr=1e-2, warmup_steps=0, adamw_bits=8)
    words = {"optim": optim, "quantize": "int8", "precision": "bf16", "save_every": 1}
    config = config_of(tmp_path / "run", models["flux"], data, steps=3, **words)

    def stop(report):
        if report.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, on_step=stop)
    state = start_state(config)
    base = state.module.transformer_blocks[0].attn.to_q.base_layer.weight
    assert type(base).__name__ == "Int8Tensor"
    assert all(weight.dtype == torch.float32 for weight in state.weights.values())
    assert resume(state) and state.progress.step == 1
    again = load_file(train(config) / "model" / LORA_FILE)
    straight = train(config.model_copy(update={"out": tmp_path / "straight"}))
    one = load_file(straight / "model" / LORA_FILE)
    assert all(torch.equal(one[key], again[key]) for key in one)
