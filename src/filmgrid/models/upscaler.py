"""Upscaler: twice the height and width of single frames, by one small convolutional network."""

import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float
from torch import Tensor, nn

FACTOR = 2


class Upscaler(ModelMixin, ConfigMixin):
    """Doubles frames; larger factors are the same network again.

    All work is done at the lower resolution and rearranged into pixels at the end (ESPCN,
    arXiv:1609.05158), with residual blocks free of normalisation (EDSR, arXiv:1707.02921) and
    what it adds counted from the nearest pixel, so that an untrained network changes nothing.

    Args:
        width: channels inside.
        depth: residual blocks of two 3x3 convolutions.
    """

    @register_to_config
    def __init__(self, width: int = 48, depth: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, padding_mode="replicate")
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            )
            for _ in range(depth)
        )
        self.head = nn.Conv2d(width, 3 * FACTOR**2, 3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, frames: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h2 w2"]:
        """Enlarge frames of range [-1, 1]."""
        x = self.stem(frames)
        for block in self.blocks:
            x = x + block(x)
        added = F.pixel_shuffle(self.head(x), FACTOR)
        return F.interpolate(frames, scale_factor=FACTOR, mode="nearest") + added
