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
from jaxtyping import Float, Int
from torch import Tensor, nn

from filmgrid.models.mini_blocks import Block, Details, PatchHead, Target
from filmgrid.models.mini_text import HIDDEN, TextEncoder, mean_of
from filmgrid.models.rotary import Axis, fourier, norm, waves

SIGMA_FEATURES = 64
Positions = Literal["frames", "grid"]
Mixing = Literal["joint", "factorised"]


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
        x = norm(self.stem(seen) + self.embed_place(places.to(noisy.dtype)))  # b n p d
        text, there = self.text(words)  #                                      b t d, b t
        said = self.embed_prompt(mean_of(text, there))[:, None]  #               b 1 d
        level = self.embed_sigma(fourier(sigma, SIGMA_FEATURES))  #           b n d
        known = self.embed_sigma(fourier(torch.zeros_like(sigma[:, :1]), SIGMA_FEATURES))
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
        fine = partial(waves, highest=1.5, span=20.0)
        if self.config["positions"] == "grid":
            y = cell // grid_cols * rows + y
            x = cell % grid_cols * cols + x
            turned = [fine(y, pairs // 4), fine(x, pairs // 4)]
            places = torch.cat([fine(y, 4), fine(x, 4)], dim=-1)
        else:
            time = waves(cell, pairs // 8 * 2, highest=1.5, span=100.0)
            turned = [time, fine(y, pairs // 8), fine(x, pairs // 8)]
            y, x = (y + 0.5) / rows, (x + 0.5) / cols
            through = cell / max(1, num_cells - 1)
            shares = [y, x, 2 * y, 2 * x, through / 2, through, 3 * through / 2, 2 * through]
            places = torch.stack(shares, dim=-1) * torch.pi
        angles = torch.cat(turned, dim=-1).flatten(1, 2)
        angles = F.pad(angles, (0, pairs - angles.shape[-1]))  # the other half is not turned
        places = places.flatten(1, 2)
        return angles, torch.cat([places.sin(), places.cos()], dim=-1)
