"""Finished frames, larger: by a network that doubles them, or by super-resolution from noise."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ConfigError
from filmgrid.grid.reference import Reference
from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.models.enlarging import Enlarger, FileEnlarger, ShippedEnlarger
from filmgrid.models.families import load_mini
from filmgrid.models.places import is_network_file
from filmgrid.models.tiles import fading, tile_starts
from filmgrid.process.noise import seeded_noise
from filmgrid.process.resampling import coarse_part, resampled
from filmgrid.sampling.guidance import guided
from filmgrid.sampling.loop import VelocityOf, sample
from filmgrid.sampling.schedule import plan_sigmas
from filmgrid.types import FrameArray

GIVEN = 6
"""Channels of what the network is given: small frames, enlarged, after their coarse part."""
OVERLAP = 0.25
"""Share of a tile that it has in common with the next."""


def load_enlarger(
    upscale: int | Path,
    device: torch.device,
    dtype: torch.dtype,
    seed: int = 0,
    num_steps: int | None = None,
) -> Enlarger:
    """What makes frames larger, as a request asks for.

    Args:
        upscale: a power of 2, for the shipped network that doubles frames; the file of another
            network; or the folder of a training of super-resolution.
        device: where it will run.
        dtype: of the matrix products of super-resolution.
        seed: of its noise.
        num_steps: of its sampling; by default the model's.

    Raises:
        CheckpointError: if there is no such model or its files do not fit together.
        ConfigError: if the model makes frames instead of enlarging them, steps are given to one
            that makes none, or spandrel is not installed.
    """
    if num_steps is not None and (isinstance(upscale, int) or is_network_file(upscale)):
        raise ConfigError(
            f"steps are those of super-resolution, and {upscale} enlarges a frame in one pass. "
            "Leave steps out, or name the folder of a model that was trained with it."
        )
    if isinstance(upscale, int):
        return ShippedEnlarger(upscale, device)
    if is_network_file(upscale):
        return FileEnlarger(upscale, device)
    backbone = load_mini(str(upscale))
    backbone.module.to(device).requires_grad_(False)
    return SuperResolution(backbone, device, dtype, seed=seed, num_steps=num_steps)


class SuperResolution:
    """Flow from noise to large frames, given the small ones: GriDiT's second stage.

    All frames begin with the same noise, so that what is invented of them is the same where they
    are alike (the release's independent noise flickers). Frames larger than the cells that the
    network was trained on are painted in tiles, whose velocities are averaged at every step, so
    that no seam comes about (MultiDiffusion, arXiv:2302.08113). A network of layouts of several
    cells sees that many frames at once, the last of those before among them, which stays.

    Source: GriDiT, systems.md, 2.5.

    Args:
        backbone: trained with ``super_resolution``.
        device: where to compute.
        dtype: of the matrix products.
        num_steps: sampling steps; by default the model's.
        seed: of the noise.
        shared_noise: whether all frames begin with the same.
        batch: frames computed at once.

    Raises:
        ConfigError: if the model makes frames instead of enlarging them.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: torch.device,
        dtype: torch.dtype,
        *,
        num_steps: int | None = None,
        seed: int = 0,
        shared_noise: bool = True,
        batch: int = 16,
    ) -> None:
        facts = backbone.facts
        if facts.super_resolution is None:
            raise ConfigError(
                f"{facts.name} makes frames and enlarges none. Name a model that was trained with "
                "super_resolution, or upscale by 2 or 4 with the shipped network."
            )
        known = getattr(backbone.module, "config", {}).get("given_channels", GIVEN)
        if known != GIVEN:
            raise ConfigError(
                f"{facts.name} enlarges by an earlier way, from {known} channels, and here it is "
                f"given {GIVEN}. Train it again."
            )
        self.backbone, self.device, self.dtype = backbone, device, dtype
        self.factor = facts.super_resolution
        self.num_steps = num_steps or facts.num_steps
        self.seed, self.shared_noise, self.batch = seed, shared_noise, batch
        self.layout = facts.default_layout

    def __call__(self, frames: FrameArray) -> FrameArray:
        """Enlarge the frames of a sequence, ``n h w 3``."""
        height, width = (self.factor * side for side in frames.shape[1:3])
        return frames_of(self.paint(resampled(pixels_of(frames, self.device), height, width)))

    @torch.inference_mode()
    def paint(self, given: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """Large frames from frames that were enlarged without the network, in [-1, 1]."""
        beside = torch.cat([coarse_part(given, self.factor), given], dim=-3)
        whole = whole_tokens(beside, self.backbone.facts.stride)
        made: list[Tensor] = []
        for first, cells in self._groups(len(whole)):
            kept = made[first : cells.start]  # what was made of the group already
            made += self._sample(whole[first : cells.stop], first, kept)
        return torch.stack(made)[..., : given.shape[-2], : given.shape[-1]]

    def _groups(self, num_frames: int) -> Iterator[tuple[int, slice]]:
        """First frame that each call sees, and the frames that it makes."""
        most = self.layout.num_cells
        if most == 1:
            for start in range(0, num_frames, self.batch):
                yield start, slice(start, min(num_frames, start + self.batch))
            return
        yield 0, slice(0, min(most, num_frames))
        for start in range(most, num_frames, most - 1):
            yield start - 1, slice(start, min(num_frames, start + most - 1))

    def _sample(
        self, given: Float[Tensor, "n 6 h w"], first: int, kept: list[Tensor]
    ) -> list[Tensor]:
        """Large frames, without those that were kept."""
        joint = self.layout.num_cells > 1
        given = given[None] if joint else given[:, None]  #                    b n 6 h w
        noise = self._noise(given[:, :, :3], first)
        reference = None
        if kept:
            cells = torch.zeros_like(noise)
            cells[:, : len(kept)] = torch.stack(kept)
            keep = torch.arange(given.shape[1], device=self.device) < len(kept)
            reference = Reference(cells, keep[None])
        latents = noise
        sigmas = plan_sigmas(self.num_steps, self.backbone.facts.shift)
        for state in sample(self._velocity(given), noise, sigmas, reference, per_cell_sigma=joint):
            latents = state.noisy
        return list(latents.flatten(0, 1)[len(kept) :])

    def _noise(self, given: Float[Tensor, "b n 3 h w"], first: int) -> Tensor:
        batch, num_cells = given.shape[:2]
        if self.shared_noise:
            one = seeded_noise([self.seed], tuple(given.shape[2:]), self.device)
            return one.expand(batch, num_cells, *one.shape[1:])
        seeds = [self.seed + first + place for place in range(batch * num_cells)]
        return seeded_noise(seeds, tuple(given.shape[2:]), self.device).view_as(given)

    def _velocity(self, given: Float[Tensor, "b n 6 h w"]) -> VelocityOf:
        """Velocity of whole frames, from tiles of the size that the network knows."""
        facts, sides = self.backbone.facts, given.shape[-2:]
        tile = [min(side, trained) for side, trained in zip(sides, facts.cell, strict=True)]
        overlap = [int(OVERLAP * side) for side in tile]
        starts = map(tile_starts, sides, tile, overlap)
        tiles: list[tuple[Any, VelocityOf, Tensor]] = []
        for y, x in product(*starts):
            here = np.s_[..., y : y + tile[0], x : x + tile[1]]
            rows = fading(y, y + tile[0], sides[0], blend=max(1, overlap[0]))
            cols = fading(x, x + tile[1], sides[1], blend=max(1, overlap[1]))
            tiles.append((here, self._call(given[here]), (rows[:, None] * cols).to(self.device)))
        if len(tiles) == 1:
            return tiles[0][1]

        def velocity(noisy: Tensor, sigma: Tensor) -> Tensor:
            total, shares = torch.zeros_like(noisy), noisy.new_zeros(sides)
            for here, call, weight in tiles:
                total[here] += weight * call(noisy[here], sigma)
                shares[here] += weight
            return total / shares

        return velocity

    def _call(self, given: Float[Tensor, "b n 6 h w"]) -> VelocityOf:
        words = self.backbone.encode([""] * len(given))
        condition = {**words, "given": given}
        return guided(self.backbone, condition, Layout(1, given.shape[1]), dtype=self.dtype)


def whole_tokens(frames: Float[Tensor, "n c h w"], stride: int) -> Float[Tensor, "n c y x"]:
    """Frames with sides of whole tokens, their last rows and columns repeated where needed."""
    height, width = frames.shape[-2:]
    return F.pad(frames, (0, -width % stride, 0, -height % stride), mode="replicate")
