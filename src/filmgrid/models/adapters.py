"""LoRAs of pretrained pipelines: which layers they change, and their files."""

from pathlib import Path
from typing import Any

from diffusers.loaders.lora_base import LoraBaseMixin
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from filmgrid.errors import CheckpointError
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import LORA_LAYOUTS
from filmgrid.models.placing import lora_place

LORA_FILE = "pytorch_lora_weights.safetensors"
PREFIX = "transformer"
"""Begins the names of its tensors, which belong to that part of a pipeline."""
LORA_FACTS = "filmgrid.facts"
"""Entry of the header with all that is known of the training, as JSON."""


def block_layers(network: nn.Module) -> list[str]:
    """Linear layers of the blocks of a transformer, by name, without those of LoRAs in them.

    GRID changes every one of them, modulation included: at rank 16 that is 86M numbers of FLUX.1.
    """
    return [name for name, module in network.named_modules() if _is_of_a_block(name, module)]


def _is_of_a_block(name: str, module: nn.Module) -> bool:
    parts = name.split(".")
    inside = any(part.isdigit() for part in parts) and not {"lora_A", "lora_B"} & set(parts)
    return inside and isinstance(module, nn.Linear)


def add_lora(
    network: Any,
    rank: int,
    alpha: float | None = None,
    *,
    layers: str | list[str] | None = None,
    dora: bool = False,
) -> int:
    """Freeze a network and add low-rank changes, which train in 32 bits.

    Args:
        network: of diffusers.
        rank: of each change.
        alpha: changes are scaled by alpha / rank; by default it is the rank.
        layers: by name or pattern; by default all linear layers of the blocks.
        dora: whether the length of each row is learned apart.

    Returns:
        Number of layers that are changed.
    """
    network.requires_grad_(False)
    network.add_adapter(
        LoraConfig(
            r=rank,
            target_modules=block_layers(network) if layers is None else layers,
            lora_alpha=alpha or rank,  # pyright: ignore[reportArgumentType]
            use_dora=dora,
        )
    )
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return sum("default" in getattr(module, "lora_A", ()) for module in network.modules())


def load_lora(pipeline: Any, place: str) -> None:
    """Give the adapter of a pipeline, named ``default``, the weights of a LoRA, to train on.

    Args:
        pipeline: whose transformer has the adapter.
        place: a file, a folder, a training run, or an id on the Hub.

    Raises:
        CheckpointError: if the LoRA is missing, or has other layers or another rank.
    """
    where, options = lora_place(place)
    network = pipeline.transformer
    try:
        found = type(pipeline).lora_state_dict(where, **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        text = " ".join(str(error).split())[:160]
        raise CheckpointError(f"The LoRA {place} cannot be read: {text}") from error
    weights = {key.removeprefix("transformer."): value for key, value in found.items()}
    wanted = get_peft_model_state_dict(network, adapter_name="default")
    shapes = {key: tuple(value.shape) for key, value in wanted.items()}
    other = [key for key, value in weights.items() if tuple(value.shape) != shapes.get(key)]
    if other or weights.keys() != shapes.keys():
        first = min(other or weights.keys() ^ shapes.keys())
        raise CheckpointError(
            f"The LoRA {place} does not fit the one that is trained: {first} is "
            f"{list(weights[first].shape) if first in weights else 'missing'} and must be "
            f"{list(shapes[first]) if first in shapes else 'left out'}. Give both the same rank, "
            "and train the same model."
        )
    set_peft_model_state_dict(network, weights, adapter_name="default")


def save_lora(network: Any, weights: dict[str, Tensor], facts: BackboneFacts, folder: Path) -> None:
    """Write the LoRA that was trained in a network, as diffusers reads it.

    The header has rank and alpha in diffusers' own entry, the layouts that it was trained on, and
    the facts.

    Args:
        network: with one adapter, named ``default``.
        weights: of the adapter, by their names in the network.
        facts: of the backbone.
        folder: is made if missing.
    """
    layers = get_peft_model_state_dict(network, weights, adapter_name="default")
    told = network.peft_config["default"].to_dict()
    LoraBaseMixin.write_lora_layers(
        LoraBaseMixin.pack_weights(layers, PREFIX),
        str(folder),
        is_main_process=True,
        weight_name=LORA_FILE,
        save_function=None,  # pyright: ignore[reportArgumentType]
        safe_serialization=True,
        lora_adapter_metadata={f"{PREFIX}.{key}": value for key, value in told.items()},
    )
    file = folder / LORA_FILE
    with safe_open(file, "pt") as opened:
        header = dict(opened.metadata() or {})
    header[LORA_LAYOUTS] = ",".join(facts.trained_layouts)
    header[LORA_FACTS] = facts.model_dump_json()
    save_file(load_file(file), file, header)
