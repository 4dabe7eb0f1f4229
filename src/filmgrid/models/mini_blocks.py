"""The blocks of the grid transformer, and what paints its patches."""

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from filmgrid.models.rotary import Axis, norm, rotate, turned_by

Target = Literal["clean", "velocity", "noise"]
_GROUPS = {"all": "b (n p) d", "space": "(b n) p d", "time": "(b p) n d"}


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

        told = norm(text) * (1 + t_scale) + t_shift  #                        b t d
        seen = norm(x) * (1 + a_scale) + a_shift  #                           b n p d
        x = x + a_gate * norm(self.attend(seen, told, angles, padding))

        value, gate = self.up(norm(x) * (1 + m_scale) + m_shift).chunk(2, dim=-1)
        return x + m_gate * norm(self.down(value * F.silu(gate)))

    def attend(self, seen: Tensor, told: Tensor, angles: Tensor, padding: Tensor) -> Tensor:
        """Attention of cells to words and cells, with QK-norm and rotary positions."""
        batch, num_cells, num_places, _ = seen.shape
        sizes = {"b": batch, "n": num_cells, "p": num_places}
        groups, turned = _GROUPS[self.axis], turned_by(angles, self.axis)
        grouped = rearrange(seen, f"b n p d -> {groups}")  #                   bg s d
        query, key, value = self._heads(self.qkv(grouped))
        _, told_key, told_value = self._heads(self.qkv(told))
        words = (norm(told_key), told_value, padding)  # the same for all groups of a sequence
        told_key, told_value, padding = (_repeat(each, len(grouped) // batch) for each in words)
        query = rotate(norm(query) * self.gain.to(query.dtype), turned)
        key = torch.cat([told_key, rotate(norm(key), turned)], dim=2)
        value = torch.cat([told_value, value], dim=2)
        padding = F.pad(padding, (0, grouped.shape[1]))[:, None, None]
        out = _attention(query, key, value, padding.to(query.dtype))
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


class Details(nn.Module):
    """Blocks on tokens of half the patch that see their frame only; what they add starts as 0.

    Where a thing is and what it does, the larger tokens find out together, at a cost that grows
    with the square of their number; its outline needs smaller ones, and no other frame.

    Args:
        pixels: numbers in a whole patch.
        patch: pixels per side of a whole patch; even.
        dim: width of the larger tokens.
        width: width of these.
        depth: number of blocks.
        head_dim: width of an attention head.
    """

    def __init__(
        self, pixels: int, patch: int, dim: int, width: int, depth: int, head_dim: int
    ) -> None:
        super().__init__()
        self.quarter = patch // 2
        self.stem = nn.Linear(pixels // 4, width)
        self.spread = nn.Linear(dim, 4 * width)
        self.tell = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(Block(width, head_dim, "space", dim) for _ in range(depth))
        self.paint = zero_linear(width, pixels // 4)

    def forward(
        self,
        x: Tensor,
        patches: Tensor,
        text: Tensor,
        cells: Tensor,
        prompt: Tensor,
        angles: Tensor,
        padding: Tensor,
        rows: int,
    ) -> Tensor:
        """What to add to painted patches ``b n p (c·ph·pw)``.

        ``x`` are the larger tokens, ``b n p d``, in ``rows`` rows; ``angles``, ``1 4p pairs``,
        the positions of the smaller ones in a cell; all else as :class:`Block` takes it.
        """
        whole = "b n (y x) (c ry ph rx pw)"
        quarters = "b n (y ry x rx) (c ph pw)"
        sizes = {"y": rows, "ry": 2, "rx": 2, "ph": self.quarter, "pw": self.quarter}
        fine = self.stem(rearrange(patches, f"{whole} -> {quarters}", **sizes))
        spread = self.spread(norm(x))
        fine = fine + rearrange(
            spread, "b n (y x) (ry rx d) -> b n (y ry x rx) d", y=rows, ry=2, rx=2
        )
        told = self.tell(text)
        for block in self.blocks:
            fine = block(fine, told, cells, prompt, angles, padding)
        return rearrange(self.paint(norm(fine)), f"{quarters} -> {whole}", **sizes)


class PatchHead(nn.Module):
    """Paints each patch, or copies it from clean cells, pixel by pixel.

    The copy is attention whose values are the raw input patches: its weights favour cells of
    low sigma, and its share of each pixel falls to nothing as the attended cells get noisy.

    Args:
        dim: width of the stream.
        head_dim: width of the attention.
        pixels: numbers in a patch.
        patch: pixels per token side.
        predicts: what is painted, clean patches, their velocity, or their noise and variance.
        copies: whether patches may be copied.
    """

    def __init__(
        self,
        dim: int,
        head_dim: int,
        pixels: int,
        patch: int,
        predicts: Target = "clean",
        copies: bool = True,
    ) -> None:
        super().__init__()
        self.patch, self.predicts, self.copies = patch, predicts, copies
        self.modulation = zero_linear(dim, 2 * dim)
        self.paint = zero_linear(dim, (2 if predicts == "noise" else 1) * pixels)
        if copies:
            self.query = nn.Linear(dim, head_dim, bias=False)
            self.key = nn.Linear(dim, head_dim, bias=False)
            self.gain = nn.Parameter(torch.tensor(2.0))
            self.prefer_clean = nn.Parameter(torch.tensor(8.0))
            self.gate = nn.Linear(dim, patch * patch)
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, -1.0)

    def forward(
        self,
        x: Tensor,
        cells: Tensor,
        patches: Tensor,
        sigma: Tensor,
        angles: Tensor,
        details: Tensor | None = None,
        base: Tensor | None = None,
    ) -> Tensor:
        """Clean patches ``b n p (c·ph·pw)`` from tokens ``b n p d`` and noisy patches.

        ``details`` and ``base`` are added to what is painted.
        """
        shift, scale = self.modulation(cells)[:, :, None].chunk(2, dim=-1)
        x = norm(x) * (1 + scale) + shift
        painted = self.paint(x)
        if details is not None:
            painted = painted + details
        if self.predicts == "velocity":
            painted = patches - sigma[:, :, None, None] * painted
        if base is not None and self.predicts == "clean":
            painted = painted + base
        if not self.copies:
            return painted
        copied, cleanness = self._copy(x, patches, sigma, angles)
        share = self.gate(x).sigmoid() * cleanness  #                      b n p (ph·pw)
        share = share.repeat(1, 1, 1, patches.shape[-1] // self.patch**2)
        return painted + share * (copied - painted)

    def _copy(
        self, x: Tensor, patches: Tensor, sigma: Tensor, angles: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Patches of other tokens, ``b n p (c·ph·pw)``, and how clean they are, ``b n p 1``."""
        shape, flat, turned = x.shape[1:3], x.flatten(1, 2), turned_by(angles, "all")
        query = rotate(norm(self.query(flat)) * self.gain, turned)
        key = rotate(norm(self.key(flat)), turned)
        noise = sigma[:, :, None].expand(-1, -1, shape[1]).flatten(1)  #       b np
        logits = query @ key.mT / query.shape[-1] ** 0.5
        weights = (logits - self.prefer_clean * noise[:, None]).softmax(dim=-1)
        copied = (weights @ patches.flatten(1, 2).to(weights.dtype)).unflatten(1, shape)
        cleanness = (1 - weights @ noise[..., None].to(weights.dtype)).unflatten(1, shape)
        return copied, cleanness


def _attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention; where CPUs train by the plain formula, as the fused kernel's backward is slow."""
    if query.device.type == "cpu" and query.requires_grad:
        scores = (query * query.shape[-1] ** -0.5) @ key.mT + bias
        return scores.softmax(dim=-1).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def _repeat(x: Tensor, groups: int) -> Tensor:
    """What belongs to a sequence, for each of its groups of tokens."""
    return x if groups == 1 else x.repeat_interleave(groups, dim=0)
