"""FLUX.2 klein: patched latents, places on four axes, text from three depths of Qwen3."""

from dataclasses import dataclass

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from filmgrid.models.backbone import Condition
from filmgrid.models.pretrained import PretrainedBackbone, places_of


@dataclass(frozen=True)
class Flux2Backbone(PretrainedBackbone):
    """A ``Flux2Transformer2DModel`` of a klein pipeline; base has guidance by two passes."""

    def embed(self, prompts: list[str]) -> Condition:
        """Encode prompts by hidden layers of the language model, side by side."""
        text, _ = self.pipeline.encode_prompt(prompts, max_sequence_length=self.facts.text_length)
        return {"text": text}

    def blank(self, count: int) -> Condition:
        """Zeros in the place of what the language model says."""
        return {"text": self._zeros(count, self._text_length, self._config.joint_attention_dim)}

    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict velocity; a token is a latent, its place (0, row, column, 0)."""
        text = condition["text"]
        rows, cols = grid.shape[-2:]
        predicted = self.module(
            hidden_states=rearrange(grid, "b c y x -> b (y x) c"),
            timestep=sigma.to(grid.dtype),
            guidance=condition.get("guidance"),
            encoder_hidden_states=text,
            # with a batch of one, as diffusers splits them where several devices share a pass
            txt_ids=places_of(1, 1, 1, text.shape[1], device=grid.device)[None],
            img_ids=places_of(1, rows, cols, 1, device=grid.device)[None],
            return_dict=False,
        )[0]
        return rearrange(predicted, "b (y x) c -> b c y x", y=rows)
