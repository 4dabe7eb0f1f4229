"""GridTransformer: a small single-stream transformer over the cells of a grid.

The architecture gathers parts that are known to train fast: RMS norms, QK-norm, SwiGLU, rotary
positions on half of each head, modulation that starts at zero (DiT's adaLN-zero), clean
prediction from large pixel patches (JiT, arXiv:2511.13720). Three parts are for grids:

- a token's position is (frame, row in its cell, column in its cell), so a longer or wider grid
  is more of the same positions; besides, it knows how far through the sequence it is, since a
  thing that moves to the right begins on the left;
- the noise level is a property of a cell, so known frames enter clean (sigma 0) and the model
  learns to be conditioned by them;
- besides painting a patch itself, a token may copy patches of clean cells (a pointer into the
  known frames), so that a wall or a face stays the one that was given.
"""

from typing import cast

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from filmgrid.models.text import PAD, VOCABULARY

BYTE_DIM = 24
SIGMA_FEATURES = 64
HIDDEN = -1e4
"""Added to the scores of padding, so that no attention is left for it."""


class GridTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Predicts the clean cells of a grid from noisy ones and a prompt.

    Args:
        channels: channels of a cell (3 for pixels).
        patch: pixels per token side; cell sides must be multiples of it.
        dim: width of the stream.
        depth: number of blocks.
        head_dim: width of an attention head; ``dim`` must be a multiple.
        max_words: places for words in a prompt.
        word_bytes: bytes per word.
        text_depth: layers of the text encoder.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 3,
        patch: int = 8,
        dim: int = 256,
        depth: int = 6,
        head_dim: int = 64,
        max_words: int = 31,
        word_bytes: int = 12,
        text_depth: int = 2,
    ) -> None:
        super().__init__()
        pixels = channels * patch * patch
        self.patch = patch
        self.stem = nn.Linear(pixels, dim)
        self.embed_place = nn.Linear(16, dim)
        self.embed_sigma = nn.Linear(SIGMA_FEATURES, dim)
        self.embed_prompt = nn.Linear(dim, dim)
        self.text = TextEncoder(dim, max_words, word_bytes, text_depth)
        self.blocks = nn.ModuleList(Block(dim, head_dim) for _ in range(depth))
        self.head = PatchHead(dim, head_dim, pixels, patch)

    def forward(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        words: Int[Tensor, "b words bytes"],
    ) -> Float[Tensor, "b n c h w"]:
        """Estimate the clean cells.

        Args:
            noisy: cells at their noise levels; clean cells have range [-1, 1].
            sigma: noise level of every cell, in [0, 1]; 0 marks a known frame.
            words: spelled prompts from :class:`~filmgrid.models.text.ByteWords`.
        """
        batch, num_cells, _, height, width = noisy.shape
        rows, cols = height // self.patch, width // self.patch
        patches = rearrange(  #                                                b n p (c·ph·pw)
            noisy, "b n c (y ph) (x pw) -> b n (y x) (c ph pw)", ph=self.patch, pw=self.patch
        )
        places = self.embed_place(_places(num_cells, rows, cols, noisy))  #    n p d
        x = _norm(self.stem(patches) + places)  #                              b n p d
        text, there = self.text(words)  #                                      b t d, b t
        said = self.embed_prompt(_mean(text, there))[:, None]  #               b 1 d
        level = self.embed_sigma(_fourier(sigma, SIGMA_FEATURES))  #           b n d
        known = self.embed_sigma(_fourier(torch.zeros_like(sigma[:, :1]), SIGMA_FEATURES))
        cells, prompt = F.silu(level + said), F.silu(known + said)  #          b n d, b 1 d
        frame_times = torch.arange(num_cells, device=noisy.device).expand(batch, -1)
        rotary = self._rotary(frame_times, rows, cols)  #                      b 1 np hd/2
        padding = F.pad((~there).to(x.dtype) * HIDDEN, (0, x[0].shape[:-1].numel()))
        padding = padding[:, None, None]  #                                    b 1 1 t+np
        for block in self.blocks:
            x = block(x, text, cells, prompt, rotary, padding)
        cos, sin = (angles[:, 0] for angles in rotary)
        painted = self.head(x, cells, patches, sigma, cos, sin)
        return rearrange(
            painted,
            "b n (y x) (c ph pw) -> b n c (y ph) (x pw)",
            y=rows,
            ph=self.patch,
            pw=self.patch,
        )

    def _rotary(self, frame_times: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of each token's position; words stand at the origin, unturned."""
        pairs = cast(int, self.config["head_dim"]) // 2
        spatial = pairs // 8  # and twice as many for time; the other half is not turned
        device = frame_times.device
        times = frame_times[:, :, None, None].expand(-1, -1, rows, cols)
        y = torch.arange(rows, device=device)[:, None].expand_as(times)
        x = torch.arange(cols, device=device).expand_as(times)
        angles = torch.cat(
            [
                times[..., None] * _frequencies(2 * spatial, 1.5, 100.0, device),
                y[..., None] * _frequencies(spatial, 1.5, 20.0, device),
                x[..., None] * _frequencies(spatial, 1.5, 20.0, device),
                times.new_zeros(1).expand(*times.shape, pairs - 4 * spatial),
            ],
            dim=-1,
        ).flatten(1, 3)[:, None]
        return angles.cos(), angles.sin()


class Block(nn.Module):
    """Attention of the cells to each other and to the words, then a gated feed-forward layer.

    The words are the same for all blocks: updating them along with the cells cost a tenth of a
    grid's time, and two thirds of a single image's.

    Norms stand before and after each branch: without the second, the stream grew a hundredfold
    in training and drowned the words.
    """

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        assert dim % head_dim == 0
        hidden = -(-dim * 8 // 3 // 64) * 64
        self.heads = dim // head_dim
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.gain = nn.Parameter(torch.ones(self.heads, 1, 1))
        self.proj = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)
        self.modulation = zero_linear(dim, 6 * dim)

    def forward(
        self,
        x: Tensor,
        text: Tensor,
        cells: Tensor,
        prompt: Tensor,
        rotary: tuple[Tensor, Tensor],
        padding: Tensor,
    ) -> Tensor:
        """Update image tokens ``b n p d`` in the light of text tokens ``b t d``.

        ``cells`` and ``prompt`` are what modulates them: noise level and prompt, ``b n d`` and
        ``b 1 d``. ``padding`` is added to the scores of attention.
        """
        modulated = self.modulation(cells)[:, :, None].chunk(6, dim=-1)
        a_shift, a_scale, a_gate, m_shift, m_scale, m_gate = modulated
        t_shift, t_scale = self.modulation(prompt).chunk(6, dim=-1)[:2]

        told = _norm(text) * (1 + t_scale) + t_shift  #                        b t d
        seen = (_norm(x) * (1 + a_scale) + a_shift).flatten(1, 2)  #           b np d
        mixed = _norm(self.attend(seen, told, rotary, padding))
        x = x + a_gate * mixed.unflatten(1, x.shape[1:3])

        value, gate = self.up(_norm(x) * (1 + m_scale) + m_shift).chunk(2, dim=-1)
        return x + m_gate * _norm(self.down(value * F.silu(gate)))

    def attend(
        self, seen: Tensor, told: Tensor, rotary: tuple[Tensor, Tensor], padding: Tensor
    ) -> Tensor:
        """Attention of cells to words and cells, with QK-norm and rotary positions."""
        dim = seen.shape[-1]
        query, key, value = self._heads(self.qkv(seen), 3)
        told_key, told_value = self._heads(F.linear(told, self.qkv.weight[dim:]), 2)
        query = _rotate(_norm(query) * self.gain.to(query.dtype), *rotary)
        key = torch.cat([_norm(told_key), _rotate(_norm(key), *rotary)], dim=2)
        value = torch.cat([told_value, value], dim=2)
        out = _attention(query, key, value, padding.to(query.dtype))
        return self.proj(rearrange(out, "b h s d -> b s (h d)"))

    def _heads(self, joined: Tensor, count: int) -> Tensor:
        return rearrange(joined, "b s (k h d) -> k b h s d", k=count, h=self.heads)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that starts as 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class PatchHead(nn.Module):
    """Paints each patch, or copies it from clean cells, pixel by pixel.

    The copy is attention whose values are the raw input patches: its weights favour cells of
    low sigma, and its share of each pixel falls to nothing as the attended cells get noisy.
    """

    def __init__(self, dim: int, head_dim: int, pixels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.modulation = zero_linear(dim, 2 * dim)
        self.paint = nn.Linear(dim, pixels)
        self.query = nn.Linear(dim, head_dim, bias=False)
        self.key = nn.Linear(dim, head_dim, bias=False)
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.prefer_clean = nn.Parameter(torch.tensor(8.0))
        self.gate = nn.Linear(dim, patch * patch)
        nn.init.zeros_(self.paint.weight)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, -1.0)

    def forward(
        self,
        x: Tensor,
        cells: Tensor,
        patches: Tensor,
        sigma: Tensor,
        cos: Tensor,
        sin: Tensor,
    ) -> Tensor:
        """Clean patches ``b n p (c·ph·pw)`` from tokens ``b n p d`` and noisy patches."""
        shape = x.shape[1:3]
        shift, scale = self.modulation(cells)[:, :, None].chunk(2, dim=-1)
        x = _norm(x) * (1 + scale) + shift
        painted = self.paint(x)

        flat = x.flatten(1, 2)
        query = _rotate(_norm(self.query(flat)) * self.gain, cos, sin)
        key = _rotate(_norm(self.key(flat)), cos, sin)
        noise = sigma[:, :, None].expand(-1, -1, shape[1]).flatten(1)  #       b np
        logits = query @ key.mT / query.shape[-1] ** 0.5
        weights = (logits - self.prefer_clean * noise[:, None]).softmax(dim=-1)
        copied = (weights @ patches.flatten(1, 2).to(weights.dtype)).unflatten(1, shape)
        cleanness = (1 - weights @ noise[..., None].to(weights.dtype)).unflatten(1, shape)

        share = self.gate(x).sigmoid() * cleanness  #                      b n p (ph·pw)
        share = share.repeat(1, 1, 1, patches.shape[-1] // self.patch**2)
        return painted + share * (copied - painted)


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
        return _norm(x), there


def _attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention; on CPUs the fused kernel's backward pass is twice as slow as the plain formula."""
    if query.device.type == "cpu" and query.requires_grad:
        scores = (query * query.shape[-1] ** -0.5) @ key.mT + bias
        return scores.softmax(dim=-1).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def _norm(x: Tensor) -> Tensor:
    """RMS norm without weights: the modulation that follows has them."""
    return F.rms_norm(x, x.shape[-1:])


def _mean(text: Tensor, there: Tensor) -> Tensor:
    """Mean of the tokens that are there."""
    weight = there[..., None].to(text.dtype)
    return (text * weight).sum(dim=1) / weight.sum(dim=1)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of features by its token's angles."""
    even, odd = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)


def _frequencies(count: int, highest: float, span: float, device: torch.device) -> Tensor:
    """Geometric frequencies from ``highest`` down to ``highest / span``, radians per step."""
    return highest * span ** -(torch.arange(count, device=device) / max(1, count - 1))


def _fourier(values: Tensor, count: int) -> Tensor:
    """Sines and cosines of values in [0, 1] at ``count / 2`` frequencies."""
    frequencies = _frequencies(count // 2, 100.0, 200.0, values.device)
    angles = values[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _places(num_cells: int, rows: int, cols: int, like: Tensor) -> Float[Tensor, "n p features"]:
    """Each token's place, whatever their number: in its cell, and its cell's in the sequence."""
    y = (torch.arange(rows, device=like.device) + 0.5) / rows
    x = (torch.arange(cols, device=like.device) + 0.5) / cols
    time = torch.arange(num_cells, device=like.device) / max(1, num_cells - 1)
    time, y, x = torch.meshgrid(time, y, x, indexing="ij")
    places = [y, x, 2 * y, 2 * x, time / 2, time, 3 * time / 2, 2 * time]
    angles = torch.stack(places, dim=-1).flatten(1, 2) * torch.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(like.dtype)
