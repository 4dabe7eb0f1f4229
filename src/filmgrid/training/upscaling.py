"""Training of the upscaler: sharp frames, made small and a little worse, made sharp again."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader

from filmgrid.data.augment import augment
from filmgrid.data.files import atomic_folder
from filmgrid.errors import CheckpointError
from filmgrid.grid.spec import CellSize
from filmgrid.models.codec import halved, pixels_of
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.models.upscaler import Upscaler
from filmgrid.training.batches import choose, open_source
from filmgrid.training.files import check_same
from filmgrid.training.optim import learning_rate_factor
from filmgrid.training.upscaler_config import UpscalerConfig

log = logging.getLogger(__name__)
SETTINGS, STATE = "upscaler.json", "state.pt"
TILE_STREAM, HARM_STREAM = 21, 22
MAY_CHANGE = frozenset(["out", "workers", "device", "log_every", "save_every"])
"""Settings that a resumed run may change, since they do not change what is learned."""


class Tiles:
    """Batches of sharp tiles by number, ``b 3 side side`` in [-1, 1]."""

    def __init__(self, config: UpscalerConfig) -> None:
        self.config = config
        side = max(config.sides)
        self.sources = [open_source(data, CellSize(side, side)) for data in config.data]

    def __len__(self) -> int:
        """Batches of the run."""
        return self.config.steps

    def __getitem__(self, number: int) -> Float[Tensor, "b 3 side side"]:
        """Make batch ``number``."""
        config, tile = self.config, min(self.config.sides)
        rng = np.random.default_rng([config.seed, TILE_STREAM, number])
        side = config.sides[choose(config.side_weights, rng)]
        frames = []
        for _ in range(max(1, config.batch * tile**2 // side**2)):
            which = choose([data.weight for data in config.data], rng)
            source = self.sources[which]
            index = int(rng.integers(len(source)))
            example = source.draw(index, 1, CellSize(side, side), rng)
            frames.append(augment(example.frames, config.data[which].augment, rng)[0])
        tiles = rearrange(np.stack(frames), "b (y h) (x w) c -> (b y x) h w c", h=tile, w=tile)
        return pixels_of(tiles[rng.permutation(len(tiles))[: config.batch]])


def train_upscaler(config: UpscalerConfig) -> Path:
    """Train, or go on from the checkpoint in ``config.out``.

    Returns:
        The folder of the network.

    Raises:
        ConfigError: if the folder holds a run with other settings.
        CheckpointError: if its checkpoint is damaged or cannot be written.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: Any = Upscaler(config.width, config.depth)
    network = network.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), config.lr, (0.9, 0.98), weight_decay=0.0)
    done = _resume(config, network, optimizer)
    started, errors = time.perf_counter(), []
    for step, sharp in enumerate(_batches(config, done), start=done):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * learning_rate_factor(
                step, config.steps, config.warmup_steps, config.decay
            )
        target = sharp.to(device)
        small = harmed(halved(target), config, step).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            made = network(small)
        loss = F.smooth_l1_loss(made.float(), target, beta=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        errors.append(float((made.detach().float() - target).square().mean()))
        now = step + 1
        if now % config.log_every == 0 or now == config.steps:
            left = (time.perf_counter() - started) / (now - done) * (config.steps - now)
            decibels = -10 * np.log10(np.mean(errors[-config.log_every :]) / 4)
            log.info(f"step {now}/{config.steps}  {decibels:.1f} dB  {left / 60:.1f} minutes left")
        if now % config.save_every == 0 or now == config.steps:
            _save(config, network, optimizer, now)
    return config.out / "model"


def harmed(
    small: Float[Tensor, "b 3 h w"], config: UpscalerConfig, step: int
) -> Float[Tensor, "b 3 h w"]:
    """Small frames with blur and noise, each of its own strength and half of them without."""
    random = torch.Generator().manual_seed(
        int(np.random.default_rng([config.seed, HARM_STREAM, step]).integers(2**62))
    )
    strength = torch.rand(len(small), 2, generator=random)
    strength = strength * (torch.rand(len(small), 2, generator=random) < 0.5)
    grain = torch.randn(small.shape, generator=random)
    strength, grain = strength.to(small.device), grain.to(small.device)
    sigma = (config.blur * strength[:, 0]).clamp(min=1e-3)
    offsets = torch.arange(-2, 3, device=small.device)
    kernel = (-(offsets**2) / (2 * sigma[:, None] ** 2)).exp()
    kernel = kernel / kernel.sum(dim=1, keepdim=True)  #                       b 5
    padded = F.pad(small, (2, 2, 2, 2), mode="replicate")
    planes = padded.flatten(0, 1)[None]  #                                     1 b3 h w
    kernel = kernel.repeat_interleave(3, dim=0)
    planes = F.conv2d(planes, kernel[:, None, :, None], groups=len(kernel))
    planes = F.conv2d(planes, kernel[:, None, None, :], groups=len(kernel))
    level = config.noise / 127.5 * strength[:, 1]
    return planes[0].unflatten(0, small.shape[:2]) + level[:, None, None, None] * grain


def _batches(config: UpscalerConfig, done: int) -> Iterator[Tensor]:
    """The batches that are left."""
    tiles = Tiles(config)
    loader: DataLoader[Tensor] = DataLoader(
        tiles,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=range(done, config.steps),
        num_workers=config.workers,
        generator=torch.Generator(),
        prefetch_factor=4 if config.workers else None,
    )
    return iter(loader)


def _save(
    config: UpscalerConfig, network: Upscaler, optimizer: torch.optim.Optimizer, step: int
) -> None:
    try:
        with atomic_folder(config.out / "model", may_replace=lambda _: True) as part:
            network.save_pretrained(part)
            told = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**told, "step": step}, part / STATE)
            (part / SETTINGS).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"The checkpoint of step {step} was not saved in {config.out}: {error} Free some "
            "space and run the same command again: the checkpoint before is whole."
        ) from error


def _resume(config: UpscalerConfig, network: Upscaler, optimizer: torch.optim.Optimizer) -> int:
    """Go to the checkpoint of the run, if there is one; gives the steps done."""
    folder = config.out / "model"
    if not (folder / SETTINGS).is_file():
        return 0
    try:
        before = UpscalerConfig.model_validate_json((folder / SETTINGS).read_bytes())
        check_same(before, config, MAY_CHANGE)
        state = torch.load(folder / STATE, weights_only=True, map_location="cpu")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (OSError, RuntimeError, ValidationError, KeyError, EOFError) as error:
        raise CheckpointError(
            f"The checkpoint in {folder} is damaged ({' '.join(str(error).split())[:160]}). "
            "Delete that folder, or name another --out to begin again."
        ) from error
    return int(state["step"])
