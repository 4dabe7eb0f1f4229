"""Weights of DiT and GriDiT as their trainers save them, made into a folder of a pipeline.

Nothing is unpickled but tensors, containers and ``argparse.Namespace``, in which those trainers
keep their settings.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from einops import rearrange
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from filmgrid.data.files import atomic_folder
from filmgrid.errors import CheckpointError
from filmgrid.grid.spec import Layout
from filmgrid.models.checkpoints import load_module
from filmgrid.models.dit_positions import POSITIONS, frame_table
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.hub import INDEX
from filmgrid.models.known import NON_COMMERCIAL
from filmgrid.models.pipelines import facts_of_parts
from filmgrid.models.places import FACTS
from filmgrid.models.weight_files import read_weights

Positions = Literal["saved", "2d", "frames"]
HEAD = 72
"""Width of an attention head in all of DiT's sizes."""
LICENCE = "CC-BY-NC-4.0"
"""Of all weights that Meta and GriDiT published."""


def import_dit(
    file: Path,
    vae: Path,
    out: Path,
    *,
    positions: Positions = "saved",
    layout: str = "1x1",
    weights: Literal["ema", "model"] = "ema",
) -> BackboneFacts:
    """Make a checkpoint of DiT or GriDiT a model that filmgrid and diffusers load.

    Args:
        file: .pt, the weights alone or with a trainer's averages, optimiser and settings.
        vae: folder of the autoencoder that it was trained with, as diffusers saves it.
        out: folder that is made.
        positions: ``saved`` takes the table in the file, as its sampler does; ``2d`` the rows and
            columns of DiT; ``frames`` the frame of each token and its place in it, in the order
            of the tokens. (GriDiT's own table of frames is in another order than its tokens.)
        layout: that it was trained on.
        weights: the averages, where there are any, or those that were trained.

    Raises:
        CheckpointError: if the file is missing, damaged, holds code, or is no DiT.
        ConfigError: if the positions do not fit.
    """
    state = _read(file, weights)
    config = _config_of(state, file)
    grid = Layout.parse(layout)
    network = DiTTransformer2DModel(**config)
    missing, unexpected = network.load_state_dict(_renamed(state, config), strict=False)
    if missing or unexpected:
        raise CheckpointError(
            f"{file} is no DiT: {(missing or unexpected)[0]} is "
            f"{'missing' if missing else 'not part of one'}."
        )
    table = _table(state, config, positions, grid)
    autoencoder = load_module(AutoencoderKL, vae, torch.float32)
    index = {
        "_class_name": "DiTPipeline",
        "id2label": None,
        "transformer": ["diffusers", "DiTTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    scheduler = DDIMScheduler(clip_sample=False)
    facts = facts_of_parts(
        index, network.config, autoencoder.config, scheduler.config, out.name, LICENCE
    )
    side = facts.cell[0]
    facts = facts.model_copy(
        update={
            "layout": layout,
            "trained_layouts": (layout,),
            "cell": (side // grid.rows, side // grid.cols),
            "licence_note": NON_COMMERCIAL.format(licence=LICENCE),
        }
    )
    with atomic_folder(out) as part:
        network.save_pretrained(part / "transformer")
        save_file({"table": table}, part / "transformer" / POSITIONS)
        autoencoder.save_pretrained(part / "vae")
        scheduler.save_pretrained(part / "scheduler")
        (part / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
        (part / FACTS).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return facts


def _read(file: Path, weights: str) -> dict[str, Tensor]:
    held = read_weights(file, also=[argparse.Namespace])
    if isinstance(held, Mapping) and not isinstance(next(iter(held.values()), None), Tensor):
        held = held.get(weights) or held.get("model")
    if not isinstance(held, Mapping) or "x_embedder.proj.weight" not in held:
        raise CheckpointError(f"{file} is no DiT: it has no x_embedder.proj.weight.")
    return dict(held)


def _config_of(state: Mapping[str, Tensor], file: Path) -> dict[str, Any]:
    """The architecture, from the shapes of the weights."""
    try:
        width, channels, patch = state["x_embedder.proj.weight"].shape[:3]
        blocks = {int(name.split(".")[1]) for name in state if name.startswith("blocks.")}
        tokens = state["pos_embed"].shape[1]
        out = state["final_layer.linear.weight"].shape[0] // patch**2
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{file} is no DiT: {error} is missing.") from error
    classes = state.get("y_embedder.embedding_table.weight")
    return {
        "num_attention_heads": max(1, width // HEAD),
        "attention_head_dim": width // max(1, width // HEAD),
        "in_channels": channels,
        "out_channels": out,
        "num_layers": len(blocks),
        "sample_size": round(tokens**0.5) * patch,
        "patch_size": patch,
        "num_embeds_ada_norm": 1 if classes is None else len(classes) - 1,
    }


def _renamed(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights by the names of diffusers, which has the embedders in every block."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    labels = state.get("y_embedder.embedding_table.weight")
    if labels is None:  # without classes: one, and none, that add nothing
        labels = torch.zeros(2, width)
    made: dict[str, Tensor] = {"emb.class_embedder.embedding_table.weight": labels}
    plain = {
        "attn.proj": "attn1.to_out.0",
        "mlp.fc1": "ff.net.0.proj",
        "mlp.fc2": "ff.net.2",
        "adaLN_modulation.1": "norm1.linear",
    }
    outside = {
        "x_embedder.proj": "pos_embed.proj",
        "final_layer.linear": "proj_out_2",
        "final_layer.adaLN_modulation.1": "proj_out_1",
        "t_embedder.mlp.0": "emb.timestep_embedder.linear_1",
        "t_embedder.mlp.2": "emb.timestep_embedder.linear_2",
    }
    for name, value in state.items():
        stem, _, kind = name.rpartition(".")
        if stem in outside:
            made[f"{outside[stem]}.{kind}"] = value
        elif name.startswith("blocks."):
            _, block, inner = stem.split(".", 2)
            place = f"transformer_blocks.{block}"
            if inner == "attn.qkv":
                for part, letter in zip(value.chunk(3), "qkv", strict=True):
                    made[f"{place}.attn1.to_{letter}.{kind}"] = part
            else:
                made[f"{place}.{plain.get(inner, inner)}.{kind}"] = value
        elif name not in ("pos_embed", "y_embedder.embedding_table.weight"):
            made[name] = value
    shared = {name: made.pop(name) for name in list(made) if name.startswith("emb.")}
    for block in range(config["num_layers"]):
        for name, value in shared.items():
            made[f"transformer_blocks.{block}.norm1.{name}"] = value
    return {name: value.clone().contiguous() for name, value in made.items()}


def _table(
    state: Mapping[str, Tensor], config: Mapping[str, Any], positions: Positions, layout: Layout
) -> Float[Tensor, "tokens width"]:
    width = config["num_attention_heads"] * config["attention_head_dim"]
    side = config["sample_size"] // config["patch_size"]
    if positions == "saved":
        return rearrange(state["pos_embed"].float(), "1 t d -> t d").contiguous()
    if positions == "frames":
        return frame_table(width, side, layout)
    table: Any = get_2d_sincos_pos_embed(width, side, base_size=side, output_type="pt")
    return table.float()
