"""C3D: eight 3x3x3 convolutions and three dense layers, here with the classes of UCF-101.

::

    3 x 16 x 112 x 112
    conv1a        64    pool 1x2x2
    conv2a       128    pool 2x2x2
    conv3a, b    256    pool 2x2x2
    conv4a, b    512    pool 2x2x2
    conv5a, b    512    pool 2x2x2   -> 512 x 1 x 4 x 4
    fc6, fc7    4096
    fc8          101    logits

Source: Tran et al. 2015, arXiv:1412.0767, in the form of TGAN2's inception score (Saito et al.
2020, arXiv:1811.09245). Pools keep what is left over at the lower and right edge, as Chainer and
Caffe do: 7 places become 4. Versions that pad on both sides before the last pool are not the same.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from filmgrid.evaluation.weights import fill_random, unset

NUM_FRAMES = 16
SIDE = 112
NUM_CLASSES = 101


class C3D(nn.Module):
    """Logits of clips of 16 frames of 112x112 px."""

    def __init__(self):
        super().__init__()
        self.conv1a = nn.Conv3d(3, 64, 3, padding=1)
        self.conv2a = nn.Conv3d(64, 128, 3, padding=1)
        self.conv3a = nn.Conv3d(128, 256, 3, padding=1)
        self.conv3b = nn.Conv3d(256, 256, 3, padding=1)
        self.conv4a = nn.Conv3d(256, 512, 3, padding=1)
        self.conv4b = nn.Conv3d(512, 512, 3, padding=1)
        self.conv5a = nn.Conv3d(512, 512, 3, padding=1)
        self.conv5b = nn.Conv3d(512, 512, 3, padding=1)
        self.fc6 = nn.Linear(512 * 4 * 4, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, NUM_CLASSES)

    def forward(self, clips: Float[Tensor, "b 3 16 112 112"]) -> Float[Tensor, "b 101"]:
        """Logits before the softmax.

        Args:
            clips: levels of 0 to 255 less their mean, blue before green before red.
        """
        hidden = _pool(F.relu(self.conv1a(clips)), frames=1)
        hidden = _pool(F.relu(self.conv2a(hidden)))
        hidden = _pool(F.relu(self.conv3b(F.relu(self.conv3a(hidden)))))
        hidden = _pool(F.relu(self.conv4b(F.relu(self.conv4a(hidden)))))
        hidden = _pool(F.relu(self.conv5b(F.relu(self.conv5a(hidden)))))
        hidden = F.relu(self.fc6(hidden.flatten(1)))
        return self.fc8(F.relu(self.fc7(hidden)))


def _pool(hidden: Float[Tensor, "b c n h w"], frames: int = 2) -> Float[Tensor, "b c n2 h2 w2"]:
    """Largest of 2x2 places and of some frames; what is left over at the end counts too."""
    return F.max_pool3d(hidden, (frames, 2, 2), ceil_mode=True)


def unset_c3d() -> C3D:
    """The architecture, its weights unset."""
    return unset(C3D)


def random_c3d(seed: int) -> C3D:
    """The architecture with random weights, for tests and for random features.

    Args:
        seed: same seed, same weights.
    """
    network = unset_c3d()
    fill_random(network, seed)
    return network
