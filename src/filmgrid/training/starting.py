"""What a run begins with: a network, which of its weights train, and how it is called."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from filmgrid.data.provenance import current_versions
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout, check_stride
from filmgrid.loading import Loading
from filmgrid.models.adapters import add_lora, load_lora
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import Codec, PixelCodec
from filmgrid.models.dit import make_trainable
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.families import load_mini, load_pipeline, mini_backbone
from filmgrid.models.mini import GridTransformer
from filmgrid.models.places import find_model, load_facts, newest_checkpoint
from filmgrid.models.upscaler import FACTOR
from filmgrid.process.gaussian import ddpm
from filmgrid.sampling.upscale import GIVEN
from filmgrid.training.config import TrainConfig
from filmgrid.training.model_config import LoraSettings
from filmgrid.training.optim import LAYERS


@dataclass(frozen=True)
class Start:
    """A network that is ready to be trained.

    Args:
        backbone: whose module has the weights; those that train require a gradient.
        codec: between frames and what the backbone sees.
    """

    backbone: Backbone
    codec: Codec


def start_network(
    config: TrainConfig, dtype: torch.dtype, device: torch.device, *, has_text: bool
) -> Start:
    """The network that a run begins with: fresh, or that of ``start_from``.

    The global generator is left as it was.

    Args:
        config: of the run.
        dtype: of the weights that do not train in a pretrained pipeline.
        device: where it will train.
        has_text: whether the data has captions.

    Raises:
        CheckpointError: if the other model cannot be loaded.
        ConfigError: if it has another architecture, or does not fit the run.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        found = _find_pretrained(config)
        if found is not None:
            return _start_pretrained(config, *found, dtype, device)
        module = _given_module(config)
        if config.train_only != "all":
            part = {"detail": "details.", "motion": "compensation."}[config.train_only]
            for name, parameter in module.named_parameters():
                parameter.requires_grad_(name.startswith(part))
        if config.lora is not None:
            if config.lora.start_from is not None:
                raise ConfigError(
                    "lora.start_from is for pretrained pipelines. The LoRA of a grid transformer "
                    "is merged into its checkpoints: name the run in start_from."
                )
            add_lora_to_grid(module, config.lora)
    return Start(mini_backbone(module, facts_of(config, has_text=has_text)), PixelCodec())


def add_lora_to_grid(network: GridTransformer, lora: LoraSettings) -> None:
    """Freeze a grid transformer and add low-rank changes to the matrices of its blocks."""
    layers = rf"blocks\..*({'|'.join(LAYERS)})"
    add_lora(network, lora.rank, lora.alpha, layers=layers, dora=lora.dora)


def facts_of(config: TrainConfig, *, has_text: bool) -> BackboneFacts:
    """What the grid transformer of a run states about itself."""
    factor = 1 if config.upscaler is None else FACTOR
    asked = config.super_resolution
    of_noise = config.objective == "iddpm"
    return BackboneFacts(
        family="mini",
        name=config.name,
        layout=str(config.default_layout),
        trained_layouts=_layouts(config),
        cell=(factor * config.cell, factor * config.cell),
        stride=factor * config.model.patch,
        upscaler=config.upscaler,
        super_resolution=None if asked is None else asked.factor,
        has_text=has_text and config.caption_dropout < 1,
        per_cell_sigma=config.keep_probability > 0,
        wording=_wording(config),
        predicts="noise" if of_noise else "velocity",
        scheduler={"timestep_spacing": "trailing"} if of_noise else {},
        sigma_max=ddpm().sigma_max if of_noise else 1.0,
        num_steps=config.num_steps,
        guidance_scale=config.guidance_scale,
        shift=config.shift,
        fps=config.fps,
        licence=config.licence,
        training={"config": config.model_dump(mode="json", exclude={"out"})},
        versions=current_versions(),
    )


def _find_pretrained(config: TrainConfig) -> tuple[Path, BackboneFacts] | None:
    """Folder and facts of the pipeline that the run starts from, if it is one."""
    if config.start_from is None:
        return None
    try:
        folder = find_model(config.start_from, weights=True)
        facts = load_facts(folder, config.start_from)
    except CheckpointError:
        if newest_checkpoint(config.out) is None:
            raise
        return None  # a grid transformer goes on without the one that it started from
    return (folder, facts) if facts.is_pretrained else None


def _start_pretrained(
    config: TrainConfig,
    folder: Path,
    facts: BackboneFacts,
    dtype: torch.dtype,
    device: torch.device,
) -> Start:
    _check_pretrained(config, facts)
    if config.lora is None:
        dtype = torch.float32  # all weights train
    loading = Loading(quantize=config.quantize)
    backbone, codec = load_pipeline(folder, facts, dtype, device, loading)
    network: Any = backbone.module
    if config.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    if config.lora is None:
        make_trainable(network)
        return Start(_told(backbone, config), codec)
    add_lora(network, config.lora.rank, config.lora.alpha, dora=config.lora.dora)
    if config.lora.start_from is not None and newest_checkpoint(config.out) is None:
        load_lora(backbone.pipeline, config.lora.start_from)
    return Start(_told(backbone, config), codec)


def _told(backbone: Any, config: TrainConfig) -> Backbone:
    """A pretrained backbone with what the run will have taught it in its facts."""
    facts = backbone.facts.model_copy(
        update={
            "layout": str(config.default_layout),
            "trained_layouts": _layouts(config),
            "cell": (config.cell, config.cell),
            "wording": _wording(config),
            "training": {"config": config.model_dump(mode="json", exclude={"out"})},
            "versions": current_versions(),
        }
    )
    return replace(backbone, facts=facts)


def _layouts(config: TrainConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(share.layout for share in config.layouts))


def _wording(config: TrainConfig) -> Wording:
    return config.wording if config.wording_probability > 0 else Wording.NONE


def _check_pretrained(config: TrainConfig, facts: BackboneFacts) -> None:
    """Refuse what cannot be trained on a pipeline of diffusers.

    Raises:
        ConfigError: naming the setting.
    """
    _check_objective(config, facts)
    if facts.predicts == "noise":
        _check_of_noise(config, facts)
    elif config.lora is None:
        raise ConfigError(
            f"{facts.name} is a pretrained pipeline, and only LoRAs of it are trained. Set lora, "
            "for example with rank 16."
        )
    if config.keep_probability:
        raise ConfigError(
            f"{facts.name} has one noise level for the whole grid, so that no cell can be kept "
            f"clean, and keep_probability is {config.keep_probability:g}. Set it to 0."
        )
    if config.upscaler is not None:
        raise ConfigError(
            f"upscaler is for grid transformers of ours. Leave it out of a LoRA of {facts.name}."
        )
    check_stride(config.cell_size, facts.stride)


def _check_objective(config: TrainConfig, facts: BackboneFacts) -> None:
    wanted = "iddpm" if facts.predicts == "noise" else "flow"
    if config.objective != wanted:
        raise ConfigError(
            f"{facts.name} predicts {facts.predicts} and is trained by the objective {wanted}, not "
            f"by {config.objective}. Set objective {wanted}."
        )


def _check_of_noise(config: TrainConfig, facts: BackboneFacts) -> None:
    """Refuse what DiT and GriDiT cannot be trained with: all their weights are, at one size."""
    if config.shard:
        raise ConfigError(
            f"shard is for LoRAs and grid transformers of ours, and all weights of {facts.name} "
            "train. Leave it out."
        )
    if config.lora is not None or config.quantize != "none":
        name = "quantize" if config.lora is None else "lora"
        raise ConfigError(
            f"{facts.name} is trained with all its weights, since diffusers reads no LoRA of it. "
            f"Leave {name} out."
        )
    for share in config.layouts:
        layout = Layout.parse(share.layout)
        size = layout.grid_size(config.cell_size)
        if facts.canvas is not None and tuple(size) != facts.canvas:
            raise ConfigError(
                f"{facts.name} paints grids of {CellSize(*facts.canvas)} px alone, and {layout} "
                f"cells of {config.cell} px make one of {size}. Set cell to "
                f"{facts.canvas[0] // layout.rows} for this layout."
            )
    if not facts.has_text and config.caption_dropout < 1:
        raise ConfigError(
            f"{facts.name} has no classes and reads no captions. Set caption_dropout to 1."
        )
    if facts.has_text and config.wording != Wording.NONE:
        raise ConfigError(
            f"Captions for {facts.name} are names or numbers of classes alone, and wording is "
            f"{config.wording}. Set wording to none."
        )


def _given_module(config: TrainConfig) -> GridTransformer:
    """Those of the model that the run starts from, or fresh ones from its seed."""
    if config.objective == "iddpm" and config.model.predicts != "noise":
        raise ConfigError(
            f"The objective iddpm teaches noise, and this grid transformer predicts "
            f"{config.model.predicts}. Set model.predicts to noise and model.copies to false."
        )
    beside = 0 if config.super_resolution is None else GIVEN
    fresh = GridTransformer(**config.model.model_dump(), given_channels=beside)
    if config.start_from is None or newest_checkpoint(config.out):
        return fresh
    given = load_mini(config.start_from).module
    assert isinstance(given, GridTransformer)
    wanted = config.model.model_dump()
    found = {key: given.config[key] for key in wanted}
    grows = {"depth", "detail", "motion"}
    other = [key for key in sorted(grows) if found[key] > wanted[key]]
    grows |= {f"{part}_dim" for part in ("detail", "motion") if not found[part]}
    other += [key for key in wanted if found[key] != wanted[key] and key not in grows]
    if other:
        raise ConfigError(
            f"The model {config.start_from}, which start_from names, has model.{other[0]} "
            f"{found[other[0]]!r}, and this run has {wanted[other[0]]!r}. Give model the "
            "architecture of those weights, or more of depth, detail or motion, or leave "
            "start_from out to begin with random ones."
        )
    # Blocks that the given model lacks begin as no change: their gates and paint are 0. So do
    # channels that it was not given. Motion compensation begins as next to none.
    weights = given.state_dict()
    read = weights["stem.weight"]
    lacking = fresh.stem.weight.shape[1] - read.shape[1]
    if lacking < 0:
        raise ConfigError(
            f"The model {config.start_from}, which start_from names, enlarges small frames, and "
            "this run has none. Set super_resolution, or start from another."
        )
    weights["stem.weight"] = F.pad(read, (0, lacking))
    fresh.load_state_dict(weights, strict=False)
    return fresh.train().requires_grad_(True)
