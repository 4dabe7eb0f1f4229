"""How a grid transformer's tokens become pixels: painted, copied, refined."""

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from filmgrid.models.blocks import Block, rms_norm, rotated, turned_by, zero_linear

Target = Literal["clean", "velocity", "noise"]


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
        spread = self.spread(rms_norm(x))
        fine = fine + rearrange(
            spread, "b n (y x) (ry rx d) -> b n (y ry x rx) d", y=rows, ry=2, rx=2
        )
        told = self.tell(text)
        for block in self.blocks:
            fine = block(fine, told, cells, prompt, angles, padding)
        return rearrange(self.paint(rms_norm(fine)), f"{quarters} -> {whole}", **sizes)


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
        x = rms_norm(x) * (1 + scale) + shift
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
        query = rotated(rms_norm(self.query(flat)) * self.gain, turned)
        key = rotated(rms_norm(self.key(flat)), turned)
        noise = sigma[:, :, None].expand(-1, -1, shape[1]).flatten(1)  #       b np
        logits = query @ key.mT / query.shape[-1] ** 0.5
        weights = (logits - self.prefer_clean * noise[:, None]).softmax(dim=-1)
        copied = (weights @ patches.flatten(1, 2).to(weights.dtype)).unflatten(1, shape)
        cleanness = (1 - weights @ noise[..., None].to(weights.dtype)).unflatten(1, shape)
        return copied, cleanness
