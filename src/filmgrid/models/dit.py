"""DiT and GriDiT: classes instead of prompts, noise predicted, a variance-preserving process."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.pack import pack_grid, split_grid
from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Condition
from filmgrid.models.dit_positions import save_positions
from filmgrid.models.hub import INDEX
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.process.gaussian import ddpm

LATENTS = 4
"""Channels of its latents; what a network that learned its variance gives beyond is that."""


@dataclass(frozen=True)
class DitBackbone(PretrainedBackbone):
    """A ``DiTTransformer2DModel``: a prompt is the name or the number of a class.

    Networks without classes, such as GriDiT's, have a single one that says nothing.

    Source: DiT, arXiv:2212.09748; GriDiT, arXiv:2512.21276.
    """

    def check(self, prompts: Sequence[str]) -> None:
        """Refuse prompts that are no class."""
        for prompt in prompts:
            self._label(prompt)

    def embed(self, prompts: list[str]) -> Condition:
        """Numbers of classes."""
        device = next(self.module.parameters()).device
        return {"label": torch.tensor([self._label(each) for each in prompts], device=device)}

    def blank(self, count: int) -> Condition:
        """No class."""
        device = next(self.module.parameters()).device
        return {"label": torch.full((count,), self._no_label, device=device)}

    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict velocity from the noise that the network predicts at the nearest timestep."""
        if grid.shape[-1] != grid.shape[-2]:
            raise ShapeError(
                f"{self.facts.name} paints square grids, and this one is {grid.shape[-2]}x"
                f"{grid.shape[-1]} latents. Use a layout of as many rows as columns, and square "
                "cells."
            )
        level = sigma.float().clamp(max=ddpm().sigma_max)
        noise = self._look(grid, level, condition)[:, :LATENTS]
        return (noise - grid) / (1 - level[:, None, None, None])

    def noise(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c2 h w"]:
        """Predict noise and variance of the whole grid at the noise level of its first cell."""
        layout = Layout(layout.rows, layout.cols)
        grid = pack_grid(noisy, layout).to(self.dtype)
        return split_grid(self._look(grid, sigma[:, 0].float(), condition).to(noisy.dtype), layout)

    def save_pretrained(self, folder: Path) -> None:
        """Write the pipeline whole: also its table of positions, and an embedder for each block."""
        network = self.pipeline.transformer
        whole = type(network).from_config(network.config)
        whole.load_state_dict(network.state_dict())  # embedders may be one while training
        self.pipeline.transformer = whole
        try:
            super().save_pretrained(folder)
        finally:
            self.pipeline.transformer = network
        save_positions(network, folder / "transformer")
        _save_labels(self.pipeline.labels, folder / INDEX)

    def _look(self, grid: Tensor, level: Tensor, condition: Condition) -> Tensor:
        """What the network says of grids at the nearest timestep: noise, and its variance."""
        return self.module(
            hidden_states=ddpm().to_vp(grid[:, None], level)[:, 0],
            timestep=ddpm().timestep_of(level).to(grid.device),
            class_labels=condition["label"],
            return_dict=False,
        )[0]

    @property
    def _no_label(self) -> int:
        return self._config.num_embeds_ada_norm if self.facts.has_text else 0

    def _label(self, prompt: str) -> int:
        text = prompt.strip()
        if not text:
            return self._no_label
        count = self._config.num_embeds_ada_norm
        names = getattr(self.pipeline, "labels", {})
        if text in names:
            return int(names[text])
        if text.isdecimal() and int(text) < count:
            return int(text)
        like = ", ".join(list(names)[:3]) or f"0 to {count - 1}"
        raise ConfigError(
            f"{self.facts.name} has no class {prompt!r}. Name one of its {count}, such as {like}, "
            "or its number."
        )


def make_trainable(network: Any) -> None:
    """Let all weights train, and all blocks have one embedder of timesteps and classes, as in DiT.

    Diffusers copies it, so that training would move each copy its own way, and leaves out classes
    by chance; batches do that here.
    """
    network.train().requires_grad_(True)
    shared = network.transformer_blocks[0].norm1.emb
    shared.class_embedder.dropout_prob = 0.0
    for block in network.transformer_blocks:
        block.norm1.emb = shared


def _save_labels(labels: Mapping[str, int], index: Path) -> None:
    """Keep the names of classes, which pipelines of diffusers read and do not write."""
    if not labels:
        return
    names: dict[str, list[str]] = {}
    for name, number in labels.items():
        names.setdefault(str(number), []).append(name)
    told = json.loads(index.read_bytes())
    told["id2label"] = {number: ", ".join(each) for number, each in names.items()}
    index.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
