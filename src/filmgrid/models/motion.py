"""Motion compensation: frames are carried over from known ones, as video codecs do.

What a network paints of a thing that it was shown is its own idea of it, with outlines as soft as
its patches are large. Where frames are known, each token of another frame also says by how much
its patch has moved since the nearest known frame before and after it, and takes the pixels from
there.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from filmgrid.models.blocks import HIDDEN, Block, rms_norm, zero_linear

SOURCES = 2
"""The nearest clean cells before and after."""
FEATURES = 8
"""What a token says of each of its pixels for the choice between painted and carried ones."""
PIXELS = 4.0
"""Unit of motion: as large as what one step of an optimiser should change is small."""
SHEAR = 0.1
"""Unit of what turns and stretches a patch."""


class MotionCompensation(nn.Module):
    """Carries patches over from the nearest clean cells, moved, turned and stretched.

    Which pixels are carried over and which stay as painted is chosen pixel by pixel, from what
    all of them show and from what the token says of the place; at first nearly all stay.

    Args:
        dim: width of the tokens.
        width: width of its own stream; a multiple of ``head_dim``.
        depth: number of its blocks, in which tokens see all others.
        head_dim: width of an attention head.
        patch: pixels per token side.
        channels: of a cell.
    """

    def __init__(
        self, dim: int, width: int, depth: int, head_dim: int, patch: int, channels: int = 3
    ) -> None:
        super().__init__()
        self.patch = patch
        self.stem = nn.Linear(dim, width)
        self.tell = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(Block(width, head_dim, "all", dim) for _ in range(depth))
        self.move = zero_linear(width, SOURCES * 6)
        self.place = nn.Linear(width, FEATURES * patch**2)
        self.mix = nn.Linear(FEATURES + channels * (1 + SOURCES), 32)
        self.choose = zero_linear(32, SOURCES)
        nn.init.constant_(self.choose.bias, -4.0)
        self.placed: tuple[Tensor, Tensor] | None = None
        """In training: what each source would show, ``b n s c h w``, and whether it is there."""

    def forward(
        self,
        x: Float[Tensor, "b n p d"],
        text: Tensor,
        cells: Tensor,
        prompt: Tensor,
        angles: Tensor,
        padding: Tensor,
        noisy: Float[Tensor, "b n c h w"],
        sigma: Float[Tensor, "b n"],
        painted: Float[Tensor, "b n c h w"],
    ) -> Float[Tensor, "b n c h w"]:
        """Frames in which some of the painted pixels were carried over from clean cells.

        ``x`` to ``padding`` are as :class:`~filmgrid.models.blocks.Block` takes them.
        """
        x, told = self.stem(rms_norm(x)), self.tell(text)
        for block in self.blocks:
            x = block(x, told, cells, prompt, angles, padding)
        x = rms_norm(x)
        source, there = nearest_clean(sigma)  #                                  b n s
        with torch.autocast(x.device.type, enabled=False):  # pixels are placed in 32 bits
            carried = PLACED(self.move(x.float()), noisy.float(), source, self.patch)
        self.placed = (carried, there) if self.training else None
        place = rearrange(
            self.place(x),
            "b n (y x) (f ph pw) -> b n (y ph) (x pw) f",
            y=painted.shape[-2] // self.patch,
            ph=self.patch,
            pw=self.patch,
        )
        painted = painted.float()
        seen = torch.cat([painted[:, :, None], carried], dim=2)
        seen = rearrange(seen, "b n k c h w -> b n h w (k c)")
        chosen = self.choose(F.silu(self.mix(torch.cat([seen.to(place.dtype), place], dim=-1))))
        scores = rearrange(chosen.float(), "b n h w s -> b n s 1 h w")
        scores = scores + HIDDEN * (~there)[..., None, None, None]
        share = F.pad(scores, (0, 0, 0, 0, 0, 0, 0, 1)).softmax(dim=2)[:, :, :SOURCES]
        return painted + (share * (carried - painted[:, :, None])).sum(dim=2)


def nearest_clean(
    sigma: Float[Tensor, "b n"],
) -> tuple[Tensor, Tensor]:
    """The nearest clean cells before and after each, ``b n 2``, and whether there are such."""
    count = sigma.shape[1]
    order = torch.arange(count, device=sigma.device).expand_as(sigma)
    clean = sigma <= 0
    before = torch.where(clean, order, -1).cummax(dim=1).values
    before = F.pad(before[:, :-1], (1, 0), value=-1)
    after = torch.where(clean, order, count).flip(1).cummin(dim=1).values.flip(1)
    after = F.pad(after[:, 1:], (0, 1), value=count)
    source = torch.stack([before, after], dim=-1)
    there = (source >= 0) & (source < count)
    return source.clamp(0, count - 1), there


def carried_over(
    moved: Float[Tensor, "b n p s6"],
    noisy: Float[Tensor, "b n c h w"],
    source: Tensor,
    patch: int,
) -> Float[Tensor, "b n s c h w"]:
    """What each pixel shows if it comes from its source, from where its token says.

    Args:
        moved: what each token says of its motion since each of its sources.
        noisy: the cells.
        source: numbers of the sources of each cell, ``b n s``.
        patch: pixels per token side.
    """
    batch, num_cells, channels, height, width = noisy.shape
    rows = height // patch
    told = rearrange(moved, "b n (y x) (s k) -> b n s y x k", y=rows, s=SOURCES)
    step = told[..., :2] * PIXELS
    shear = told[..., 2:].unflatten(-1, (2, 2)) * SHEAR
    at = torch.arange(patch, device=noisy.device) - (patch - 1) / 2
    within = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)  #   ph pw 2, x first
    turned = torch.einsum("bnsyxij,pqj->bnsypxqi", shear, within)
    shift = turned + rearrange(step, "b n s y x i -> b n s y 1 x 1 i")
    shift = shift.flatten(3, 4).flatten(4, 5)  #                             b n s h w 2
    across, down = (torch.arange(side, device=noisy.device) + 0.5 for side in (width, height))
    here = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    sides = torch.tensor([width, height], device=noisy.device)
    grid = (here + shift) * 2 / sides - 1
    index = repeat(source, "b n s -> b (n s) c h w", c=channels, h=height, w=width)
    frames = noisy.gather(1, index).flatten(0, 1)
    carried = F.grid_sample(frames, grid.flatten(0, 2), padding_mode="border", align_corners=False)
    return carried.view(batch, num_cells, SOURCES, channels, height, width)


PLACED: Any = torch.compiler.disable(carried_over)
"""Not compiled: that would be one loop that works out every sample anew."""
