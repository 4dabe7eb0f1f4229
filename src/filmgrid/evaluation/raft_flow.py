"""RAFT: how far each pixel moves from frame to frame, by torchvision's network.

::

    forward, backward = raft_flow()(frames)   # n - 1 fields each, in pixels

Source: Teed and Deng 2020, arXiv:2003.12039.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor

from filmgrid.errors import ShapeError
from filmgrid.evaluation.packages import package, published_file
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import Preprocessing, Resize, Statement, Weights
from filmgrid.evaluation.weights import (
    fill,
    fill_random,
    load_state,
    state_sha256,
    unset,
    weights_file,
)
from filmgrid.types import FrameArray

MODULE = "torchvision.models.optical_flow"
NUM_UPDATES = 12
"""How often a flow is refined."""
SMALLEST_SIDE = 128
STRIDE = 8

Motion = Float32[np.ndarray, "steps h w 2"]
"""For each step, pixels to the right and downwards."""


class Flows(NamedTuple):
    """Where the pixels of a sequence go, and where they come from."""

    forward: Motion
    """Item i leads from frame i to frame i + 1."""
    backward: Motion
    """Item i leads from frame i + 1 to frame i."""


class RaftFlow:
    """Optical flow of a sequence by RAFT.

    The network takes sides of at least 128 px that divide by 8. Frames of other sizes are resized
    to the next such size, each side by itself, and their flow is resized and scaled back to pixels
    of the frames. The statement says so.

    Args:
        network: torchvision's raft_large.
        weights: where its numbers come from.
        device: where it runs.
        batch_size: steps at once; 2 of 256x256 px take about 0.2 GB and of 512x512 px about 1 GB;
            beyond, memory grows with the square of the number of pixels.
    """

    def __init__(
        self,
        network: Any,
        weights: Weights,
        device: str | torch.device = "cpu",
        batch_size: int = 2,
    ):
        random = "random-" if weights.source == "seed" else ""
        self.statement = Statement(
            name=f"{random}raft-large",
            weights=weights,
            preprocessing=Preprocessing(resize=(Resize(mode="inside"),), black=-1, white=1),
            layer="flow after the last update, pixels of the frames",
            dim=2,
            unit="frame",
            options={
                "num_updates": NUM_UPDATES,
                "sides": "each to the next multiple of 8 from 128 on, bilinear; flow scaled back",
            },
        )
        self.network = network.to(device)
        self.device = device
        self.batch_size = batch_size

    def __call__(self, frames: FrameArray) -> Flows:
        """Flow from each frame to the next, and back.

        Args:
            frames: 8-bit sRGB, at least two.

        Raises:
            ShapeError: if there is only one frame, or these are not 8-bit RGB.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ShapeError(
                f"Flow is measured on 8-bit frames x height x width x 3, and got {frames.dtype} of "
                f"shape {frames.shape}. Give RGB frames in uint8, 0 to 255."
            )
        if len(frames) < 2:
            raise ShapeError(
                f"Flow leads from one frame to the next, and there are {len(frames)}. "
                "Give at least 2."
            )
        forward = np.empty((len(frames) - 1, *frames.shape[1:3], 2), np.float32)
        backward = np.empty_like(forward)
        for start in range(0, len(forward), self.batch_size):
            part = slice(start, start + self.batch_size)
            there, back = self._measure(frames[start : start + self.batch_size + 1])
            forward[part], backward[part] = there, back
        return Flows(forward, backward)

    def _measure(self, frames: FrameArray) -> tuple[Motion, Motion]:
        height, width = frames.shape[1:3]
        pixels = prepare(frames[None], self.statement.preprocessing, self.device)
        images = _resized(
            rearrange(pixels, "1 c n h w -> n c h w"), fitting(height), fitting(width)
        )
        starts = torch.cat([images[:-1], images[1:]])
        ends = torch.cat([images[1:], images[:-1]])
        with torch.inference_mode():
            motion = self.network(starts, ends, num_flow_updates=NUM_UPDATES)[-1]
            across = motion.new_tensor([width / fitting(width), height / fitting(height)])
            motion = _resized(motion, height, width) * across[:, None, None]
        fields = rearrange(motion, "(way n) c h w -> way n h w c", way=2).float().cpu().numpy()
        return fields[0], fields[1]


def raft_flow(
    weights: str | Path | None = None,
    *,
    sha256: str | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> RaftFlow:
    """Load RAFT.

    Args:
        weights: state dictionary of raft_large, as torchvision publishes several; None takes
            ``C_T_SKHT_V2`` (Chairs, Things, Sintel, KITTI and HD1K) from the cache of torch.hub,
            or from torchvision's site.
        sha256: what the SHA-256 of the file must be; None accepts any.
        device: where the network runs.
        batch_size: steps at once.

    Raises:
        CheckpointError: if the file cannot be found or read, or is of another network.
        ConfigError: if torchvision is missing.
    """
    module = package(MODULE)
    if weights is None:
        path = published_file(module.Raft_Large_Weights.C_T_SKHT_V2.url)
    else:
        path = Path(weights)
    facts = weights_file(path, sha256)
    network = unset(module.raft_large)
    fill(network, load_state(path), str(path))
    return RaftFlow(network, facts, device, batch_size)


def random_raft_flow(
    seed: int = 0, *, device: str | torch.device = "cpu", batch_size: int = 2
) -> RaftFlow:
    """RAFT with random weights and no download. Its flow follows nothing.

    Args:
        seed: of the weights.
        device: where the network runs.
        batch_size: steps at once.

    Raises:
        ConfigError: if torchvision is missing.
    """
    network = unset(package(MODULE).raft_large)
    fill_random(network, seed)
    facts = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    return RaftFlow(network, facts, device, batch_size)


def fitting(side: int) -> int:
    """The least side of at least this many pixels that the network takes."""
    return max(SMALLEST_SIDE, -(-side // STRIDE) * STRIDE)


def _resized(
    images: Float[Tensor, "n c h w"], height: int, width: int
) -> Float[Tensor, "n c {height} {width}"]:
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
