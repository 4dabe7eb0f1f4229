"""Features of FID, KID and the inception score of images: the Inception-v3 of TensorFlow, 2015.

torch-fidelity's network is used, which resizes frames to 299x299 px from 8 bits as TensorFlow 1
did, and whose weights are those of the published graph. Every frame gives one vector:

==========  ========================================================  =================
``pool3``   mean over the last 8x8 places                             FID, KID
``logits``  1,008 classes before the softmax, bias left out           inception score
==========  ========================================================  =================

Other Inceptions, such as torchvision's, give other numbers; so does torchmetrics, which smooths
frames while it resizes them unless it is told ``antialias=False``. Sizes that frames had before,
and files saved as JPEG, move FID by several points.

Sources: Heusel et al. 2017, arXiv:1706.08500 (FID); Salimans et al. 2016, arXiv:1606.03498
(inception score); Szegedy et al. 2015, arXiv:1512.00567 (network).
"""

from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32

from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.packages import package, published_file
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement, Weights
from filmgrid.evaluation.weights import (
    fill,
    fill_random,
    load_state,
    state_sha256,
    unset,
    weights_file,
)

Layer = Literal["pool3", "logits"]
"""Which numbers are the features."""

LAYERS: dict[Layer, tuple[str, int]] = {
    "pool3": ("2048", 2048),
    "logits": ("logits_unbiased", 1008),
}
"""torch-fidelity's name of each layer, and its numbers."""

MODULE = "torch_fidelity.feature_extractor_inceptionv3"
FRAMES_AT_ONCE = 32


class InceptionFeatures(Extractor):
    """Pooled features or logits of Inception-v3, one vector per frame.

    Args:
        network: torch-fidelity's, asked for one layer.
        statement: what it is.
        device: where it runs.
        batch_size: clips at once; of their frames, 32 at once take about 0.5 GB.
    """

    def __init__(
        self,
        network: Any,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 2,
    ):
        super().__init__(statement, batch_size)
        self.network = network
        self.device = device

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b n dim"]:
        """Features of the frames of one batch."""
        pixels = prepare(clips, self.statement.preprocessing)
        frames = rearrange(pixels, "b c n h w -> (b n) c h w")
        with torch.inference_mode():
            parts = [
                self.network(part.to(self.device))[0].cpu() for part in frames.split(FRAMES_AT_ONCE)
            ]
        return rearrange(torch.cat(parts), "(b n) d -> b n d", b=len(clips)).numpy()


def inception_features(
    weights: str | Path | None = None,
    *,
    layer: Layer = "pool3",
    sha256: str | None = None,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> InceptionFeatures:
    """Load the Inception of FID.

    Args:
        weights: ``pt_inception-2015-12-05-6726825d.pth``, or its copy under another name; None
            takes the one that torch-fidelity publishes, from the cache of torch.hub, or from
            where it is published.
        layer: which numbers are the features.
        sha256: what the SHA-256 of the file must be; None accepts any.
        frames: which frames are looked at, all by default.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        CheckpointError: if the file cannot be found or read, or is not this Inception.
        ConfigError: if torch-fidelity is missing.
    """
    network = _unset_inception(layer)
    path = published_file(package(MODULE).URL_INCEPTION_V3) if weights is None else Path(weights)
    facts = weights_file(path, sha256)
    fill(network, load_state(path), str(path))
    return InceptionFeatures(
        network.to(device), _statement(layer, facts, frames), device, batch_size
    )


def random_inception_features(
    seed: int,
    layer: Layer = "pool3",
    *,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> InceptionFeatures:
    """The same network with random weights and no download. Its distances are not FID.

    Args:
        seed: of the weights.
        layer: which numbers are the features.
        frames: which frames are looked at, all by default.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        ConfigError: if torch-fidelity is missing.
    """
    network = _unset_inception(layer)
    fill_random(network, seed)
    facts = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    return InceptionFeatures(
        network.to(device), _statement(layer, facts, frames), device, batch_size
    )


def _unset_inception(layer: Layer) -> Any:
    """torch-fidelity's network, kept from downloading or unpickling weights of its own accord."""
    module = package(MODULE)
    kind = module.FeatureExtractorInceptionV3
    with patch.object(module, "load_state_dict_from_url"), patch.object(kind, "load_state_dict"):
        return unset(lambda: kind("inception", [LAYERS[layer][0]]))


def _statement(layer: Layer, weights: Weights, frames: FrameChoice | None) -> Statement:
    random = "random-" if weights.source == "seed" else ""
    return Statement(
        name=f"{random}inception-v3",
        weights=weights,
        preprocessing=Preprocessing(
            frames=frames or FrameChoice(), resize=(Resize(mode="inside"),), values="uint8"
        ),
        layer="logits without bias" if layer == "logits" else layer,
        dim=LAYERS[layer][1],
        unit="frame",
    )
