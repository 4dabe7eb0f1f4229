"""Z-Image and Z-Image-Turbo: a single stream over text of any length and image."""

from collections.abc import Sequence
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

    image_first = True

    def embed(self, prompts: list[str]) -> Condition:
        """Encode prompts by the last but one layer of the language model.

        Each prompt has as many tokens as it needs: ``length`` says how many.
        """
        texts, _ = self.pipeline.encode_prompt(
            prompts,
            do_classifier_free_guidance=False,
            max_sequence_length=self.facts.text_length,
        )
        length = torch.tensor([len(text) for text in texts])
        return {"text": pad_sequence(texts, batch_first=True), "length": length}

    def collate(
        self, conditions: Sequence[Condition], device: torch.device | None = None
    ) -> Condition:
        """Conditions of a batch; lengths stay on the CPU, where they are read."""
        told = super().collate([{"text": each["text"]} for each in conditions], device)
        return {**told, "length": torch.cat([each["length"] for each in conditions])}

    def blank(self, count: int) -> Condition:
        """Zeros in the place of what the language model says."""
        text = self._zeros(count, self._text_length, self._config.cap_feat_dim)
        return {"text": text, "length": torch.full((count,), self._text_length, device="cpu")}

    def predict(
        self, grid: Float[Tensor, "b c y x"], sigma: Float[Tensor, " b"], condition: Condition
    ) -> Float[Tensor, "b c y x"]:
        """Predict velocity; each image is a video of one frame to the network."""
        pairs = zip(condition["text"], condition["length"].tolist(), strict=True)
        predicted = self.module(
            list(grid[:, :, None].unbind()),
            1 - sigma,
            [text[:length] for text, length in pairs],
            return_dict=False,
        )[0]
        return -torch.stack(list(predicted))[:, :, 0]
