"""LoRAs of pretrained pipelines: which layers they change, and their files."""

from pathlib import Path
from typing import Any

from diffusers.training_utils import _collate_lora_metadata
from peft import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import LORA_LAYOUTS

LORA_FILE = "pytorch_lora_weights.safetensors"
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


def save_lora(pipeline: Any, facts: BackboneFacts, folder: Path) -> None:
    """Write the LoRA that was trained in a pipeline, as diffusers reads it.

    The header has rank and alpha in diffusers' own entry, the layouts that it was trained on, and
    the facts.

    Args:
        pipeline: whose transformer has one adapter, named ``default``.
        facts: of the backbone.
        folder: is made if missing.
    """
    network = pipeline.transformer
    type(pipeline).save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(network, adapter_name="default"),
        **_collate_lora_metadata({"transformer": network}),
    )
    file = folder / LORA_FILE
    with safe_open(file, "pt") as opened:
        header = dict(opened.metadata() or {})
    header[LORA_LAYOUTS] = ",".join(facts.trained_layouts)
    header[LORA_FACTS] = facts.model_dump_json()
    save_file(load_file(file), file, header)
