"""offline-random: what a random 3-D convolutional network makes of a clip. Nothing to download.

::

    3 x n x 64 x 64, pixels in [-1, 1]
    conv 3x5x5 /1,2,2    24    ReLU   -> mean over places and frames, length 1
    conv 3x3x3 /2        48    ReLU   -> mean, length 1
    conv 3x3x3 /2        64    ReLU   -> mean, length 1

Random filters keep distances between images to a useful degree (Jarrett et al. 2009,
doi:10.1109/ICCV.2009.5459469), so that sets of clips can be compared by MMD with no trained
weights. Filters are normal numbers from one CPU generator, without bias. Those of the first layer
have no mean, so that flat colours give nothing; of them, one half has no mean over time either,
and answers to change alone, and the other half is the same in its three frames. The mean
activations of a layer are divided by their length plus 1/50: what counts is which filters answer,
not how much contrast a clip has. The SHA-256 of the weights is in the statement.

Sees blur and noise, less so frozen and shuffled frames. Blind to single dropped frames, to mean
colour, and to where things are; it knows no objects. Reversed motion shows only where it is of
another kind than the motion of the set, and was not seen on the clips that we measured.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor, nn

from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement, Weights
from filmgrid.evaluation.weights import state_sha256

WIDTHS = (24, 48, 64)
KERNELS = ((3, 5, 5), (3, 3, 3), (3, 3, 3))
STRIDES = ((1, 2, 2), (2, 2, 2), (2, 2, 2))
FAINT = 0.02
FEWEST_FRAMES = 4


class RandomFeatures(Extractor):
    """136 numbers per clip of at least 4 frames of any size.

    Args:
        seed: of the weights.
        frames: which frames are looked at, all by default.
        device: where the network runs.
        batch_size: clips at once.
    """

    def __init__(
        self,
        seed: int = 0,
        frames: FrameChoice | None = None,
        device: str | torch.device = "cpu",
        batch_size: int = 4,
    ):
        self.device = device
        self.network = RandomNetwork(seed)
        super().__init__(
            Statement(
                name="offline-random",
                weights=Weights(
                    source="seed",
                    name=str(seed),
                    sha256=state_sha256(self.network.state_dict()),
                ),
                preprocessing=Preprocessing(
                    frames=(frames or FrameChoice()).needing(FEWEST_FRAMES),
                    resize=(Resize(mode="squash", size=64, antialias=True),),
                    black=-1,
                    white=1,
                ),
                layer="means of three layers, each of length 1",
                dim=sum(WIDTHS),
            ),
            batch_size,
        )
        self.network.to(device)

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Means of the activations of one batch."""
        pixels = prepare(clips, self.statement.preprocessing, self.device)
        with torch.inference_mode():
            return self.network(pixels).cpu().numpy()


class RandomNetwork(nn.Module):
    """Three random convolutions.

    Args:
        seed: same seed, same weights.
    """

    def __init__(self, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        inputs = 3
        for index, (width, kernel) in enumerate(zip(WIDTHS, KERNELS, strict=True)):
            filters = torch.randn(width, inputs, *kernel, generator=generator)
            if index == 0:
                filters -= filters.mean(dim=(2, 3, 4), keepdim=True)
                over_time = filters.mean(dim=2, keepdim=True)
                still = over_time.expand_as(filters)
                filters = torch.cat([(filters - still)[: width // 2], still[width // 2 :]])
            length = filters.flatten(1).norm(dim=1)
            self.register_buffer(
                f"filters{index}", filters * (2**0.5 / length[:, None, None, None, None])
            )
            inputs = width

    def forward(self, hidden: Float[Tensor, "b 3 n h w"]) -> Float[Tensor, "b dim"]:
        """Features of clips with pixels in [-1, 1]."""
        means: list[Tensor] = []
        for index, (kernel, stride) in enumerate(zip(KERNELS, STRIDES, strict=True)):
            padding = [width // 2 for width in kernel]
            filters = self.get_buffer(f"filters{index}")
            hidden = F.relu(F.conv3d(hidden, filters, stride=stride, padding=padding))
            mean = hidden.mean(dim=(2, 3, 4))
            means.append(mean / (mean.norm(dim=1, keepdim=True) + FAINT))
        return torch.cat(means, dim=1)
