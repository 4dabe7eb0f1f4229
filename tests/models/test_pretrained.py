"""Our sampler over pretrained backbones against the pipelines of diffusers."""

import numpy as np
import pytest
import torch
from diffusers import FluxInpaintPipeline

from filmgrid.bench.peers.tiny import NAMES
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.generator import Generator
from filmgrid.grid.pack import pack_grid
from filmgrid.grid.reference import Reference
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.inputs import Described
from filmgrid.models.codec import WholeGrid
from filmgrid.models.families import load_model
from filmgrid.models.places import load_facts
from filmgrid.planning import make_plan
from filmgrid.process.schedules import linear_sigmas, shift_sigmas, sigma_of_strength, truncate
from filmgrid.request import GenerateRequest
from filmgrid.sampling.guidance import Wanted, encode_both, guided, velocities
from filmgrid.sampling.loop import sample

CPU = torch.device("cpu")
PROMPT = "a red ball rolls by"
SIDE, STEPS = 64, 4


def ours_of(folder, guidance, noise, sigmas, layout, reference=None):
    """Decoded pixels of our sampler, ``b n c h w``."""
    backbone, codec = load_model(str(folder), torch.float32, CPU)
    if backbone.facts.guidance == "embedded" or guidance == 1:
        condition, null = backbone.encode([PROMPT]), None
    else:
        condition, null = encode_both(backbone, [PROMPT], [""])
    velocity_of = guided(backbone, condition, layout, guidance, null)
    if reference is not None:
        codec = WholeGrid(codec, layout)
        cells, keep, start = reference
        reference = Reference(codec.encode(cells), keep, start)
    *_, state = sample(velocity_of, noise, sigmas, reference)
    return codec.decode(state.noisy)


@pytest.mark.parametrize(
    ("name", "guidance", "theirs"),
    [
        ("flux", 3.5, {"guidance_scale": 3.5}),
        ("flux2-klein", 1.0, {"guidance_scale": 1.0}),
        ("flux2-klein", 4.0, {"guidance_scale": 4.0}),
        ("z-image", 1.0, {"guidance_scale": 0.0}),
        ("z-image", 5.0, {"guidance_scale": 4.0}),
    ],
)
def test_one_image_equals_the_pipeline_of_diffusers(pipelines, name, guidance, theirs):
    pipeline, folder = pipelines[name]
    facts = load_facts(folder)
    layout, cell = Layout(1, 1), CellSize(SIDE, SIDE)
    _, codec = load_model(str(folder), torch.float32, CPU)
    side = SIDE // codec.stride
    noise = torch.randn(1, 1, codec.channels, side, side, generator=torch.manual_seed(1))
    start = noise[:, 0]
    if name == "flux":
        start = pipeline._pack_latents(start, 1, codec.channels, side, side)
    sigmas = shift_sigmas(linear_sigmas(STEPS), facts.shift_of(layout, cell, STEPS))
    expected = pipeline(
        prompt=PROMPT,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        latents=start.clone(),
        output_type="pt",
        **theirs,
    ).images
    torch.testing.assert_close(sigmas.float(), pipeline.scheduler.sigmas, rtol=0, atol=1e-7)
    with torch.inference_mode():
        made = ours_of(folder, guidance, noise, pipeline.scheduler.sigmas, layout)
    torch.testing.assert_close((made[:, 0] / 2 + 0.5).clamp(0, 1), expected, rtol=0, atol=1e-5)
    assert 0.05 < expected.std() < 1


@pytest.mark.parametrize("strength", [1.0, 0.8, 0.5])
def test_a_masked_run_equals_the_inpainting_of_diffusers(pipelines, monkeypatch, strength):
    pipeline, folder = pipelines["flux"]
    layout = Layout(2, 2)
    cells = torch.rand(1, 4, 3, SIDE // 2, SIDE // 2, generator=torch.manual_seed(2)) * 2 - 1
    keep = torch.tensor([[True, False, False, True]])
    _, codec = load_model(str(folder), torch.float32, CPU)
    side = SIDE // 2 // codec.stride
    noise = torch.randn(1, 4, codec.channels, side, side, generator=torch.manual_seed(3))
    facts = load_facts(folder)
    shift = facts.shift_of(layout, CellSize(SIDE // 2, SIDE // 2), STEPS)
    sigmas = shift_sigmas(linear_sigmas(STEPS), shift)
    start = sigma_of_strength(sigmas, strength)
    with torch.inference_mode():
        made = ours_of(folder, 3.5, noise, truncate(sigmas, start), layout, (cells, keep, start))

    # theirs draws from the distribution of the latents and makes its own noise
    monkeypatch.setattr(
        "diffusers.models.autoencoders.vae.DiagonalGaussianDistribution.sample",
        lambda self, generator=None: self.mode(),
    )
    whole = pack_grid(noise, layout)
    monkeypatch.setattr(
        "diffusers.pipelines.flux.pipeline_flux_inpaint.randn_tensor",
        lambda *args, **kwargs: whole,
    )
    inpaint = FluxInpaintPipeline(**pipeline.components)
    inpaint.set_progress_bar_config(disable=True)
    mask = (~keep).float()[..., None, None, None].expand(1, 4, 1, SIDE // 2, SIDE // 2)
    expected = inpaint(
        prompt=PROMPT,
        image=pack_grid(cells, layout) / 2 + 0.5,
        mask_image=pack_grid(mask, layout),
        height=SIDE,
        width=SIDE,
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=3.5,
        output_type="pt",
    ).images
    made = pack_grid(made, layout) / 2 + 0.5
    torch.testing.assert_close(made.clamp(0, 1), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_cells_of_a_grid_see_each_other_and_fit_their_latents(pipelines, name):
    backbone, codec = load_model(str(pipelines[name][1]), torch.float32, CPU)
    frames = torch.rand(2, 6, 3, 32, 48, generator=torch.manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        latents = codec.encode(frames)
        assert latents.shape == (2, 6, codec.channels, 32 // codec.stride, 48 // codec.stride)
        alone = codec.encode(frames[:1, 3:4])
        torch.testing.assert_close(latents[:1, 3:4], alone)  # nothing bleeds in
        condition = {**backbone.encode(["one", "two things"]), "guidance": torch.ones(2)}
        sigma = torch.full((2, 6), 0.7)
        before = backbone.velocity(latents, sigma, condition, Layout(2, 3))
        other = latents.clone()
        other[:, 5] += 1
        after = backbone.velocity(other, sigma, condition, Layout(2, 3))
    assert before.shape == latents.shape
    assert (after - before)[:, 0].abs().max() > 1e-6
    assert codec.decode(latents).shape == frames.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_request_runs_on_a_pipeline_and_keeps_its_image(pipelines, name):
    generator = Generator.from_pretrained(pipelines[name][1], "cpu", "fp32")
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for coding in ("cells", "grid"):
        result = generator(
            "a ball", image=image, layout="2x2", cell=32, num_inference_steps=2, coding=coding
        )
        assert result.arrays.shape == (1, 4, 32, 32, 3)
        assert (result.arrays[0, 0] == image).all()
        assert result.request["coding"] == coding


def test_a_prompt_that_is_too_long_is_refused_and_not_cut(pipelines):
    backbone, _ = load_model(str(pipelines["flux"][1]), torch.float32, CPU)
    with pytest.raises(ConfigError, match=r"has 601 tokens and .* reads 512"):
        backbone.encode(["x" * 600])


def test_a_negative_prompt_needs_a_second_pass(pipelines):
    options = {"layout": "1x1", "cell": 32, "num_inference_steps": 1}
    with pytest.raises(ConfigError, match="negative prompt has no effect"):
        Generator.from_pretrained(pipelines["flux"][1], "cpu")("a", negative="b", **options)
    klein = Generator.from_pretrained(pipelines["flux2-klein"][1], "cpu", "fp32")
    plain, led = klein("a", **options), klein("a", negative="b", **options)
    assert (plain.arrays != led.arrays).any()


def test_sides_that_tokens_do_not_tile_are_refused(pipelines):
    generator = Generator.from_pretrained(pipelines["flux"][1], "cpu")
    with pytest.raises(ValueError, match="multiples of 16; the nearest is 32x32"):
        generator("a", layout="1x1", cell=40)


@pytest.mark.parametrize("part", ["transformer/config.json", "vae/config.json"])
def test_a_pipeline_without_a_part_is_refused(pipelines, tmp_path, part):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(pipelines["flux"][1], copy)
    (copy / part).unlink()
    with pytest.raises(CheckpointError, match="missing or damaged"):
        load_model(str(copy), torch.float32, CPU)


@pytest.mark.parametrize("name", ["flux", "flux2-klein", "z-image", "mini"])
def test_sequences_at_different_levels_share_a_pass(pipelines, tiny_model, name):
    folder = tiny_model if name == "mini" else pipelines[name][1]
    generator = Generator.from_pretrained(str(folder), device="cpu", precision="fp32")
    facts, layout = generator.backbone.facts, Layout(1, 2)
    prompts = ["a red ball", "a blue cube that rolls over a table and then falls from it slowly"]
    wanted = []
    for number, prompt in enumerate(prompts):
        request = GenerateRequest(
            prompt=prompt,
            layout="1x2",
            cell=SIDE,
            guidance=2.0 + number,
            shift=1.0,
        )
        plan = make_plan(request, facts, Described())
        noise = generator.noise_of(plan, [number])
        sigma = torch.full((1, layout.num_cells), 0.9 - 0.5 * number)
        wanted.append(Wanted(noise, sigma, generator.prompted(plan, 1)))
    with torch.inference_mode():
        together = velocities(generator.backbone, wanted)
    for each, velocity in zip(wanted, together, strict=True):
        with torch.inference_mode():
            alone = generator.answer(each)
        assert float(alone.abs().max()) > 0.01
        assert torch.allclose(velocity, alone, atol=1e-4 * float(alone.abs().max()))
