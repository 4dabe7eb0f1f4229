"""What a folder of a diffusers pipeline says about itself. Torch-free."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from filmgrid.errors import CheckpointError
from filmgrid.grid.prompts import Wording
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.hub import INDEX
from filmgrid.models.known import Known, known_by_hub

FAMILIES = {
    "FluxPipeline": "flux",
    "Flux2KleinPipeline": "flux2",
    "ZImagePipeline": "z-image",
    "DiTPipeline": "dit",
}
"""Family of each class of pipeline that is known."""

LINEAR = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 2e-2}
"""Schedule of DDPM and DiT, by the names of diffusers."""
SPACING = ("timestep_spacing", "steps_offset")
"""Settings of a scheduler that say which of its timesteps few steps visit."""
LAYOUT, CELL = "4x4", (256, 256)
"""A grid of one megapixel, the size that these models paint best."""
PATCH = 2
"""Latents per token side, in all of these families."""
UNUSUAL = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "shift_terminal")
"""Settings of a scheduler that change its levels in a way that is not ours."""


def pipeline_facts(folder: Path, name: str) -> BackboneFacts:
    """Read configuration files; no weight is opened.

    Args:
        folder: of a pipeline, as ``save_pretrained`` of diffusers writes it.
        name: for people: the Hub id, or the folder's name.

    Raises:
        CheckpointError: if a file is missing or of a family that is not known.
    """
    index = _read(folder / INDEX)
    check_family(index, name)
    return facts_of_parts(
        index,
        _read(folder / "transformer" / "config.json"),
        _read(folder / "vae" / "config.json"),
        _read(folder / "scheduler" / "scheduler_config.json"),
        name,
        _licence_of(folder),
    )


def check_family(index: Mapping[str, Any], name: str) -> str:
    """Family of a pipeline, by its index.

    Raises:
        CheckpointError: if it is not known.
    """
    kind = str(index.get("_class_name"))
    if kind not in FAMILIES:
        raise CheckpointError(
            f"{name} is a {kind} of diffusers, and filmgrid knows {', '.join(FAMILIES)}. Name a "
            "model of one of these."
        )
    return FAMILIES[kind]


def facts_of_parts(
    index: Mapping[str, Any],
    network: Mapping[str, Any],
    vae: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    name: str,
    licence: str = "unknown",
) -> BackboneFacts:
    """Facts from the configurations of a pipeline's parts.

    Args:
        index: of the pipeline.
        network: of its transformer.
        vae: of its autoencoder.
        scheduler: of its scheduler.
        name: Hub id of the pipeline, or another name for people.
        licence: what its card says.

    Raises:
        CheckpointError: if the family is not known, or the scheduler does what ours does not.
    """
    family = check_family(index, name)
    if family == "dit":
        return _facts_of_dit(network, vae, scheduler, name, licence)
    known = known_by_hub(name) or _guessed(family, name, index, network)
    return BackboneFacts(
        family=family,
        name=name,
        layout=LAYOUT,
        trained_layouts=(),
        cell=CELL,
        stride=2 ** (len(vae["block_out_channels"]) - 1) * PATCH,
        has_text=True,
        per_cell_sigma=False,
        text_length=256 if family == "flux" and not network["guidance_embeds"] else 512,
        num_steps=known.num_steps,
        guidance_scale=known.guidance_scale,
        guidance="embedded" if network.get("guidance_embeds") else "two-pass",
        licence=known.licence if known.licence != "unknown" else licence,
        licence_note=known.licence_note,
        **_schedule(scheduler, family, name),
    )


def _facts_of_dit(
    network: Mapping[str, Any],
    vae: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    name: str,
    licence: str,
) -> BackboneFacts:
    """DiT: one size, classes for prompts, the levels of a variance-preserving process."""
    known = known_by_hub(name) or Known("", licence, 50, 4.0, "")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    side = network["sample_size"] * factor
    process = {**LINEAR, "prediction_type": "epsilon", "beta_schedule": "linear"}
    process |= {"trained_betas": None, "rescale_betas_zero_snr": False}
    for key, value in process.items():
        if scheduler.get(key, value) != value:
            raise CheckpointError(
                f"The scheduler of {name} has {key} {scheduler[key]!r}, and DiT is sampled with "
                f"{value!r}. Use the scheduler that the model was published with."
            )
    steps, low, high = LINEAR.values()
    signal = float(np.prod(1 - np.linspace(low, high, steps)))
    alpha, noise = signal**0.5, (1 - signal) ** 0.5
    return BackboneFacts(
        family="dit",
        name=name,
        layout="1x1",
        trained_layouts=("1x1",),
        cell=(side, side),
        canvas=(side, side),
        stride=factor * network["patch_size"],
        predicts="noise",
        scheduler={key: scheduler[key] for key in SPACING if key in scheduler},
        sigma_max=noise / (alpha + noise),
        has_text=network["num_embeds_ada_norm"] > 1,
        per_cell_sigma=False,
        wording=Wording.NONE,
        coding="grid",
        num_steps=known.num_steps,
        guidance_scale=known.guidance_scale,
        shift_rule="fixed",
        licence=known.licence,
        licence_note=known.licence_note,
    )


def _guessed(family: str, name: str, index: Mapping[str, Any], network: Mapping[str, Any]) -> Known:
    """Steps and guidance of a pipeline that is not known by its name, such as a fine-tuned one."""
    if family == "flux":
        steps, guidance = (28, 3.5) if network["guidance_embeds"] else (4, 1.0)
    elif family == "flux2":
        steps, guidance = (4, 1.0) if index.get("is_distilled") else (50, 4.0)
    else:
        steps, guidance = (8, 1.0) if "turbo" in name.lower() else (50, 5.0)
    return Known("", "unknown", steps, guidance, "")


def _schedule(config: Mapping[str, Any], family: str, name: str) -> dict[str, Any]:
    """How the shift follows what is generated."""
    other = [key for key in UNUSUAL if config.get(key)]
    if config.get("time_shift_type", "exponential") != "exponential":
        other.append("time_shift_type")
    if other:
        raise CheckpointError(
            f"The scheduler of {name} sets {other[0]}, which filmgrid's sampler does not follow. "
            "Use the scheduler that the model was published with."
        )
    if not config.get("use_dynamic_shifting"):
        return {"shift_rule": "fixed", "shift": config.get("shift", 1.0)}
    if family == "flux2":
        return {"shift_rule": "flux2"}
    line = (
        config.get("base_image_seq_len", 256),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.5),
        config.get("max_shift", 1.15),
    )
    return {"shift_rule": "flux", "shift_line": line}


def _licence_of(folder: Path) -> str:
    """What the model card says, if there is one."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    head = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8"), re.DOTALL)
    try:
        said = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        return "unknown"
    told = said if isinstance(said, dict) else {}
    return str(told.get("license_name") or told.get("license") or "unknown")


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged. Copy the whole folder of the pipeline again."
        ) from error
