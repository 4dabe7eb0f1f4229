"""The state of a run, and its checkpoints, which are whole or not there.

::

    RUN/config.yaml                        what was asked for
    RUN/checkpoints/step-00001000/model    averaged weights, ready to sample
    RUN/checkpoints/step-00001000/state    weights, optimisers, progress

Random numbers need no state: batches and noise are made from the seed and a step's number.
Nothing here is unpickled: safetensors, and ``weights_only`` for the optimisers.
"""

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
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import newest_checkpoint
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.training.card import write_card
from filmgrid.training.config import TrainConfig
from filmgrid.training.optim import make_optimizers
from filmgrid.training.sharding import check_launcher, like, shard, share_again, shared_state, whole
from filmgrid.training.starting import add_lora_to_grid, start_network
from filmgrid.types import FrameArray

log = logging.getLogger(__name__)
WEIGHTS, AVERAGES = "weights.safetensors", "average.safetensors"
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
    check_launcher()
    device = choose_device(config.device)
    accelerator = Accelerator(cpu=device.type == "cpu")
    dtype = choose_dtype(config.precision, accelerator.device)
    start = start_network(config, dtype, accelerator.device, has_text=has_text)
    module: Any = start.backbone.module
    pretrained = start.backbone.facts.is_pretrained
    if config.shard:
        shard(module, accelerator.device, accelerator.num_processes)
    optimizers = make_optimizers(module, config.optim, dtype, is_pretrained=pretrained)
    prepared_optimizers: list[Any] = [accelerator.prepare(each) for each in optimizers]
    running: nn.Module = module if config.shard else accelerator.prepare(module)
    can = config.compile and can_compile(accelerator.device)
    can = can and not (config.shard and accelerator.device.type == "cpu")
    if can and module._repeated_blocks and (pretrained or accelerator.device.type == "cuda"):
        module.compile_repeated_blocks(dynamic=True)  # once for all layouts
    elif can:
        # One graph per layout and width of prompts: a graph for all sizes is slower, and fails
        # to compile on CPUs if a larger layout comes first (torch 2.13).
        torch._dynamo.config.recompile_limit = 8 * len(config.layouts)
        running = torch.compile(running, dynamic=False)  # pyright: ignore[reportAssignmentType]
    at_once = not config.shard  # for weights that are shared out torch 2.13 has no such operation
    ema = EMAModel(trained_weights(module).values(), decay=config.ema, foreach=at_once)
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
    share_again(state.module)
    weights = list(state.weights.values())
    state.ema.store(weights)
    state.ema.copy_to(weights)
    state.module.eval()
    try:
        yield state.plain
    finally:
        share_again(state.module)
        state.ema.restore(weights)
        state.module.train()


def save_checkpoint(state: TrainState) -> Path:
    """Write a checkpoint under a temporary name, rename it, and delete the oldest.

    All processes take part, since each may hold a part of the weights.

    Raises:
        CheckpointError: if it cannot be written; earlier checkpoints stay.
    """
    folder = state.config.out / "checkpoints" / f"step-{state.progress.step:08d}"
    kept = _kept(state)
    if state.accelerator.is_main_process:
        try:
            with atomic_folder(folder, may_replace=lambda _: True) as part:
                _save_model(state, kept, part / "model")
                _save_training(state, kept, part / "state")
        except (MediaError, SafetensorError, RuntimeError) as error:
            text = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"The checkpoint of step {state.progress.step} was not saved in {folder.parent}: "
                f"{text} Free some space and run the same command again: earlier checkpoints "
                "are whole."
            ) from error
        num_kept = state.config.keep_checkpoints
        for old in sorted(folder.parent.glob("step-[0-9]*"))[:-num_kept]:
            shutil.rmtree(old, ignore_errors=True)
    state.accelerator.wait_for_everyone()
    return folder


@dataclass(frozen=True)
class Kept:
    """What a checkpoint is made of, put together from all processes.

    Args:
        weights: by name; of a pretrained pipeline, those that train.
        averages: of those that train, by name.
        optimizers: what each remembers.
    """

    weights: dict[str, Tensor]
    averages: dict[str, Tensor]
    optimizers: list[dict[str, Any]]


def _kept(state: TrainState) -> Kept:
    pretrained = state.plain.facts.is_pretrained
    return Kept(
        whole(dict(state.weights) if pretrained else state.module.state_dict()),
        whole(dict(zip(state.weights, state.ema.shadow_params, strict=True))),
        [whole(optimizer.state_dict()) for optimizer in state.optimizers],
    )


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
        held = state.module.state_dict()
        shared = {name: like(value, held.get(name, value)) for name, value in found.items()}
        state.module.load_state_dict(shared, strict=not state.plain.facts.is_pretrained)
        averages = load_file(training / AVERAGES)
        for index, optimizer in enumerate(state.optimizers):
            saved = torch.load(
                training / f"optimizer-{index}.pt", weights_only=True, map_location="cpu"
            )
            moved = [weight for group in optimizer.param_groups for weight in group["params"]]
            optimizer.load_state_dict(shared_state(saved, moved))
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
                like(averages[name], weight.detach()) for name, weight in state.weights.items()
            ],
        }
    )
    return True


def _save_model(state: TrainState, kept: Kept, folder: Path) -> None:
    """Write a network whole, with its low-rank changes merged, and those changes as a LoRA."""
    plain, lora = state.plain, state.config.lora
    told = {**plain.facts.training, "progress": state.progress.model_dump()}
    facts = plain.facts.model_copy(update={"training": told})
    if not isinstance(plain, PretrainedBackbone):
        save_module(_merged(state, kept), facts, folder)
    elif lora is None:
        with averaged(state):
            replace(plain, facts=facts).save_pretrained(folder)
    if lora is not None:
        save_lora(state.module, kept.averages, facts, folder)
    write_card(state.config, facts, folder)


def _save_training(state: TrainState, kept: Kept, folder: Path) -> None:
    """Write what going on needs: of a pretrained pipeline, nothing that does not train."""
    folder.mkdir()
    save_file(kept.weights, folder / WEIGHTS)
    save_file(kept.averages, folder / AVERAGES)
    for index, optimizer in enumerate(kept.optimizers):
        torch.save(optimizer, folder / f"optimizer-{index}.pt")
    (folder / "progress.json").write_text(state.progress.model_dump_json(), encoding="utf-8")


def _merged(state: TrainState, kept: Kept) -> GridTransformer:
    """A grid transformer of the averaged weights, with its low-rank changes merged into them."""
    with torch.device("meta"):  # its weights are there already
        network: Any = GridTransformer.from_config(state.module.config)
        if state.config.lora is not None:
            add_lora_to_grid(network, state.config.lora)
    weights = {**kept.weights, **kept.averages}
    if state.config.lora is not None:  # merging changes them in place, and training goes on
        weights = {name: weight.clone() for name, weight in weights.items()}
    network.load_state_dict(weights, assign=True)
    if state.config.lora is not None:
        network.fuse_lora()
        network.unload_lora()
    return network
