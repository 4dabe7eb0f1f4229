"""Pipelines of diffusers as subjects."""

import os
from typing import Any

import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from filmgrid.bench.config import BenchConfig, ClipSize, Theirs
from filmgrid.bench.peers.peer import Peer, Size
from filmgrid.bench.peers.table import BY_NAME
from filmgrid.bench.subjects import Made, Subject
from filmgrid.data.pictures import to_picture
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.published.build import build
from filmgrid.models.published.parts import find

PROMPT = "a red ball rolls by"


def open_peer(
    spec: Theirs, config: BenchConfig, device: torch.device, dtype: torch.dtype
) -> Subject:
    """Load or build a pipeline.

    Args:
        spec: which one, and with which weights.
        config: names the steps.
        device: where it runs.
        dtype: of its weights and products.

    Raises:
        CheckpointError: if its weights cannot be loaded.
        ConfigError: if it does not fit into the memory, or its size is not one it makes.
    """
    for each in (diffusers_logging, transformers_logging):  # what matters becomes an error
        each.set_verbosity_error()
    peer = BY_NAME[spec.name]
    size = peer.tiny if spec.place == "tiny" else peer.published
    if spec.weights == "trained":
        pipeline = _load(spec, peer, dtype).to(device)
    else:
        pipeline = find(f"diffusers:{peer.pipeline}")(
            **build(size.parts(), device, dtype, spec.name)
        )
    pipeline.set_progress_bar_config(disable=True)
    call = _call(spec, peer, size, config.steps)
    clip = spec.clip or size.clip

    def run() -> Made:
        made = pipeline(**call, generator=torch.Generator().manual_seed(0), output_type="np")
        frames = made.frames[0] if hasattr(made, "frames") else made.images
        return Made(ClipSize(*frames.shape[:3]), len(pipeline.scheduler.timesteps))

    def checked() -> Made:
        made = _refusing(spec, run)
        if made.clip != clip:
            raise ConfigError(
                f"{spec.text} was asked for {clip} and made {made.clip}: {peer.pipeline} "
                f"does not make the former. Ask for {spec.name}={spec.place}@{made.clip}."
            )
        return made

    networks = [each for each in pipeline.components.values() if isinstance(each, nn.Module)]
    denoisers = [getattr(pipeline, name, None) for name in peer.denoisers]

    def tokens(latents: Tensor) -> int:
        return peer.tokens(latents, denoisers[0])

    return Subject(
        spec.text,
        spec.weights,
        checked,
        [each for each in denoisers if each is not None],
        tokens,
        networks,
        peer.source if spec.weights == "random" else "",
    )


def _load(spec: Theirs, peer: Peer, dtype: torch.dtype) -> Any:
    """Load a pipeline; ``BASE,ADAPTER`` puts a motion adapter into a Stable Diffusion."""
    base, _, adapter = spec.place.partition(",")
    options: dict[str, Any] = {"dtype": dtype}
    try:
        if adapter:
            adapters = find("diffusers:MotionAdapter")
            options["motion_adapter"] = adapters.from_pretrained(
                os.path.expanduser(adapter), **options
            )
        return find(f"diffusers:{peer.pipeline}").from_pretrained(
            os.path.expanduser(base), **options, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        text = " ".join(str(error).split()).partition(". ")[0]
        raise CheckpointError(
            f"{peer.pipeline} could not be loaded from {spec.place}: {text}. Download it "
            f"first (`hf download {base}`) and name its folder, or write {spec.name}=random."
        ) from error


def _call(spec: Theirs, peer: Peer, size: Size, steps: int | None) -> dict[str, Any]:
    """Arguments of the pipeline's call."""
    clip = spec.clip or size.clip
    call: dict[str, Any] = {
        **size.call,
        "height": clip.height,
        "width": clip.width,
        "num_inference_steps": steps or size.steps,
    }
    if peer.has_frames:
        call["num_frames"] = clip.frames
    if peer.needs_image:
        shape = (clip.height, clip.width, 3)
        call["image"] = to_picture(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    else:
        call["prompt"] = PROMPT
    return call


def _refusing(spec: Theirs, run: Any) -> Any:
    """Run, and turn what the pipeline does not accept into a sentence."""
    try:
        return run()
    except ValueError as error:
        text = " ".join(str(error).split())[:200].rstrip(".")
        raise ConfigError(f"{spec.text} does not run at this size: {text}.") from error
