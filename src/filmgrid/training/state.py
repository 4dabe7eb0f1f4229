"""The state of a run, and its checkpoints, which are whole or not there.

::

    RUN/config.yaml                        what was asked for
    RUN/checkpoints/step-00001000/model    averaged weights, ready to sample
    RUN/checkpoints/step-00001000/state    weights, optimisers, progress

Random numbers need no state: batches and noise are made from the seed and a step's number.
Nothing here is unpickled: safetensors, and ``weights_only`` for the optimisers.
"""

import copy
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from filmgrid.data.files import atomic_folder
from filmgrid.errors import CheckpointError, ConfigError, MediaError
from filmgrid.grid.spec import Layout
from filmgrid.models.adapters import save_lora
from filmgrid.models.backbone import Backbone
from filmgrid.models.checkpoints import save_module
from filmgrid.models.codec import Codec, WholeGrid, pixels_of
from filmgrid.models.places import newest_checkpoint
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.training.card import write_card
from filmgrid.training.config import TrainConfig
from filmgrid.training.optim import make_optimizers
from filmgrid.training.starting import start_network
from filmgrid.types import FrameArray

log = logging.getLogger(__name__)
WEIGHTS = "weights.safetensors"
_DAMAGE = (KeyError, EOFError, UnpicklingError)


class Progress(BaseModel):
    """How far a run has come."""

    step: int = 0
    ema_step: int = 0
    seconds: float = 0.0
    num_processes: int = 1


@dataclass
class TrainState:
    """All that changes while training.

    Args:
        config: of the run.
        accelerator: devices and processes.
        module: the network whose weights are trained.
        backbone: the call that training makes, over the compiled and distributed network.
        plain: the same call over the network itself, for samples.
        codec: between frames and what the network sees.
        ema: the average of the weights that train.
        optimizers: Muon and AdamW.
        dtype: of the matrix products.
        progress: steps done.
        latents: frames that were coded before, if any are kept.
    """

    config: TrainConfig
    accelerator: Accelerator
    module: Any
    backbone: Backbone
    plain: Backbone
    codec: Codec
    ema: EMAModel
    optimizers: list[Any]
    dtype: torch.dtype
    progress: Progress
    latents: Any = None

    def codec_of(self, layout: Layout) -> Codec:
        """The codec, of single cells or of whole grids, as the network was made for."""
        return WholeGrid(self.codec, layout) if self.plain.facts.coding == "grid" else self.codec

    def code(self, frames: FrameArray, layout: Layout) -> Tensor:
        """Frames ``b n h w c`` as the network sees them, ``b n d y x``, on its device."""
        device = self.accelerator.device
        if self.latents is not None:
            return self.latents.of(frames, device)
        return self.codec_of(layout).encode(pixels_of(frames, device))

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """Those that train, by name."""
        return trained_weights(self.module)


def trained_weights(module: nn.Module) -> dict[str, nn.Parameter]:
    """Weights that a network does not hold fixed, by name."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def start_state(config: TrainConfig, *, has_text: bool = True) -> TrainState:
    """Build everything that a run needs, at step 0.

    Args:
        config: of the run.
        has_text: whether its data has captions.
    """
    device = choose_device(config.device)
    accelerator = Accelerator(cpu=device.type == "cpu")
    dtype = choose_dtype(config.precision, accelerator.device)
    start = start_network(config, dtype, accelerator.device, has_text=has_text)
    module: Any = start.backbone.module
    pretrained = start.backbone.facts.is_pretrained
    optimizers = make_optimizers(module, config.optim, dtype, is_pretrained=pretrained)
    prepared, *prepared_optimizers = accelerator.prepare(module, *optimizers)
    running: nn.Module = prepared
    can = config.compile and can_compile(accelerator.device)
    if can and module._repeated_blocks and (pretrained or accelerator.device.type == "cuda"):
        module.compile_repeated_blocks(dynamic=True)  # once for all layouts
    elif can:
        # One graph per layout and width of prompts: a graph for all sizes is slower, and fails
        # to compile on CPUs if a larger layout comes first (torch 2.13).
        torch._dynamo.config.recompile_limit = 8 * len(config.layouts)
        running = torch.compile(prepared, dynamic=False)  # pyright: ignore[reportAssignmentType]
    ema = EMAModel(trained_weights(module).values(), decay=config.ema, foreach=True)
    ema.to(accelerator.device)
    return TrainState(
        config,
        accelerator,
        module,
        start.backbone.with_module(running),
        start.backbone,
        start.codec,
        ema,
        prepared_optimizers,
        dtype,
        Progress(num_processes=accelerator.num_processes),
    )


def can_compile(device: torch.device) -> bool:
    """Whether torch can compile here: CPUs need a C++ compiler, which not every machine has."""
    if device.type != "cpu":
        return device.type == "cuda"
    named = os.environ.get("CXX")
    there = any(shutil.which(name) for name in ([named] if named else ["g++", "clang++", "cl"]))
    if not there:
        log.info(
            "There is no C++ compiler, so the network runs uncompiled, 1.2 to 1.5 times slower."
        )
    return there


@contextmanager
def averaged(state: TrainState) -> Iterator[Backbone]:
    """The backbone with the averaged weights in it, for samples and for saving."""
    weights = list(state.weights.values())
    state.ema.store(weights)
    state.ema.copy_to(weights)
    state.module.eval()
    try:
        yield state.plain
    finally:
        state.ema.restore(weights)
        state.module.train()


def save_checkpoint(state: TrainState) -> Path:
    """Write a checkpoint under a temporary name, rename it, and delete the oldest.

    Raises:
        CheckpointError: if it cannot be written; earlier checkpoints stay.
    """
    folder = state.config.out / "checkpoints" / f"step-{state.progress.step:08d}"
    if state.accelerator.is_main_process:
        try:
            with atomic_folder(folder, may_replace=lambda _: True) as part:
                with averaged(state) as backbone:
                    _save_model(state, backbone, part / "model")
                _save_training(state, part / "state")
        except (MediaError, SafetensorError, RuntimeError) as error:
            text = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The checkpoint of step {state.progress.step} was not saved in {folder.parent}: "
                f"{text} Free some space and run the same command again: earlier checkpoints "
                "are whole."
            ) from error
        kept = state.config.keep_checkpoints
        for old in sorted(folder.parent.glob("step-[0-9]*"))[:-kept]:
            shutil.rmtree(old, ignore_errors=True)
    state.accelerator.wait_for_everyone()
    return folder


def resume(state: TrainState) -> bool:
    """Go to the newest checkpoint of the run, if there is one.

    Raises:
        CheckpointError: if it is damaged.
    """
    if state.accelerator.is_main_process:
        for part in (state.config.out / "checkpoints").glob(".step-*.part-*"):
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed while saving
    folder = newest_checkpoint(state.config.out)
    if folder is None:
        return False
    training = folder / "state"
    try:
        found = load_file(training / WEIGHTS)
        if missing := state.weights.keys() - found.keys():
            raise KeyError(f"no weight {min(missing)}")
        # Those of a pipeline that do not train are where it came from.
        state.module.load_state_dict(found, strict=not state.plain.facts.is_pretrained)
        averages = load_file(training / "average.safetensors")
        for index, optimizer in enumerate(state.optimizers):
            saved = torch.load(
                training / f"optimizer-{index}.pt", weights_only=True, map_location="cpu"
            )
            optimizer.load_state_dict(saved)
        state.progress = Progress.model_validate_json((training / "progress.json").read_bytes())
    except (OSError, SafetensorError, RuntimeError, ValueError, *_DAMAGE) as error:
        text = " ".join(str(error).split())[:160]
        raise CheckpointError(
            f"The checkpoint {folder} is damaged ({text}). Delete that folder to go on from the "
            "one before, or name another --out to begin again."
        ) from error
    before, now = state.progress.num_processes, state.accelerator.num_processes
    if before != now:
        raise ConfigError(
            f"{state.config.out} was trained by {before} process(es) and {now} are running now. "
            f"Start {before} to go on exactly, or name another --out."
        )
    state.ema.load_state_dict(
        {
            "optimization_step": state.progress.ema_step,
            "shadow_params": [
                averages[name].to(state.accelerator.device) for name in state.weights
            ],
        }
    )
    return True


def _save_model(state: TrainState, backbone: Backbone, folder: Path) -> None:
    """Write a network whole, with its low-rank changes merged; of a pipeline's LoRA that alone."""
    told = {**backbone.facts.training, "progress": state.progress.model_dump()}
    facts = backbone.facts.model_copy(update={"training": told})
    if isinstance(backbone, PretrainedBackbone):
        if state.config.lora is None:
            replace(backbone, facts=facts).save_pretrained(folder)
        else:
            save_lora(backbone.pipeline, facts, folder)
    else:
        save_module(merge_lora(backbone.module), facts, folder)
    write_card(state.config, facts, folder)


def _save_training(state: TrainState, folder: Path) -> None:
    """Write what going on needs: of a pretrained pipeline, nothing that does not train."""
    folder.mkdir()
    pretrained = state.plain.facts.is_pretrained
    kept = state.weights if pretrained else state.module.state_dict()
    save_file({name: weight.detach() for name, weight in kept.items()}, folder / WEIGHTS)
    averages = dict(zip(state.weights, state.ema.shadow_params, strict=True))
    save_file(averages, folder / "average.safetensors")
    for index, optimizer in enumerate(state.optimizers):
        torch.save(optimizer.state_dict(), folder / f"optimizer-{index}.pt")
    (folder / "progress.json").write_text(state.progress.model_dump_json(), encoding="utf-8")


def merge_lora(module: Any) -> Any:
    """A network like this one, with low-rank changes merged into its weights."""
    if getattr(module, "peft_config", None) is None:
        return module
    merged = copy.deepcopy(module)
    merged.fuse_lora()
    merged.unload_lora()
    return merged
