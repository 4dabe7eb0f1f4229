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

from functools import partial
from typing import Literal, cast

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
Positions = Literal["frames", "grid"]
Mixing = Literal["joint", "factorised"]
Target = Literal["clean", "velocity", "noise"]
Axis = Literal["all", "space", "time"]
_GROUPS = {"all": "b (n p) d", "space": "(b n) p d", "time": "(b p) n d"}
HIDDEN = -1e4
"""Added to the scores of padding, so that no attention is left for it."""


class GridTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Predicts the clean cells of a grid, or their noise, from noisy ones and a prompt.

    Args:
        channels: channels of a cell (3 for pixels).
        patch: pixels per token side; cell sides must be multiples of it.
        dim: width of the stream.
        depth: number of blocks.
        head_dim: width of an attention head; ``dim`` must be a multiple.
        max_words: places for words in a prompt.
        word_bytes: bytes per word.
        text_depth: layers of the text encoder.
        positions: what a token's position is: its frame and its place there ("frames"), or row
            and column in the whole grid, as image models have it ("grid").
        mixing: attention of all tokens to each other ("joint"), or blocks in turn within frames
            and across them at one place ("factorised"), as video models of stacked frames do.
        predicts: what the last layer paints: clean cells ("clean"), or the velocity that leads to
            them ("velocity"). Either way the network returns clean cells. Or, of cells scaled to
            unit variance, their noise and in as many channels the variance of a step ("noise").
        copies: whether tokens may copy patches of clean cells.
        detail: blocks after the others, on tokens of half the patch and within frames, that add to
            what is painted; 0 for none.
        detail_dim: width of their stream; a multiple of ``head_dim``.
        given_channels: channels of what is given beside the noisy cells, such as small frames
            that were enlarged; what is painted is then added to them.
    """

    _repeated_blocks = ("Block", "PatchHead")

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
        positions: Positions = "frames",
        mixing: Mixing = "joint",
        predicts: Target = "clean",
        copies: bool = True,
        detail: int = 0,
        detail_dim: int = 128,
        given_channels: int = 0,
    ) -> None:
        super().__init__()
        assert predicts != "noise" or not (copies or detail)
        pixels = channels * patch * patch
        self.patch = patch
        self.stem = nn.Linear(pixels + given_channels * patch * patch, dim)
        self.embed_place = nn.Linear(16, dim)
        self.embed_sigma = nn.Linear(SIGMA_FEATURES, dim)
        self.embed_prompt = nn.Linear(dim, dim)
        self.text = TextEncoder(dim, max_words, word_bytes, text_depth)
        axes: tuple[Axis, ...] = ("all",) if mixing == "joint" else ("space", "time")
        self.blocks = nn.ModuleList(
            Block(dim, head_dim, axes[number % len(axes)]) for number in range(depth)
        )
        self.details = Details(pixels, patch, dim, detail_dim, detail, head_dim) if detail else None
        self.head = PatchHead(dim, head_dim, pixels, patch, predicts, copies)

    def forward(
        self,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        words: Int[Tensor, "b words bytes"],
        grid_cols: int = 1,
        given: Float[Tensor, "b n g h w"] | None = None,
    ) -> Float[Tensor, "b n c_out h w"]:
        """Estimate the clean cells, or their noise and variance in twice as many channels.

        Args:
            noisy: cells at their noise levels; clean cells have range [-1, 1].
            sigma: noise level of every cell, in [0, 1]; 0 marks a known frame.
            words: spelled prompts from :class:`~filmgrid.models.text.ByteWords`.
            grid_cols: cells in a row of the grid; only read where positions are those of the grid.
            given: what is known beside the noisy cells, if the network was built for it; its first
                channels are those of the cells, in the same range.
        """
        num_cells, _, height, width = noisy.shape[1:]
        rows, cols = height // self.patch, width // self.patch
        patches = self._patches(noisy)  #                                      b n p (c·ph·pw)
        beside = None if given is None else self._patches(given)
        angles, places = self._positions(num_cells, rows, cols, grid_cols, noisy.device)
        seen = patches if beside is None else torch.cat([patches, beside], dim=-1)
        x = _norm(self.stem(seen) + self.embed_place(places.to(noisy.dtype)))  # b n p d
        text, there = self.text(words)  #                                      b t d, b t
        said = self.embed_prompt(_mean(text, there))[:, None]  #               b 1 d
        level = self.embed_sigma(_fourier(sigma, SIGMA_FEATURES))  #           b n d
        known = self.embed_sigma(_fourier(torch.zeros_like(sigma[:, :1]), SIGMA_FEATURES))
        cells, prompt = F.silu(level + said), F.silu(known + said)  #          b n d, b 1 d
        padding = (~there).to(x.dtype) * HIDDEN  #                             b t
        for block in self.blocks:
            x = block(x, text, cells, prompt, angles, padding)
        details = None
        if self.details is not None:
            finer, _ = self._positions(1, 2 * rows, 2 * cols, 1, noisy.device)
            details = self.details(x, patches, text, cells, prompt, finer, padding, rows)
        base = None if beside is None else beside[..., : patches.shape[-1]]
        painted = self.head(x, cells, patches, sigma, angles, details, base)
        return rearrange(
            painted,
            "b n (y x) (c ph pw) -> b n c (y ph) (x pw)",
            y=rows,
            ph=self.patch,
            pw=self.patch,
        )

    def _patches(self, cells: Float[Tensor, "b n c h w"]) -> Float[Tensor, "b n p pixels"]:
        return rearrange(
            cells, "b n c (y ph) (x pw) -> b n (y x) (c ph pw)", ph=self.patch, pw=self.patch
        )

    def _positions(
        self, num_cells: int, rows: int, cols: int, grid_cols: int, device: torch.device
    ) -> tuple[Float[Tensor, "n p pairs"], Float[Tensor, "n p features"]]:
        """Angles that turn each token's features in attention, and features of its place."""
        pairs = cast(int, self.config["head_dim"]) // 2
        cell, y, x = torch.meshgrid(
            *(torch.arange(count, device=device) for count in (num_cells, rows, cols)),
            indexing="ij",
        )
        fine = partial(_waves, highest=1.5, span=20.0)
        if self.config["positions"] == "grid":
            y = cell // grid_cols * rows + y
            x = cell % grid_cols * cols + x
            turned = [fine(y, pairs // 4), fine(x, pairs // 4)]
            places = torch.cat([fine(y, 4), fine(x, 4)], dim=-1)
        else:
            time = _waves(cell, pairs // 8 * 2, highest=1.5, span=100.0)
            turned = [time, fine(y, pairs // 8), fine(x, pairs // 8)]
            y, x = (y + 0.5) / rows, (x + 0.5) / cols
            through = cell / max(1, num_cells - 1)
            shares = [y, x, 2 * y, 2 * x, through / 2, through, 3 * through / 2, 2 * through]
            places = torch.stack(shares, dim=-1) * torch.pi
        angles = torch.cat(turned, dim=-1).flatten(1, 2)
        angles = F.pad(angles, (0, pairs - angles.shape[-1]))  # the other half is not turned
        places = places.flatten(1, 2)
        return angles, torch.cat([places.sin(), places.cos()], dim=-1)


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

        told = _norm(text) * (1 + t_scale) + t_shift  #                        b t d
        seen = _norm(x) * (1 + a_scale) + a_shift  #                           b n p d
        x = x + a_gate * _norm(self.attend(seen, told, angles, padding))

        value, gate = self.up(_norm(x) * (1 + m_scale) + m_shift).chunk(2, dim=-1)
        return x + m_gate * _norm(self.down(value * F.silu(gate)))

    def attend(self, seen: Tensor, told: Tensor, angles: Tensor, padding: Tensor) -> Tensor:
        """Attention of cells to words and cells, with QK-norm and rotary positions."""
        batch, num_cells, num_places, _ = seen.shape
        sizes = {"b": batch, "n": num_cells, "p": num_places}
        groups, turned = _GROUPS[self.axis], _turned(angles, self.axis)
        grouped = rearrange(seen, f"b n p d -> {groups}")  #                   bg s d
        query, key, value = self._heads(self.qkv(grouped))
        _, told_key, told_value = self._heads(self.qkv(told))
        words = (_norm(told_key), told_value, padding)  # the same for all groups of a sequence
        told_key, told_value, padding = (_repeat(each, len(grouped) // batch) for each in words)
        query = _rotate(_norm(query) * self.gain.to(query.dtype), turned)
        key = torch.cat([told_key, _rotate(_norm(key), turned)], dim=2)
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
        spread = self.spread(_norm(x))
        fine = fine + rearrange(
            spread, "b n (y x) (ry rx d) -> b n (y ry x rx) d", y=rows, ry=2, rx=2
        )
        told = self.tell(text)
        for block in self.blocks:
            fine = block(fine, told, cells, prompt, angles, padding)
        return rearrange(self.paint(_norm(fine)), f"{quarters} -> {whole}", **sizes)


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
        x = _norm(x) * (1 + scale) + shift
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
        shape, flat, turned = x.shape[1:3], x.flatten(1, 2), _turned(angles, "all")
        query = _rotate(_norm(self.query(flat)) * self.gain, turned)
        key = _rotate(_norm(self.key(flat)), turned)
        noise = sigma[:, :, None].expand(-1, -1, shape[1]).flatten(1)  #       b np
        logits = query @ key.mT / query.shape[-1] ** 0.5
        weights = (logits - self.prefer_clean * noise[:, None]).softmax(dim=-1)
        copied = (weights @ patches.flatten(1, 2).to(weights.dtype)).unflatten(1, shape)
        cleanness = (1 - weights @ noise[..., None].to(weights.dtype)).unflatten(1, shape)
        return copied, cleanness


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
    """Attention; where CPUs train by the plain formula, as the fused kernel's backward is slow."""
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


def _turned(angles: Float[Tensor, "n p pairs"], axis: Axis) -> Float[Tensor, "s pairs"]:
    """Angles of the tokens that see each other; what they have in common turns nothing."""
    return {"all": angles.flatten(0, 1), "space": angles[0], "time": angles[:, 0]}[axis]


def _repeat(x: Tensor, groups: int) -> Tensor:
    """What belongs to a sequence, for each of its groups of tokens."""
    return x if groups == 1 else x.repeat_interleave(groups, dim=0)


def _rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair of features by its token's angles."""
    even, odd = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([even * cos - odd * sin, even * sin + odd * cos], dim=-1)


def _waves(at: Tensor, count: int, highest: float, span: float) -> Tensor:
    """Angles of positions at ``count`` frequencies."""
    return at[..., None] * _frequencies(count, highest, span, at.device)


def _frequencies(count: int, highest: float, span: float, device: torch.device) -> Tensor:
    """Geometric frequencies from ``highest`` down to ``highest / span``, radians per step."""
    return highest * span ** -(torch.arange(count, device=device) / max(1, count - 1))


def _fourier(values: Tensor, count: int) -> Tensor:
    """Sines and cosines of values in [0, 1] at ``count / 2`` frequencies."""
    angles = _waves(values, count // 2, highest=100.0, span=200.0)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
