"""The text encoder of the grid transformer."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from filmgrid.models.rotary import norm
from filmgrid.models.text import PAD, VOCABULARY

BYTE_DIM = 24
HIDDEN = -1e4
"""Added to the scores of padding, so that no attention is left for it."""


class TextEncoder(nn.Module):
    """Reads spelled words; trained together with the backbone.

    A learned first token stands before them, so that an empty prompt is something as well.
    Places without a word are hidden from all others: a prompt means the same at any padding.
    """

    def __init__(self, dim: int, max_words: int, word_bytes: int, depth: int) -> None:
        super().__init__()
        self.bytes = nn.Embedding(VOCABULARY, BYTE_DIM, padding_idx=PAD)
        self.spell = nn.Linear(word_bytes * BYTE_DIM, dim)
        self.first = nn.Parameter(torch.randn(dim) * 0.02)
        self.places = nn.Parameter(torch.randn(max_words, dim) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dim, max(1, dim // 64), 2 * dim, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )

    def forward(
        self, words: Int[Tensor, "b words bytes"]
    ) -> tuple[Float[Tensor, "b tokens d"], Bool[Tensor, "b tokens"]]:
        """Embed each word in the light of the others, and say which tokens are there."""
        x = self.spell(self.bytes(words).flatten(-2)) + self.places[: words.shape[1]]
        x = torch.cat([self.first.expand(len(x), 1, -1), x], dim=1)
        there = F.pad((words != PAD).any(dim=-1), (1, 0), value=True)
        padding = torch.zeros_like(there, dtype=x.dtype).masked_fill(~there, HIDDEN)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return norm(x), there


def mean_of(text: Tensor, there: Tensor) -> Tensor:
    """Mean of the tokens that are there."""
    weight = there[..., None].to(text.dtype)
    return (text * weight).sum(dim=1) / weight.sum(dim=1)
