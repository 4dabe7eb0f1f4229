"""Pipelines of diffusers as backbones: what FLUX.1, FLUX.2 and Z-Image have in common.

A family is a class that says how its network is called; see
:mod:`filmgrid.models.flux` for the one that is the example.
"""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from filmgrid.errors import ConfigError
from filmgrid.grid.pack import pack_grid, split_grid
from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone, Condition
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import FACTS


class EncodedTexts(Protocol):
    """Conditions by prompt."""

    def __contains__(self, key: str) -> bool:
        """Whether a prompt was encoded."""
        ...

    def __getitem__(self, key: str) -> Condition:
        """Its condition, of one sequence."""
        ...


@dataclass(frozen=True)
class PretrainedBackbone(Backbone):
    """The transformer of a pipeline, which sees the cells as the one image of their grid.

    Its positions are rows and columns of that image; it has one noise level for all of it.

    Args:
        facts: sizes, defaults and limits.
        module: the transformer, or a wrapper that is called like it.
        dtype: of the numbers that the network is given.
        pipeline: the pipeline that it came with; encodes prompts, loads LoRAs, offloads. None in
            a sketch of a backbone, which only counts.
        texts: prompts that were encoded before, each as the condition of one sequence.
    """

    facts: BackboneFacts
    module: nn.Module
    dtype: torch.dtype
    pipeline: Any = None
    texts: EncodedTexts | None = None

    autocasts = False
    tokenizer = "tokenizer"
    """Name of the part of the pipeline that counts the tokens of a prompt."""

    def encode(self, prompts: Sequence[str]) -> Condition:
        """Encode one prompt per sequence with the pipeline's own encoders.

        Raises:
            ConfigError: if a prompt has more tokens than the model reads; diffusers cuts it.
        """
        self.check(prompts)
        if self.texts is not None and all(prompt in self.texts for prompt in prompts):
            device = next(self.module.parameters()).device
            return self.collate([self.texts[prompt] for prompt in prompts], device)
        return self.embed(list(prompts))

    def check(self, prompts: Sequence[str]) -> None:
        """Count the tokens of prompts."""
        for prompt in prompts:
            self._check_length(prompt)

    def velocity(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        condition: Condition,
        layout: Layout,
    ) -> Float[Tensor, "b n c h w"]:
        """Predict ``noise - clean`` of the whole grid at the noise level of its first cell."""
        layout = Layout(layout.rows, layout.cols)  # latents have no gaps
        grid = pack_grid(noisy, layout).to(self.dtype)
        with self._remembering():
            velocity = self.predict(grid, sigma[:, 0], condition)
        return split_grid(velocity.to(noisy.dtype), layout)

    def begin(self) -> None:
        """Forget what a step cache remembers."""
        forget: Any = getattr(self.module, "_reset_stateful_cache", None)
        if forget is not None:
            forget()  # as pipelines do; there is no public name

    def _remembering(self) -> AbstractContextManager[Any]:
        """What a step cache remembers goes by this name."""
        named = getattr(self.module, "cache_context", None)
        return nullcontext() if named is None else named("grid")

    @abstractmethod
    def embed(self, prompts: list[str]) -> Condition:
        """Encode prompts that are known to fit."""

    @abstractmethod
    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict ``noise - clean`` of latents that are laid out as one image.

        Args:
            grid: in the dtype of the weights.
            sigma: noise level in [0, 1], in 32 bits.
            condition: from :meth:`embed`.
        """

    def with_module(self, module: nn.Module) -> Self:
        """The same backbone over another network."""
        return replace(self, module=module)

    def save_pretrained(self, folder: Path) -> None:
        """Write the whole pipeline, as diffusers reads it, and facts."""
        self.pipeline.save_pretrained(folder)
        (folder / FACTS).write_text(self.facts.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @property
    def _config(self) -> Any:
        """The network's own configuration."""
        return self.module.config

    def _zeros(self, *shape: int) -> Tensor:
        """In the dtype and on the device of the weights."""
        device = next(self.module.parameters()).device
        return torch.zeros(shape, dtype=self.dtype, device=device)

    @property
    def _text_length(self) -> int:
        assert self.facts.text_length is not None
        return self.facts.text_length

    def _check_length(self, prompt: str) -> None:
        limit = self.facts.text_length
        tokens = len(getattr(self.pipeline, self.tokenizer)(prompt).input_ids)
        if limit is not None and tokens > limit:
            raise ConfigError(
                f"The prompt has {tokens} tokens and {self.facts.name} reads {limit}. "
                f"Shorten it: it begins {prompt[:40]!r}."
            )


def places_of(*sizes: int, device: torch.device | None = None) -> Int[Tensor, "tokens axes"]:
    """Place of every token along axes of these sizes, in reading order."""
    return torch.cartesian_prod(*(torch.arange(size, device=device) for size in sizes))
