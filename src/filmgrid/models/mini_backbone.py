"""mini as a backbone: spelled prompts in, velocity out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone, Condition
from filmgrid.models.checkpoints import save_module
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.text import ByteWords
from filmgrid.process.flow import velocity_from_clean
from filmgrid.process.gaussian import ddpm


@dataclass(frozen=True)
class MiniBackbone(Backbone):
    """A :class:`~filmgrid.models.mini.GridTransformer`, which predicts clean cells, or noise.

    Args:
        facts: what is saved beside its weights.
        module: the transformer, or a wrapper that is called like it.
        words: how prompts are spelled for it.
    """

    facts: BackboneFacts
    module: nn.Module
    words: ByteWords

    cell_by_cell = True

    def encode(self, prompts: Sequence[str]) -> Condition:
        """Spell one prompt per sequence.

        Raises:
            ConfigError: if a prompt has more words than the model reads.
        """
        device = next(self.module.parameters()).device
        return {"words": self.words.encode(prompts).to(device)}

    def blank(self, count: int) -> Condition:
        """Prompts of as many unwritten words as the model reads."""
        device = next(self.module.parameters()).device
        shape = count, self.words.max_words, self.words.word_bytes
        return {"words": torch.zeros(shape, dtype=torch.long, device=device)}

    def velocity(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c h w"]:
        """Predict ``(noisy - clean) / sigma``; mini knows its layout from the prompt alone.

        What is given beside the noisy cells, if anything is, is ``given`` of the condition.
        """
        if self.facts.predicts == "noise":
            level = sigma.clamp(max=ddpm().sigma_max)
            predicted = self.noise(noisy, level, condition, layout)[:, :, : noisy.shape[2]]
            return ddpm().velocity_from_noise_prediction(noisy, predicted, level)
        clean = self._painted(noisy, sigma, condition, layout)
        return velocity_from_clean(noisy, clean.to(noisy.dtype), sigma)

    def noise(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c2 h w"]:
        """Predict noise and variance, if the network was made for it."""
        if self.facts.predicts != "noise":
            return super().noise(noisy, sigma, condition, layout)
        x = ddpm().to_vp(noisy, sigma)
        return self._painted(x, sigma, condition, layout).to(noisy.dtype)

    def _painted(self, x: Tensor, sigma: Tensor, condition: Condition, layout: Layout) -> Tensor:
        return self.module(x, sigma, condition["words"], layout.cols, condition.get("given"))

    def begin(self) -> None:
        """It remembers nothing."""

    def with_module(self, module: nn.Module) -> Self:
        """The same backbone over another network."""
        return replace(self, module=module)

    def save_pretrained(self, folder: Path) -> None:
        """Write weights, configuration and facts into a folder."""
        save_module(self.module, self.facts, folder)
