"""Tiny pipelines of the real classes with random weights, saved as the real ones are."""

from pathlib import Path
from typing import Any

import torch

from filmgrid.bench.peers.table import BY_NAME
from filmgrid.models.published.build import build
from filmgrid.models.published.parts import find

NAMES = ("flux", "flux2-klein", "z-image")


def save_tiny(name: str, folder: Path) -> Any:
    """Build the tiny pipeline of a peer, save it, and give it back."""
    peer = BY_NAME[name]
    torch.manual_seed(0)
    parts = build(peer.tiny.parts(), torch.device("cpu"), torch.float32, name)
    pipeline = find(f"diffusers:{peer.pipeline}")(**parts)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline
