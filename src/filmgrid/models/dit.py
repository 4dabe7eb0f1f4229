"""DiT and GriDiT: classes instead of prompts, noise predicted, a variance-preserving process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.models.backbone import Condition
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.process.gaussian import VariancePreserving

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
        cells = grid[:, None]
        level = sigma.float().clamp(max=_process().sigma_max)
        predicted = self.module(
            hidden_states=_process().to_vp(cells, level)[:, 0],
            timestep=_process().timestep_of(level).to(grid.device),
            class_labels=condition["label"],
            return_dict=False,
        )[0]
        noise = predicted[:, :LATENTS]
        return (noise - grid) / (1 - level[:, None, None, None])

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


@cache
def _process() -> VariancePreserving:
    return VariancePreserving.linear()
