"""The objective of IDDPM: its formulas written out again, and models that are trained with it."""

import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel
from safetensors.torch import load_file

from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.long import Stretch, stream
from filmgrid.models.dit_positions import POSITIONS
from filmgrid.models.families import load_model
from filmgrid.process.flow import add_noise
from filmgrid.process.gaussian import ddpm
from filmgrid.request import GenerateRequest
from filmgrid.training.batches import Batches, open_sources
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import FolderData
from filmgrid.training.iddpm import bound, hybrid_loss
from filmgrid.training.learning_config import LayoutShare, LossConfig, NoiseConfig, OptimConfig
from filmgrid.training.losses import base_loss, residual_of
from filmgrid.training.model_config import ModelConfig
from filmgrid.training.presets import PRESETS
from filmgrid.training.run import train
from filmgrid.training.state import resume, start_state
from filmgrid.training.step import losses_of, train_step

SHAPE = (2, 3, 4, 5, 6)


def written_out(clean, noise, predicted, share, t):
    """Mean square and bound of one number, in bits, from the betas up."""
    beta = [1e-4 + (2e-2 - 1e-4) * at / 999 for at in range(1000)]
    signal = [math.prod(1 - b for b in beta[: at + 1]) for at in (t - 1, t)]
    before, now = (1.0 if t == 0 else signal[0]), signal[1]
    x = math.sqrt(now) * clean + math.sqrt(1 - now) * noise
    seen = (x - math.sqrt(1 - now) * predicted) / math.sqrt(now)

    def mean(of):
        return (
            math.sqrt(before) * beta[t] / (1 - now) * of
            + math.sqrt(1 - beta[t]) * (1 - before) / (1 - now) * x
        )

    first = math.prod(1 - b for b in beta[:1])
    second = first * (1 - beta[1])
    variance = beta[t] * (1 - before) / (1 - now) if t else beta[1] * (1 - first) / (1 - second)
    portion = (share + 1) / 2
    learned = math.exp(portion * math.log(beta[t]) + (1 - portion) * math.log(variance))
    square = (predicted - noise) ** 2
    if t == 0:
        area = lambda v: 0.5 * (1 + math.erf((v - mean(seen)) / math.sqrt(2 * learned)))  # noqa: E731
        upper = 1.0 if clean > 0.999 else area(clean + 1 / 255)
        lower = 0.0 if clean < -0.999 else area(clean - 1 / 255)
        return square, -math.log2(max(upper - lower, 1e-12))
    apart = (mean(clean) - mean(seen)) ** 2
    nats = 0.5 * (math.log(learned / variance) + (variance + apart) / learned - 1)
    return square, nats / math.log(2)


def drawn(t):
    """Clean, noise, predicted noise, share, and what the sampler's coordinates make of them."""
    random = torch.Generator().manual_seed(t)
    clean, noise, other = (torch.randn(SHAPE, generator=random).double() for _ in range(3))
    clean = (0.6 * clean).clamp(-1, 1)
    share = torch.rand(SHAPE, generator=random).double() * 2 - 1
    sigma = ddpm().sigma_of(torch.full(SHAPE[:2], t))
    return clean, noise, noise + 0.3 * other, share, sigma, add_noise(clean, noise, sigma)


@pytest.mark.parametrize("t", [0, 1, 10, 500, 999])
def test_the_loss_is_that_of_the_paper(t):
    clean, noise, predicted, share, sigma, noisy = drawn(t)
    keep = torch.zeros(SHAPE[:2], dtype=torch.bool)
    keep[0, 1] = True
    chosen = ~keep[:, :, None, None, None].expand(SHAPE)
    pairs = [
        written_out(*numbers, t)
        for numbers in zip(
            *(each[chosen].tolist() for each in (clean, noise, predicted, share)), strict=True
        )
    ]
    wanted = np.mean([square + bits for square, bits in pairs])
    bounds = bound(noisy, clean, predicted, share, sigma)
    residual = residual_of(predicted, noise, sigma, keep)
    ours = hybrid_loss(base_loss(residual, keep), bounds, keep)
    assert float(ours) == pytest.approx(wanted, rel=1e-6)


def test_the_bound_teaches_the_variance_alone():
    clean, _, predicted, share, sigma, noisy = drawn(500)
    predicted.requires_grad_(), share.requires_grad_()
    bound(noisy, clean, predicted, share, sigma).sum().backward()
    assert predicted.grad is None
    assert float(share.grad.abs().max()) > 0


def test_the_right_variance_has_the_least_bound():
    """With the right noise the step is the true one, whose variance is the least of the range."""
    clean, noise, _, _, sigma, noisy = drawn(300)
    at = [
        float(bound(noisy, clean, noise, torch.full(SHAPE, s, dtype=torch.double), sigma).mean())
        for s in (-1.0, 0.0, 1.0)
    ]
    assert at[0] == pytest.approx(0, abs=1e-9)
    assert at[0] < at[1] < at[2]


def config_of(out, folder, **changes):
    return TrainConfig(
        **{
            "out": out,
            "name": "tiny-noise",
            "data": (FolderData(folder=folder),),
            "layouts": (LayoutShare(layout="2x2"),),
            "model": ModelConfig(
                dim=64, depth=2, head_dim=32, text_depth=1, predicts="noise", copies=False
            ),
            "objective": "iddpm",
            "cell": 32,
            "batch": 4,
            "steps": 6,
            "save_every": 100,
            "validate_every": 6,
            "compile": False,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            "seed": 7,
            "num_steps": 4,
            "optim": OptimConfig(warmup_steps=0),
            **changes,
        }
    )


def test_timesteps_are_drawn_alike(data, tmp_path):
    config = config_of(tmp_path, data, batch=64)
    batch = Batches(config, open_sources(config))[3]
    drawn = np.sort(ddpm().timestep_of(torch.from_numpy(batch.sigma.max(axis=1))).numpy())
    assert np.abs(drawn - np.linspace(0, 999, 64)).max() < 1000 / 64 + 1


def test_a_grid_transformer_learns_noise_and_does_every_task(data, tmp_path):
    folder = train(config_of(tmp_path / "run", data))
    assert (tmp_path / "run" / "samples" / "step-00000006.png").is_file()
    generator = Generator.from_pretrained(str(folder / "model"), "cpu", "fp32")
    facts = generator.backbone.facts
    assert (facts.predicts, facts.per_cell_sigma) == ("noise", True)
    assert facts.sigma_max == pytest.approx(ddpm().sigma_max)
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    few = {"num_inference_steps": 3, "guidance_scale": 2.0}
    assert generator("a clip", **few).arrays.shape == (1, 4, 32, 32, 3)
    for sampler in ("auto", "ddim", "dpm-solver++"):
        made = generator("a clip", keyframes={0: video[0], 3: video[3]}, sampler=sampler, **few)
        assert (made.arrays[0, [0, 3]] == video[[0, 3]]).all()
    assert (generator("a clip", image=video[0], **few).arrays[0, 0] == video[0]).all()
    redrawn = generator("a clip", video=video, redraw=[1], **few).arrays[0]
    assert (redrawn[[0, 2, 3]] == video[[0, 2, 3]]).all() and (redrawn[1] != video[1]).any()
    edited = generator("a clip", video=video, start_sigma=0.5, lock=[2], **few).arrays[0]
    assert (edited[2] == video[2]).all() and (edited[0] != video[0]).any()
    extended = generator("a clip", video=video[:2], task="extend", **few).arrays[0]
    assert (extended[:2] == video[:2]).all()
    request = GenerateRequest(prompt="a clip", model=generator.name, frames=9, steps=2)
    made = [event.arrays for event in stream(generator, request) if isinstance(event, Stretch)]
    assert np.concatenate(made, axis=1).shape[1] == 9


def test_the_loss_falls(data, tmp_path):
    config = config_of(
        tmp_path, data, steps=120, loss=LossConfig(temporal="none"), keep_probability=0
    )
    state = start_state(config)
    batches = Batches(config, open_sources(config))
    losses = [train_step(state, [batches[number]]).base for number in range(120)]
    assert losses[0] > 0.9  # the noise itself, and a variance that is not far off
    assert np.mean(losses[-20:]) < 0.8 * losses[0]


@pytest.fixture(scope="module")
def dits(tmp_path_factory):
    """Tiny DiTs, without classes and with five of which one has names."""
    torch.manual_seed(0)
    made = {}
    for classes in (1, 5):
        network = DiTTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=24,
            in_channels=4,
            out_channels=8,
            num_layers=2,
            sample_size=16,
            patch_size=2,
            num_embeds_ada_norm=classes,
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            latent_channels=4,
        )
        pipeline = DiTPipeline(network, vae, DDIMScheduler(clip_sample=False))
        made[classes] = tmp_path_factory.mktemp("dit") / str(classes)
        pipeline.save_pretrained(made[classes])
    return made


def tuned(out, dit, folder, **changes):
    changes = {"caption_dropout": 1.0, "keep_probability": 0, "validate_every": 0, **changes}
    return config_of(out, folder, start_from=str(dit), model=ModelConfig(), **changes)


def test_a_dit_is_trained_on_saved_and_sampled(dits, data, tmp_path):
    config = tuned(tmp_path / "run", dits[1], data, validate_every=6, ema=0.0)
    folder = train(config) / "model"
    before = load_file(dits[1] / "transformer" / "diffusion_pytorch_model.safetensors")
    after = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")
    assert before.keys() == after.keys()
    assert all((after[name] != before[name]).any() for name in before if "class_emb" not in name)
    inner = "norm1.emb.timestep_embedder.linear_1.weight"
    blocks = [after[f"transformer_blocks.{block}.{inner}"] for block in (0, 1)]
    assert torch.equal(*blocks)  # one embedder, as in DiT
    assert (tmp_path / "run" / "samples" / "step-00000006.png").is_file()
    assert "trained on with all its weights" in (folder / "README.md").read_text()
    DiTPipeline.from_pretrained(folder)
    generator = Generator.from_pretrained(str(tmp_path / "run"), "cpu", "fp32")
    made = generator("", num_inference_steps=3, sampler="ddim")
    assert made.arrays.shape == (1, 4, 32, 32, 3)
    picture = np.zeros((32, 32, 3), np.uint8)
    held = generator("", image=picture, num_inference_steps=3)
    assert (held.arrays[0, 0] == picture).all()


def test_positions_and_names_stay_with_a_dit(dits, data, tmp_path):
    backbone, _ = load_model(str(dits[5]), torch.float32, torch.device("cpu"))
    table = torch.randn_like(backbone.module.pos_embed.pos_embed)
    backbone.module.pos_embed.pos_embed = table
    backbone.pipeline.labels = {"a dog": 2, "dog": 2, "cat": 4}
    backbone.save_pretrained(tmp_path / "dit")
    assert (tmp_path / "dit" / "transformer" / POSITIONS).is_file()
    config = tuned(tmp_path / "run", tmp_path / "dit", data, wording="none", steps=1)
    train(config)
    again, _ = load_model(str(tmp_path / "run"), torch.float32, torch.device("cpu"))
    assert torch.equal(again.module.pos_embed.pos_embed, table)
    assert again.pipeline.labels == {"a dog": 2, "dog": 2, "cat": 4}


def test_going_on_equals_not_stopping(dits, data, tmp_path):
    whole = train(tuned(tmp_path / "whole", dits[1], data))
    state = start_state(tuned(tmp_path / "cut", dits[1], data, save_every=3))
    assert not resume(state)
    with pytest.raises(KeyboardInterrupt):
        train(tuned(tmp_path / "cut", dits[1], data, save_every=3), on_step=_stop_after(4))
    cut = train(tuned(tmp_path / "cut", dits[1], data, save_every=3))
    name = "model/transformer/diffusion_pytorch_model.safetensors"
    one, two = (load_file(folder / name) for folder in (whole, cut))
    assert all(torch.equal(one[key], two[key]) for key in one)


def _stop_after(step):
    def stop(report):
        if report.step == step:
            raise KeyboardInterrupt

    return stop


def test_grids_are_coded_as_one_picture_as_they_are_sampled(dits, data, tmp_path):
    config = tuned(tmp_path, dits[1], data)
    state = start_state(config)
    batch = Batches(config, open_sources(config))[0]
    coded = state.code(batch.frames, batch.layout)
    pixels = torch.from_numpy(batch.frames).movedim(-1, 2).float() / 127.5 - 1
    assert torch.equal(coded, state.codec_of(batch.layout).encode(pixels))
    assert not torch.allclose(coded, state.codec.encode(pixels))
    base, temporal = losses_of(state, batch)
    assert math.isfinite(float(base + temporal))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"objective": "flow"}, "predicts noise and is trained by the objective iddpm"),
        ({"caption_dropout": 0.1}, "Set caption_dropout to 1"),
        ({"cell": 16}, "Set cell to 32"),
        ({"lora": {"rank": 2}}, "Leave lora out"),
        ({"keep_probability": 0.5}, "keep_probability is 0.5"),
    ],
)
def test_what_does_not_fit_a_dit_is_refused(dits, data, tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        start_state(tuned(tmp_path, dits[1], data, **changes))


def test_what_does_not_fit_the_objective_is_refused(data, tmp_path, models):
    with pytest.raises(ConfigError, match=r"Set model\.predicts to noise"):
        start_state(config_of(tmp_path, data, model=ModelConfig()))
    with pytest.raises(ConfigError, match="Set copies false"):
        ModelConfig(predicts="noise")
    with pytest.raises(ConfigError, match="noise sets other levels"):
        config_of(tmp_path, data, noise=NoiseConfig(mean=3))
    with pytest.raises(ConfigError, match="Set objective iddpm, or predict clean"):
        config_of(tmp_path, data, objective="flow")
    with pytest.raises(ConfigError, match="Set objective flow"):
        start_state(config_of(tmp_path, data, start_from=str(models["flux"]), model=ModelConfig()))
    config = config_of(tmp_path, data)
    assert TrainConfig.model_validate(config.model_dump()) == config


def test_the_release_has_presets():
    tune, fresh = PRESETS["gridit"](), PRESETS["iddpm-b"]()
    assert (tune.objective, tune.batch * tune.accumulation) == ("iddpm", 32)
    assert (fresh.model.dim, fresh.model.predicts, fresh.batch) == (768, "noise", 32)
