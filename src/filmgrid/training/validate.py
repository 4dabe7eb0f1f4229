"""Sample grids while training: what a person looks at, and their health."""

import logging
from pathlib import Path

import numpy as np
import torch

from filmgrid.data.degrade import made_small
from filmgrid.data.examples import ExampleSource
from filmgrid.data.export import save_image
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance
from filmgrid.data.titled import with_titles
from filmgrid.grid.prompts import describe_layout, wording_for
from filmgrid.grid.reference import Reference, from_image
from filmgrid.grid.spec import Layout
from filmgrid.metrics.frames import psnr
from filmgrid.metrics.health import HealthReport, measure_health
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.process.noise import seeded_noise
from filmgrid.process.resampling import resampled
from filmgrid.sampling.guidance import encode_both, guided
from filmgrid.sampling.loop import sample
from filmgrid.sampling.schedule import plan_sigmas
from filmgrid.sampling.upscale import SuperResolution
from filmgrid.training.config import TrainConfig
from filmgrid.training.state import TrainState, averaged
from filmgrid.types import FrameArray

log = logging.getLogger(__name__)
VALIDATION_STREAM = 3
MAX_PICTURES = 4


def validate(state: TrainState, sources: list[ExampleSource]) -> dict[str, float]:
    """Sample with the averaged weights; write one picture and return the health.

    Each column is one example: the data, a sequence from a prompt alone (one of the
    configuration's, or the example's caption), and one from the example's first frame and
    caption. A failing validation never ends a run: it is logged.

    Args:
        state: of the run.
        sources: what to look at, such as the held-out side of the data.

    Returns:
        Numbers for the log; empty if something failed.
    """
    try:
        return _validate(state, sources)
    except Exception:  # whatever it is, hours of training are worth more
        log.exception("The sample grids of step %d failed; training goes on.", state.progress.step)
        return {}


def sample_path(out: Path, step: int) -> Path:
    """Where the sample grids of a step are."""
    return out / "samples" / f"step-{step:08d}.png"


@torch.no_grad()  # not inference_mode, whose tensors cannot be shared out
def _validate(state: TrainState, sources: list[ExampleSource]) -> dict[str, float]:
    config, layout = state.config, state.config.default_layout
    if config.super_resolution is not None:
        return _validate_enlarged(state, sources, config.super_resolution.factor)
    examples = _examples(config, sources, layout)
    real = np.stack([frames for frames, _ in examples])
    captions = [caption for _, caption in examples]
    prompts = list(config.validation_prompts) or captions
    first = from_image(pixels_of(real[:, 0], state.accelerator.device), layout)
    known = Reference(state.codec_of(layout).encode(first.cells), first.keep)
    rows = {
        "data": real,
        "from the prompt": _sample(state, prompts, layout, None),
        "first frame kept": _sample(state, captions, layout, known),
    }
    grids = [
        np.concatenate([pack_image(frames, layout) for frames in sequences], axis=1)
        for sequences in rows.values()
    ]
    _save(state, with_titles(grids, list(rows)))
    made = [measure_health(frames, layout) for frames in rows["from the prompt"]]
    truth = [measure_health(frames, layout) for frames in real]
    return {**_summary("samples", made), **_summary("data", truth)}


def _validate_enlarged(
    state: TrainState, sources: list[ExampleSource], factor: int
) -> dict[str, float]:
    """Frames made small and enlarged again, beside what bicubic interpolation makes of them."""
    config, device = state.config, state.accelerator.device
    layout = config.default_layout
    real = [frames for frames, _ in _examples(config, sources, layout)]
    side = config.frame_size.height
    rows: dict[str, list[FrameArray]] = {"data": real, "bicubic": [], "super-resolution": []}
    with averaged(state) as backbone:
        enlarge = SuperResolution(backbone, device, state.dtype)
        for frames in real:
            small = made_small(frames, factor)
            plain = resampled(pixels_of(small), side, side)
            rows["bicubic"].append(frames_of(plain))
            rows["super-resolution"].append(enlarge(small))
    grids = [
        np.concatenate([pack_image(frames, layout) for frames in sequences], axis=1)
        for sequences in rows.values()
    ]
    _save(state, with_titles(grids, list(rows)))
    told = {
        name: float(np.mean([psnr(a, b) for a, b in zip(real, rows[row], strict=True)]))
        for name, row in (("samples/psnr", "super-resolution"), ("samples/bicubic_psnr", "bicubic"))
    }
    return {**told, "samples/gain": told["samples/psnr"] - told["samples/bicubic_psnr"]}


def _save(state: TrainState, picture: FrameArray) -> None:
    """Write the picture, which processes that share the weights out have all drawn."""
    if state.accelerator.is_main_process:
        place = sample_path(state.config.out, state.progress.step)
        save_image(picture, place, Provenance(kind="image"))


def _examples(
    config: TrainConfig, sources: list[ExampleSource], layout: Layout
) -> list[tuple[FrameArray, str]]:
    """The same examples at every validation."""
    count = len(config.validation_prompts) or MAX_PICTURES
    chosen = []
    for place in range(min(count, MAX_PICTURES)):
        rng = np.random.default_rng([config.seed, VALIDATION_STREAM, place])
        source = sources[place % len(sources)]
        index = int(rng.integers(len(source)))
        example = source.draw(index, layout.num_cells, config.frame_size, rng)
        chosen.append((example.frames, example.caption))
    return chosen


def _sample(
    state: TrainState, captions: list[str], layout: Layout, reference: Reference | None
) -> FrameArray:
    with averaged(state) as backbone:
        return _sample_with(backbone, state, captions, layout, reference)


def _sample_with(
    backbone: Backbone,
    state: TrainState,
    captions: list[str],
    layout: Layout,
    reference: Reference | None,
) -> FrameArray:
    config, facts, codec = state.config, backbone.facts, state.codec_of(layout)
    device = state.accelerator.device
    told = facts.has_text and config.caption_dropout < 1
    prompts = [
        describe_layout(caption, layout, wording_for(layout, facts.wording))
        if caption and told
        else ""
        for caption in captions
    ]
    condition, null = encode_both(backbone, prompts, [""] * len(prompts))
    scale = config.guidance_scale if facts.has_text else 1.0
    velocity_of = guided(backbone, condition, layout, scale, null, state.dtype)
    sides = (side // codec.stride for side in config.cell_size)
    shape = (layout.num_cells, codec.channels, *sides)
    noise = seeded_noise(range(len(prompts)), shape, device)
    shift = facts.shift_of(layout, config.cell_size, config.num_steps)
    latents = noise
    backbone.begin()
    sigmas = plan_sigmas(config.num_steps, shift, facts.sigma_max)
    for reached in sample(velocity_of, noise, sigmas, reference, facts.per_cell_sigma):
        latents = reached.noisy
    return frames_of(codec.decode(latents))


def _summary(of: str, reports: list[HealthReport]) -> dict[str, float]:
    return {
        f"{of}/score": float(np.mean([report.score for report in reports])),
        f"{of}/order": float(np.mean([report.order_score for report in reports])),
        f"{of}/frozen": float(np.mean([report.frozen_share for report in reports])),
        f"{of}/grain": float(np.mean([report.grain for report in reports])),
        f"{of}/seams": float(np.mean([report.seam_energy or 0.0 for report in reports])),
    }
