"""Z-Image and Z-Image-Turbo: a single stream over text of any length and image."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from filmgrid.models.backbone import Condition
from filmgrid.models.pretrained import PretrainedBackbone


@dataclass(frozen=True)
class ZImageBackbone(PretrainedBackbone):
    """A ``ZImageTransformer2DModel``: time runs from noise to image, and so does its velocity."""

    def embed(self, prompts: list[str]) -> Condition:
        """Encode prompts by the last but one layer of the language model.

        ``there`` says which places hold a token, since each prompt has as many as it needs.
        """
        texts, _ = self.pipeline.encode_prompt(
            prompts,
            do_classifier_free_guidance=False,
            max_sequence_length=self.facts.text_length,
        )
        there = [torch.ones(len(text), dtype=torch.bool, device=text.device) for text in texts]
        return {
            "text": pad_sequence(texts, batch_first=True),
            "there": pad_sequence(there, batch_first=True),
        }

    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict velocity; each image is a video of one frame to the network."""
        pairs = zip(condition["text"], condition["there"], strict=True)
        predicted = self.module(
            list(grid[:, :, None].unbind()),
            1 - sigma,
            [text[there] for text, there in pairs],
            return_dict=False,
        )[0]
        return -torch.stack(list(predicted))[:, :, 0]
