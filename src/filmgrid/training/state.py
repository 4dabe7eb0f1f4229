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
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from peft import LoraConfig
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from filmgrid.data.files import atomic_folder
from filmgrid.data.provenance import current_versions
from filmgrid.errors import CheckpointError, ConfigError, MediaError
from filmgrid.grid.prompts import Wording
from filmgrid.models.backbone import Backbone
from filmgrid.models.checkpoints import save_module
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.families import load_mini, mini_backbone
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import newest_checkpoint
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.models.upscaler import FACTOR
from filmgrid.training.config import TrainConfig
from filmgrid.training.optim import LAYERS, Muon, split_parameters

log = logging.getLogger(__name__)
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
        averaged: a backbone with the averaged weights, for samples and for saving.
        ema: the average.
        optimizers: Muon and AdamW.
        dtype: of the matrix products.
        progress: steps done.
    """

    config: TrainConfig
    accelerator: Accelerator
    module: GridTransformer
    backbone: Backbone
    averaged: Backbone
    ema: EMAModel
    optimizers: list[Any]
    dtype: torch.dtype
    progress: Progress


def start_state(config: TrainConfig, *, has_text: bool = True) -> TrainState:
    """Build everything that a run needs, at step 0.

    Args:
        config: of the run.
        has_text: whether its data has captions.
    """
    device = choose_device(config.device)
    accelerator = Accelerator(cpu=device.type == "cpu")
    module = _first_module(config)
    facts = facts_of(config, has_text=has_text)
    averaged = mini_backbone(_first_module(config).eval().requires_grad_(False), facts)
    averaged.module.to(accelerator.device)
    dtype = choose_dtype(config.precision, accelerator.device)
    matrices, rest = split_parameters(module)
    optim = config.optim
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, optim.adamw_lr, optim.adamw_betas, weight_decay=0.0)
    ]
    if matrices:
        optimizers.insert(
            0, Muon(matrices, optim.muon_lr, optim.muon_momentum, optim.weight_decay, dtype)
        )
    prepared, *prepared_optimizers = accelerator.prepare(module, *optimizers)
    running: nn.Module = prepared
    if config.compile and accelerator.device.type == "cuda":
        module.compile_repeated_blocks(dynamic=True)  # once for all layouts
    elif config.compile and can_compile(accelerator.device):
        # One graph per layout and width of prompts: a graph for all sizes is slower, and fails
        # to compile on CPUs if a larger layout comes first (torch 2.13).
        torch._dynamo.config.recompile_limit = 8 * len(config.layouts)
        running = torch.compile(prepared, dynamic=False)  # pyright: ignore[reportAssignmentType]
    ema = EMAModel(module.parameters(), decay=config.ema, foreach=True)
    ema.to(accelerator.device)
    return TrainState(
        config,
        accelerator,
        module,
        mini_backbone(module, facts).with_module(running),
        averaged,
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


def facts_of(config: TrainConfig, *, has_text: bool) -> BackboneFacts:
    """What the model of a run states about itself."""
    factor = 1 if config.upscaler is None else FACTOR
    return BackboneFacts(
        family="mini",
        name=config.name,
        layout=str(config.default_layout),
        trained_layouts=tuple(dict.fromkeys(share.layout for share in config.layouts)),
        cell=(factor * config.cell, factor * config.cell),
        stride=factor * config.model.patch,
        upscaler=config.upscaler,
        has_text=has_text and config.caption_dropout < 1,
        per_cell_sigma=config.keep_probability > 0,
        wording=config.wording if config.wording_probability > 0 else Wording.NONE,
        num_steps=config.num_steps,
        guidance_scale=config.guidance_scale,
        shift=config.shift,
        fps=config.fps,
        licence=config.licence,
        training={"config": config.model_dump(mode="json", exclude={"out"})},
        versions=current_versions(),
    )


def copy_average(state: TrainState) -> Backbone:
    """Bring the averaged backbone up to date."""
    state.ema.copy_to(state.averaged.module.parameters())
    return state.averaged


def save_checkpoint(state: TrainState) -> Path:
    """Write a checkpoint under a temporary name, rename it, and delete the oldest.

    Raises:
        CheckpointError: if it cannot be written; earlier checkpoints stay.
    """
    folder = state.config.out / "checkpoints" / f"step-{state.progress.step:08d}"
    if state.accelerator.is_main_process:
        averaged = copy_average(state)
        told = {**averaged.facts.training, "progress": state.progress.model_dump()}
        facts = averaged.facts.model_copy(update={"training": told})
        try:
            with atomic_folder(folder, may_replace=lambda _: True) as part:
                save_module(merge_lora(averaged.module), facts, part / "model")
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
        state.module.load_state_dict(load_file(training / "weights.safetensors"))
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
    names = [name for name, _ in state.module.named_parameters()]
    state.ema.load_state_dict(
        {
            "optimization_step": state.progress.ema_step,
            "shadow_params": [averages[name].to(state.accelerator.device) for name in names],
        }
    )
    return True


def _save_training(state: TrainState, folder: Path) -> None:
    folder.mkdir()
    save_file(state.module.state_dict(), folder / "weights.safetensors")
    names = [name for name, _ in state.module.named_parameters()]
    averages = dict(zip(names, state.ema.shadow_params, strict=True))
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


def _first_module(config: TrainConfig) -> GridTransformer:
    """The weights a run begins with, those that train marked so.

    The global generator is left as it was.

    Raises:
        CheckpointError: if the other model cannot be loaded.
        ConfigError: if it has another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        module = _given_module(config)
        if config.details_alone:
            for name, parameter in module.named_parameters():
                parameter.requires_grad_(name.startswith("details."))
        if config.lora is not None:
            rank = config.lora.rank
            module.requires_grad_(False)
            module.add_adapter(
                LoraConfig(
                    r=rank,
                    target_modules=rf"blocks\..*({'|'.join(LAYERS)})",
                    lora_alpha=config.lora.alpha or rank,  # pyright: ignore[reportArgumentType]
                )
            )
    return module


def _given_module(config: TrainConfig) -> GridTransformer:
    """Those of the model that the run starts from, or fresh ones from its seed."""
    fresh = GridTransformer(**config.model.model_dump())
    if config.start_from is None or newest_checkpoint(config.out):
        return fresh
    given = load_mini(config.start_from).module
    assert isinstance(given, GridTransformer)
    wanted = config.model.model_dump()
    found = {key: given.config[key] for key in wanted}
    grows = {"depth", "detail"} | ({"detail_dim"} if not found["detail"] else set())
    other = [key for key in ("depth", "detail") if found[key] > wanted[key]]
    other += [key for key in wanted if found[key] != wanted[key] and key not in grows]
    if other:
        raise ConfigError(
            f"The model {config.start_from}, which start_from names, has model.{other[0]} "
            f"{found[other[0]]!r}, and this run has {wanted[other[0]]!r}. Give model the "
            "architecture of those weights, or more of depth or detail, or leave start_from out "
            "to begin with random ones."
        )
    # Blocks that the given model lacks begin as no change: their gates and paint are 0.
    fresh.load_state_dict(given.state_dict(), strict=False)
    return fresh.train().requires_grad_(True)
