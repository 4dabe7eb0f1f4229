"""FLUX.1 (dev, schnell): GRID's backbone, and the example of how a family is added."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from filmgrid.models.backbone import Condition
from filmgrid.models.pretrained import PretrainedBackbone, places_of

PATCH = 2
"""Latents per token side."""


@dataclass(frozen=True)
class FluxBackbone(PretrainedBackbone):
    """A ``FluxTransformer2DModel``: text by T5, its sum by CLIP, guidance embedded in dev."""

    tokenizer = "tokenizer_2"

    def embed(self, prompts: list[str]) -> Condition:
        """Encode prompts: ``text`` by T5, ``pooled`` by CLIP, which reads the first 77 tokens."""
        text, pooled, _ = self.pipeline.encode_prompt(
            prompts, None, max_sequence_length=self.facts.text_length
        )
        return {"text": text, "pooled": pooled}

    def blank(self, count: int) -> Condition:
        """Zeros in the place of what T5 and CLIP say."""
        return {
            "text": self._zeros(count, self._text_length, self._config.joint_attention_dim),
            "pooled": self._zeros(count, self._config.pooled_projection_dim),
        }

    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict velocity; a token is a patch of latents, its place (0, row, column)."""
        text = condition["text"]
        sizes = {"y": grid.shape[-2] // PATCH, "x": grid.shape[-1] // PATCH}
        tokens = rearrange(
            grid, "b c (y ph) (x pw) -> b (y x) (c ph pw)", ph=PATCH, pw=PATCH, **sizes
        )
        predicted = self.module(
            hidden_states=tokens,
            timestep=sigma.to(grid.dtype),
            guidance=condition.get("guidance"),
            pooled_projections=condition["pooled"],
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3, device=grid.device, dtype=grid.dtype),
            img_ids=places_of(1, *sizes.values(), device=grid.device).to(grid.dtype),
            return_dict=False,
        )[0]
        return rearrange(
            predicted, "b (y x) (c ph pw) -> b c (y ph) (x pw)", ph=PATCH, pw=PATCH, **sizes
        )
