"""The block of the grid transformer, and the pieces that its heads are made of as well."""

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

Axis = Literal["all", "space", "time"]
_GROUPS = {"all": "b (n p) d", "space": "(b n) p d", "time": "(b p) n d"}
HIDDEN = -1e4
"""Added to scores of what must not be seen, so that no attention is left for it."""


class Block(nn.Module):
    """Attention of the cells to each other and to the words, then a gated feed-forward layer.

    The words are the same for all blocks: updating them along with the cells cost a tenth of a
    grid's time, and two thirds of a single image's.

    Norms stand before and after each branch: without the second, the stream grew a hundredfold
    in training and drowned the words.

    Args:
        dim: width of the stream.
        head_dim: width of an attention head.
        axis: which cells a token sees: "all", those of its frame ("space"), or those at its
            place in every frame ("time").
        context: width of what modulates it, if another.
    """

    def __init__(
        self, dim: int, head_dim: int, axis: Axis = "all", context: int | None = None
    ) -> None:
        super().__init__()
        assert dim % head_dim == 0
        hidden = -(-dim * 8 // 3 // 64) * 64
        self.heads = dim // head_dim
        self.axis: Axis = axis
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.gain = nn.Parameter(torch.ones(self.heads, 1, 1))
        self.proj = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)
        self.modulation = zero_linear(context or dim, 6 * dim)

    def forward(
        self,
        x: Tensor,
        text: Tensor,
        cells: Tensor,
        prompt: Tensor,
        angles: Tensor,
        padding: Tensor,
    ) -> Tensor:
        """Update image tokens ``b n p d`` in the light of text tokens ``b t d``.

        ``cells`` and ``prompt`` are what modulates them: noise level and prompt, ``b n d`` and
        ``b 1 d``. ``angles``, ``n p pairs``, are the positions. ``padding``, ``b t``, is added to
        the scores of attention to words.
        """
        modulated = self.modulation(cells)[:, :, None].chunk(6, dim=-1)
        a_shift, a_scale, a_gate, m_shift, m_scale, m_gate = modulated
        t_shift, t_scale = self.modulation(prompt).chunk(6, dim=-1)[:2]

        told = rms_norm(text) * (1 + t_scale) + t_shift  #                        b t d
        seen = rms_norm(x) * (1 + a_scale) + a_shift  #                           b n p d
        x = x + a_gate * rms_norm(self.attend(seen, told, angles, padding))

        value, gate = self.up(rms_norm(x) * (1 + m_scale) + m_shift).chunk(2, dim=-1)
        return x + m_gate * rms_norm(self.down(value * F.silu(gate)))

    def attend(self, seen: Tensor, told: Tensor, angles: Tensor, padding: Tensor) -> Tensor:
        """Attention of cells to words and cells, with QK-norm and rotary positions."""
        batch, num_cells, num_places, _ = seen.shape
        sizes = {"b": batch, "n": num_cells, "p": num_places}
        groups, turned = _GROUPS[self.axis], turned_by(angles, self.axis)
        grouped = rearrange(seen, f"b n p d -> {groups}")  #                   bg s d
        query, key, value = self._heads(self.qkv(grouped))
        _, told_key, told_value = self._heads(self.qkv(told))
        words = (rms_norm(told_key), told_value, padding)  # the same for all groups of a sequence
        told_key, told_value, padding = (repeated(each, len(grouped) // batch) for each in words)
        query = rotated(rms_norm(query) * self.gain.to(query.dtype), turned)
        key = torch.cat([told_key, rotated(rms_norm(key), turned)], dim=2)
        value = torch.cat([told_value, value], dim=2)
        padding = F.pad(padding, (0, grouped.shape[1]))[:, None, None]
        out = attention(query, key, value, padding.to(query.dtype))
        return rearrange(
            self.proj(rearrange(out, "b h s d -> b s (h d)")), f"{groups} -> b n p d", **sizes
        )

    def _heads(self, joined: Tensor) -> Tensor:
        return rearrange(joined, "b s (k h d) -> k b h s d", k=3, h=self.heads)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that starts as 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention; where CPUs train by the plain formula, as the fused kernel's backward is slow."""
    if query.device.type == "cpu" and query.requires_grad:
        scores = (query * query.shape[-1] ** -0.5) @ key.mT + bias
        return scores.softmax(dim=-1).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def rms_norm(x: Tensor) -> Tensor:
    """RMS norm without weights: what follows has them."""
    return F.rms_norm(x, x.shape[-1:])


def turned_by(angles: Float[Tensor, "n p pairs"], axis: Axis) -> Float[Tensor, "s pairs"]:
    """Angles of the tokens that see each other; what they have in common turns nothing."""
    return {"all": angles.flatten(0, 1), "space": angles[0], "time": angles[:, 0]}[axis]


def repeated(x: Tensor, groups: int) -> Tensor:
    """What belongs to a sequence, for each of its groups of tokens."""
    return x if groups == 1 else x.repeat_interleave(groups, dim=0)


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair of features by its token's angles."""
    even, odd = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
