"""What can be refused before any weight is loaded. Free of torch."""

import json
import os
from pathlib import Path

from filmgrid.bench.config import BenchConfig, Ours, Theirs
from filmgrid.bench.peers.table import BY_NAME
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.inputs import Described
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import find_model, load_facts
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest, Task


def check_subjects(config: BenchConfig) -> None:
    """Refuse subjects that cannot be opened, as far as can be told without weights.

    Raises:
        FilmgridError: with what fits.
    """
    for spec in config.parsed:
        if isinstance(spec, Ours):
            _check_ours(spec, config)
        else:
            _check_peer(spec)


def sizes_of(spec: Ours, config: BenchConfig, facts: BackboneFacts) -> tuple[Layout, CellSize]:
    """Layout and cell of a subject of ours: its own, the benchmark's, or the model's."""
    layout = spec.layout or (Layout.parse(config.layout) if config.layout else None)
    cell = facts.default_cell if config.cell is None else CellSize.parse(config.cell)
    return layout or facts.default_layout, cell


def _check_ours(spec: Ours, config: BenchConfig) -> None:
    """Refuse a model that is not there, and sizes that do not fit it."""
    facts = load_facts(find_model(spec.model), spec.model)
    layout, cell = sizes_of(spec, config, facts)
    request = GenerateRequest(layout=str(layout), cell=str(cell))
    make_plan(request, facts, Described())
    if spec.task != Task.TEXT and layout.num_cells < 2:
        raise ConfigError(
            f"{spec.text} keeps given frames, and a {layout} grid has no room for others. Use a "
            "layout of at least two cells."
        )


def _check_peer(spec: Theirs) -> None:
    """Refuse frames of an image model, and a folder that holds no such pipeline."""
    peer = BY_NAME[spec.name]
    if spec.clip is not None and spec.clip.frames != 1 and not peer.has_frames:
        raise ConfigError(
            f"{spec.text} asks for {spec.clip.frames} frames, and {spec.name} makes one image. Ask "
            f"for 1x{spec.clip.height}x{spec.clip.width}, where a grid of them has room."
        )
    if spec.weights != "trained":
        return
    base, _, adapter = spec.place.partition(",")
    wanted = peer.pipeline
    folder = Path(os.path.expanduser(base))
    if not folder.is_dir():
        if len(base.split("/")) == 2 and not folder.is_absolute():
            return  # a Hub id, as far as can be told without asking
        raise CheckpointError(
            f"{base} is neither a folder nor a Hub id, which has the form OWNER/NAME. Name a "
            f"folder that {wanted}.save_pretrained made, or write {spec.name}=random."
        )
    try:
        told = json.loads((folder / "model_index.json").read_bytes())
        found = told["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder} holds no pipeline: it has no model_index.json that can be read. Name a "
            f"folder that {wanted}.save_pretrained made, a Hub id, or {spec.name}=random."
        ) from error
    if found != wanted and not adapter:
        raise CheckpointError(
            f"{folder} holds a {found}, and {spec.name} is timed as a {wanted}. Name a folder of "
            "that pipeline."
        )
