"""DiT and GriDiT checkpoints in the names of their trainers, and the network that they become."""

import argparse
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
)
from diffusers.models.embeddings import Timesteps
from safetensors.torch import load_file

from filmgrid.cli import main
from filmgrid.errors import CheckpointError, ConfigError, ShapeError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.importing import import_dit
from filmgrid.long import Stretch, stream
from filmgrid.models.dit_positions import POSITIONS, frame_table
from filmgrid.models.families import load_model
from filmgrid.models.places import FACTS, load_facts
from filmgrid.models.sketch import sketch_model
from filmgrid.process.gaussian import VariancePreserving
from filmgrid.request import GenerateRequest
from filmgrid.sampling.loop import sample

WIDTH, HEADS, SIDE, CLASSES = 144, 2, 8, 5
CPU = torch.device("cpu")


def checkpoint(width=WIDTH, depth=2, side=SIDE, classes=CLASSES, channels=4):
    """Random weights by the names of DiT's trainer."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=random) / (shape[-1] if len(shape) > 1 else 4) ** 0.5

    def linear(name, out, inside):
        return {f"{name}.weight": draw(out, inside), f"{name}.bias": draw(out)}

    state = {
        "pos_embed": draw(1, (side // 2) ** 2, width),
        "x_embedder.proj.weight": draw(width, channels, 2, 2),
        "x_embedder.proj.bias": draw(width),
        **linear("t_embedder.mlp.0", width, 256),
        **linear("t_embedder.mlp.2", width, width),
        **linear("final_layer.linear", 2 * 2 * 8, width),
        **linear("final_layer.adaLN_modulation.1", 2 * width, width),
    }
    if classes:
        state["y_embedder.embedding_table.weight"] = draw(classes + 1, width)
    for block in range(depth):
        place = f"blocks.{block}"
        state |= linear(f"{place}.attn.qkv", 3 * width, width)
        state |= linear(f"{place}.attn.proj", width, width)
        state |= linear(f"{place}.mlp.fc1", 4 * width, width)
        state |= linear(f"{place}.mlp.fc2", width, 4 * width)
        state |= linear(f"{place}.adaLN_modulation.1", 6 * width, width)
    return state


def original(state, x, t, label, heads=HEADS):
    """The network written out from the paper (arXiv:2212.09748, figure 3), over those names."""

    def linear(name, value):
        return F.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

    width = state["pos_embed"].shape[-1]
    patches = F.conv2d(x, state["x_embedder.proj.weight"], state["x_embedder.proj.bias"], stride=2)
    tokens = patches.flatten(2).mT + state["pos_embed"]
    time = Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=1)(t)
    c = linear("t_embedder.mlp.2", F.silu(linear("t_embedder.mlp.0", time)))
    if "y_embedder.embedding_table.weight" in state:
        c = c + state["y_embedder.embedding_table.weight"][label]
    norm = lambda value: F.layer_norm(value, (width,), eps=1e-6)  # noqa: E731
    for block in range(sum(name.endswith("attn.qkv.weight") for name in state)):
        place = f"blocks.{block}"
        parts = linear(f"{place}.adaLN_modulation.1", F.silu(c))[:, None].chunk(6, dim=2)
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = parts
        qkv = linear(f"{place}.attn.qkv", norm(tokens) * (1 + scale) + shift)
        q, k, v = qkv.unflatten(2, (3, heads, width // heads)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = tokens + gate * linear(f"{place}.attn.proj", seen)
        inner = linear(f"{place}.mlp.fc1", norm(tokens) * (1 + scale_mlp) + shift_mlp)
        inner = linear(f"{place}.mlp.fc2", F.gelu(inner, approximate="tanh"))
        tokens = tokens + gate_mlp * inner
    shift, scale = linear("final_layer.adaLN_modulation.1", F.silu(c))[:, None].chunk(2, dim=2)
    made = linear("final_layer.linear", norm(tokens) * (1 + scale) + shift)
    side = round(made.shape[1] ** 0.5)
    return (
        made.unflatten(2, (2, 2, 8))
        .unflatten(1, (side, side))
        .permute(0, 5, 1, 3, 2, 4)
        .flatten(4)
        .flatten(2, 3)
    )


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vae")
    AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def gridit(vae, tmp_path_factory):
    """A GriDiT: no classes, saved by a trainer with its settings."""
    root = tmp_path_factory.mktemp("gridit")
    held = {
        "model": checkpoint(classes=0),
        "ema": {name: value + 0.01 for name, value in checkpoint(classes=0).items()},
        "opt": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "args": argparse.Namespace(model="DiT-XL/2", image_size=512),
    }
    torch.save(held, root / "0100000.pt")
    import_dit(root / "0100000.pt", vae, root / "gridit", layout="2x2")
    return root / "gridit", held


@pytest.fixture(scope="module")
def dit(vae, tmp_path_factory):
    root = tmp_path_factory.mktemp("dit")
    torch.save(checkpoint(), root / "dit.pt")
    import_dit(root / "dit.pt", vae, root / "dit", positions="2d")
    return root / "dit"


@pytest.mark.parametrize("classes", [0, CLASSES])
def test_the_network_is_the_papers(vae, tmp_path, classes):
    state = checkpoint(classes=classes)
    torch.save(state, tmp_path / "one.pt")
    import_dit(tmp_path / "one.pt", vae, tmp_path / "one")
    backbone, _ = load_model(str(tmp_path / "one"), torch.float32, CPU)
    x, t = torch.randn(2, 4, SIDE, SIDE), torch.tensor([3, 700])
    label = torch.tensor([0, 1])
    ours = backbone.module(x, t, label if classes else label * 0, return_dict=False)[0]
    assert torch.allclose(ours, original(state, x, t, label), atol=1e-4, rtol=1e-4)
    sigma = VariancePreserving.linear().sigma_of(t).float()
    noisy = VariancePreserving.linear().from_vp(x[:, None], sigma)[:, 0]
    velocity = backbone.predict(noisy, sigma, {"label": label if classes else label * 0})
    assert torch.allclose(
        (1 - sigma[:, None, None, None]) * velocity + noisy, ours[:, :4], atol=1e-4
    )


def test_sampling_equals_the_pipeline_of_diffusers(dit):
    pipeline = DiTPipeline.from_pretrained(dit)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        [3],
        guidance_scale=1.0,
        num_inference_steps=8,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    ).images[0]
    backbone, codec = load_model(str(dit), torch.float32, CPU)
    process = VariancePreserving.linear()
    sigmas = torch.cat([process.sigma_of(pipeline.scheduler.timesteps), torch.zeros(1)])
    noise = torch.randn((1, 4, SIDE, SIDE), generator=torch.Generator().manual_seed(1))[:, None]
    # Theirs begins at pure noise, ours a hair before it.
    noise = process.from_vp(noise, float(sigmas[0])) / float(sigmas[0])
    condition = backbone.encode(["3"])
    layout = Layout(1, 1)
    with torch.inference_mode():
        *_, state = sample(
            lambda noisy, sigma: backbone.velocity(noisy, sigma, condition, layout), noise, sigmas
        )
        ours = codec.decode(state.noisy)[0, 0].permute(1, 2, 0).numpy()
    assert np.abs((ours / 2 + 0.5).clip(0, 1) - made).max() < 1e-4


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize(
    ("sampler", "kind"), [("ddim", DDIMScheduler), ("dpm-solver++", DPMSolverMultistepScheduler)]
)
def test_samplers_equal_the_pipeline_with_their_scheduler(dit, sampler, kind, guidance):
    pipeline = DiTPipeline.from_pretrained(dit)
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.transformer.config.num_embeds_ada_norm = 1000
    embedding = checkpoint()["y_embedder.embedding_table.weight"]
    for block in pipeline.transformer.transformer_blocks:  # their blank class is number 1000
        table = torch.zeros(1001, WIDTH)
        table[: CLASSES + 1], table[1000] = embedding, embedding[CLASSES]
        block.norm1.emb.class_embedder.embedding_table = torch.nn.Embedding.from_pretrained(table)
    made = pipeline(
        [3],
        guidance_scale=guidance,
        num_inference_steps=8,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    ).images[0]
    generator = Generator.from_pretrained(str(dit), "cpu", "fp32")
    ours = generator(
        "3", seed=1, num_inference_steps=8, guidance_scale=guidance, sampler=sampler
    ).arrays[0, 0]
    # Theirs begins at pure noise, ours with the 0.997 of it that the first level has.
    assert np.abs(ours / 255 - made).max() < 0.01
    assert np.abs(ours / 255 - made).mean() < 0.002


def test_samplers_of_noise_keep_given_frames_and_go_on(gridit, tmp_path):
    generator = Generator.from_pretrained(str(gridit[0]), "cpu", "fp32")
    first = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for sampler in ("ddim", "dpm-solver++"):
        made = generator("", image=first, num_inference_steps=4, sampler=sampler)
        assert (made.arrays[0, 0] == first).all()
        video = np.repeat(first[None], 4, axis=0)
        words = {"num_inference_steps": 8, "sampler": sampler}
        still, weak, strong = (
            generator("", video=video, start_sigma=start, **words).arrays.astype(int)
            for start in (0.0, 0.2, 0.9)
        )
        assert 0 < np.abs(weak - still).mean() < np.abs(strong - still).mean()
        request = GenerateRequest(
            model=generator.name, frames=9, keep_rows=1, steps=3, sampler=sampler
        )
        arrays = [
            event.arrays for event in stream(generator, request) if isinstance(event, Stretch)
        ]
        assert np.concatenate(arrays, axis=1).shape == (1, 9, 8, 8, 3)


def test_samplers_that_do_not_fit_are_refused(gridit):
    generator = Generator.from_pretrained(str(gridit[0]), "cpu", "fp32")
    mini = Generator.from_pretrained("mini", "cpu", "fp32")
    with pytest.raises(ConfigError, match=r"mini is a flow\. Use dpm-solver"):
        mini("a star", sampler="ddim")
    with pytest.raises(ConfigError, match="shift 3 would move them"):
        generator("", sampler="ddim", shift=3)
    with pytest.raises(ConfigError, match="at most 999 timesteps"):
        generator("", sampler="dpm-solver++", num_inference_steps=1200)
    with pytest.raises(ConfigError, match="Add frames"):
        generator("", sampler="gridit-release")


def test_a_scheduler_of_another_process_is_refused(dit, tmp_path):
    folder = shutil.copytree(dit, tmp_path / "other")
    (folder / FACTS).unlink()
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "beta_end": 0.01}))
    with pytest.raises(CheckpointError, match=r"beta_end 0\.01, and DiT is sampled with 0\.02"):
        load_facts(folder)


@pytest.mark.long
def test_full_size_weights_become_those_of_diffusers(vae, tmp_path):
    state = checkpoint(width=1152, depth=28, side=64, classes=1000)
    torch.save(state, tmp_path / "xl.pt")
    x, t, label = torch.randn(1, 4, 64, 64), torch.tensor([300]), torch.tensor([7])
    wanted = original(state, x, t, label, heads=16)
    del state
    import_dit(tmp_path / "xl.pt", vae, tmp_path / "xl")
    backbone, _ = load_model(str(tmp_path / "xl"), torch.float32, CPU)
    assert isinstance(backbone.module, DiTTransformer2DModel)
    with torch.inference_mode():
        ours = backbone.module(x, t, label, return_dict=False)[0]
    assert float((ours - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


def test_averages_are_taken_where_there_are_any(gridit, vae, tmp_path):
    folder, held = gridit
    network = DiTTransformer2DModel.from_pretrained(folder / "transformer")
    assert torch.equal(network.proj_out_2.bias, held["ema"]["final_layer.linear.bias"])
    import_dit(folder.parent / "0100000.pt", vae, tmp_path / "raw", weights="model")
    raw = DiTTransformer2DModel.from_pretrained(tmp_path / "raw" / "transformer")
    assert torch.equal(raw.proj_out_2.bias, held["model"]["final_layer.linear.bias"])


def test_positions_are_those_asked_for(gridit, vae, tmp_path):
    folder, held = gridit
    backbone, _ = load_model(str(folder), torch.float32, CPU)
    assert torch.equal(backbone.module.pos_embed.pos_embed, held["ema"]["pos_embed"])
    tables = {}
    for positions in ("2d", "frames"):
        out = tmp_path / positions
        import_dit(folder.parent / "0100000.pt", vae, out, positions=positions, layout="2x2")
        tables[positions] = load_file(out / "transformer" / POSITIONS)["table"]
    plain = DiTTransformer2DModel.from_pretrained(folder / "transformer").pos_embed.pos_embed[0]
    assert torch.allclose(tables["2d"], plain, atol=1e-6)
    assert torch.allclose(tables["frames"], frame_table(WIDTH, SIDE // 2, Layout(2, 2)))


def test_frames_are_numbered_in_the_order_of_tokens_and_the_releases_table_is_not():
    width, rows, inner = 12, 4, 8
    table = frame_table(width, rows * inner, Layout(rows, rows))
    frame_major = table.reshape(rows, inner, rows, inner, width).transpose(1, 2).reshape(-1, width)
    first_of_frame = frame_major[:: inner**2, : width // 3]
    right = 0
    for token in range(len(table)):
        row, col = divmod(token, rows * inner)
        frame = row // inner * rows + col // inner
        assert torch.equal(table[token, : width // 3], first_of_frame[frame])
        at = frame * inner**2 + row % inner * inner + col % inner
        assert torch.equal(table[token], frame_major[at])
        right += torch.equal(frame_major[token, : width // 3], first_of_frame[frame])
    assert right / len(table) == 0.25  # what the release's order gets right


def test_a_grid_is_generated_and_only_at_its_size(gridit):
    folder, _ = gridit
    facts = load_facts(folder)
    assert (facts.canvas, facts.cell, facts.stride) == ((16, 16), (8, 8), 4)
    generator = Generator.from_pretrained(str(folder), "cpu", "fp32")
    result = generator("", num_inference_steps=3)
    assert result.arrays.shape == (1, 4, 8, 8, 3)
    assert generator("", layout="1x1", num_inference_steps=3).arrays.shape == (1, 1, 16, 16, 3)
    for words in ({"cell": 16}, {"layout": "2x3"}):
        with pytest.raises(ShapeError):
            generator("", num_inference_steps=3, **words)


def test_classes_are_named_or_numbered(dit):
    generator = Generator.from_pretrained(str(dit), "cpu", "fp32")
    one, two = (generator(text, num_inference_steps=3).arrays for text in ("1", "2"))
    assert (one != two).any()
    with pytest.raises(ConfigError, match="has no class 'a dog'"):
        generator("a dog", num_inference_steps=3)


class Code:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_with_code_in_it_is_refused(vae, tmp_path, capsys):
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Code()))
    torch.save({"model": checkpoint(), "args": Code()}, tmp_path / "worse.pt")
    for name in ("bad.pt", "worse.pt"):
        with pytest.raises(CheckpointError):
            import_dit(tmp_path / name, vae, tmp_path / "out")
    assert "run" not in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_what_is_no_dit_is_refused(vae, tmp_path):
    state = checkpoint()
    few = {name: value for name, value in state.items() if name != "blocks.1.mlp.fc1.bias"}
    for name, held, told in (
        ("none", {"a": torch.zeros(1)}, "no x_embedder"),
        ("few", few, "is missing"),
        ("more", {**state, "blocks.0.odd.weight": torch.zeros(1)}, "not part of one"),
    ):
        torch.save(held, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=told):
            import_dit(tmp_path / f"{name}.pt", vae, tmp_path / "out")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "few.pt").read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        import_dit(tmp_path / "cut.pt", vae, tmp_path / "out")
    with pytest.raises(CheckpointError, match="no file"):
        import_dit(tmp_path / "nothing.pt", vae, tmp_path / "out")


def test_the_command_imports_and_generates(vae, tmp_path, capsys):
    torch.save(checkpoint(classes=0), tmp_path / "one.pt")
    words = ["--vae", str(vae), "--layout", "2x2", "--positions", "frames"]
    main(["import-dit", str(tmp_path / "one.pt"), *words, "--out", str(tmp_path / "model")])
    assert "CC-BY-NC-4.0" in capsys.readouterr().out
    words = ["--frames", "9", "--steps", "2", "--out", str(tmp_path / "a.mp4")]
    main(["generate", "--model", str(tmp_path / "model"), *words])
    assert (tmp_path / "a.mp4").is_file()


def test_the_published_size_is_counted():
    made = sketch_model("dit-xl-2-512")
    assert made.facts.sigma_max == pytest.approx(VariancePreserving.linear().sigma_max)
    copies = 27 * (256 * 1152 + 1152 + 1152**2 + 1152 + 1001 * 1152)  # of the embedders
    network = made.num_parameters["transformer"] - copies
    assert network == pytest.approx(675e6, rel=0.003)
