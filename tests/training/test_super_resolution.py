import numpy as np
import pytest
import torch

from filmgrid.data.degrade import enlarged_again, made_small
from filmgrid.data.degrade_config import SuperResolutionConfig
from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.inputs import Described
from filmgrid.long import Stretch, stream
from filmgrid.models.families import load_mini
from filmgrid.models.mini import GridTransformer
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest
from filmgrid.training.batches import Batches, open_sources
from filmgrid.training.config import TrainConfig
from filmgrid.training.learning_config import LayoutShare
from filmgrid.training.model_config import ModelConfig
from filmgrid.training.run import train
from filmgrid.training.starting import start_network
from filmgrid.training.state import start_state
from filmgrid.training.step import losses_of
from filmgrid.training.validate import validate


def config_of(out, **changes):
    return TrainConfig(
        **{
            "out": out,
            "name": "larger",
            "layouts": (LayoutShare(layout="1x1"),),
            "model": ModelConfig(dim=64, depth=1, head_dim=32, text_depth=0),
            "cell": 16,
            "super_resolution": {"factor": 2, "frame": 32},
            "batch": 4,
            "steps": 2,
            "keep_probability": 0,
            "num_steps": 2,
            "validate_every": 0,
            "compile": False,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            **changes,
        }
    )


def test_crops_come_with_what_is_given_of_them(tmp_path):
    config = config_of(tmp_path, batch=12, super_resolution={"factor": 4, "frame": 64})
    batch = Batches(config, open_sources(config))[0]
    assert batch.frames.shape == (12, 1, 16, 16, 3)
    assert batch.given.shape == (12, 1, 16, 16, 6)
    for large, given in zip(batch.frames[:, 0], batch.given[:, 0, ..., 3:], strict=True):
        assert (given != large).any()
        assert abs(given.astype(int).mean() - large.mean()) < 12


def test_clean_small_frames_are_bicubic_and_degraded_ones_noisy_or_soft():
    large = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8).repeat(16, 1)
    large = large.repeat(16, 2)
    small = made_small(large, 4)
    rng = np.random.default_rng
    clean = enlarged_again(small, SuperResolutionConfig(degraded=0), rng(1))
    noisy = enlarged_again(small, SuperResolutionConfig(degraded=1, blurred=0), rng(1))
    soft = enlarged_again(small, SuperResolutionConfig(degraded=1, blurred=1), rng(1))
    assert clean.shape == large.shape
    inner = clean[:, 8:-8:16, 8:-8:16]  # the middles of the squares
    assert np.abs(inner.astype(int) - large[:, 8:-8:16, 8:-8:16]).max() <= 12
    grain = noisy.astype(float) - clean
    assert 8 < grain[(clean > 40) & (clean < 215)].std() < 16
    assert (
        np.abs(np.diff(soft.astype(int), axis=2)).mean()
        < np.abs(np.diff(noisy.astype(int), axis=2)).mean()
    )


def test_amounts_in_the_wrong_order_and_crops_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="least_noise 20 is above most_noise 15"):
        SuperResolutionConfig(least_noise=20)
    with pytest.raises(ConfigError, match="Crops of 64 px cannot be cut out of frames of 32 px"):
        config_of(tmp_path, cell=64)
    with pytest.raises(ConfigError, match="upscaler is set too"):
        config_of(tmp_path, upscaler="upscaler")


def test_what_is_given_reaches_the_network(tmp_path):
    config = config_of(tmp_path)
    state = start_state(config)
    batch = Batches(config, open_sources(config))[0]
    state.module.head.gate.bias.data.fill_(-30.0)
    # An untrained network paints the coarse part of what it was given.
    coarse = batch.given[..., :3]
    given, true = (state.code(each, batch.layout) for each in (coarse, batch.frames))
    level = torch.from_numpy(batch.sigma)[..., None, None, None]
    wanted = (given - true) / level.clamp(min=config.loss.sigma_floor)
    loss = losses_of(state, batch)[0].item()
    assert loss == pytest.approx(wanted.square().mean().item(), rel=1e-3)


def test_it_starts_from_a_model_of_frames_as_no_change_but_the_added_frames(tmp_path):
    """GriDiT's release cannot load the weights that its second stage begins with."""
    train(config_of(tmp_path / "base", super_resolution=None, steps=1, save_every=1))
    config = config_of(tmp_path / "larger", start_from=str(tmp_path / "base"))
    start = start_network(config, torch.float32, torch.device("cpu"), has_text=True)
    base = load_mini(str(tmp_path / "base")).module
    module = start.backbone.module
    assert isinstance(module, GridTransformer)
    noisy, sigma = torch.randn(1, 1, 3, 16, 16), torch.full((1, 1), 0.7)
    words = torch.zeros(1, 1, 12, dtype=torch.long)
    given = torch.zeros(1, 1, 6, 16, 16)
    torch.testing.assert_close(
        module(noisy, sigma, words, 1, given), base(noisy, sigma, words, 1), atol=1e-5, rtol=1e-5
    )
    with pytest.raises(ConfigError, match="enlarges small frames"):
        train(config_of(tmp_path / "larger", steps=1, save_every=1))
        again = config_of(
            tmp_path / "again", super_resolution=None, start_from=str(tmp_path / "larger")
        )
        start_network(again, torch.float32, torch.device("cpu"), has_text=True)


def test_a_trained_one_enlarges_what_is_generated_and_makes_nothing_itself(tmp_path):
    train(config_of(tmp_path / "larger"))
    facts = load_mini(str(tmp_path / "larger")).facts
    assert facts.super_resolution == 2
    with pytest.raises(ConfigError, match=r"larger enlarges frames and makes none.*--upscale"):
        make_plan(GenerateRequest(model=str(tmp_path / "larger")), facts, Described())
    generator = Generator.from_pretrained("mini", "cpu", "fp32")
    asked = {"upscale": str(tmp_path / "larger"), "layout": "2x2", "steps": 1, "guidance": 1}
    result = None
    for event in generator.generate(GenerateRequest(prompt="a red circle", **asked)):
        result = event
    assert result.arrays.shape == (1, 4, 128, 128, 3)
    request = GenerateRequest(prompt="a red circle", frames=5, **asked)
    stretches = [event for event in stream(generator, request) if isinstance(event, Stretch)]
    assert sum(each.arrays.shape[1] for each in stretches) == 5
    assert {each.arrays.shape[2:] for each in stretches} == {(128, 128, 3)}


def test_sample_grids_show_it_beside_bicubic_frames(tmp_path):
    state = start_state(config_of(tmp_path))
    state.module.head.gate.bias.data.fill_(-30.0)
    state.ema.shadow_params = [each.detach().clone() for each in state.weights.values()]
    numbers = validate(state, open_sources(state.config))
    assert numbers["samples/gain"] == pytest.approx(0, abs=0.05)
    assert (tmp_path / "samples" / "step-00000000.png").is_file()
