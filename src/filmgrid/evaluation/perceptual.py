"""Distances between frames as people see them: LPIPS and DISTS, in pairs.

::

    distance = lpips_distance("alex")
    distance(real, made)                      # one number per pair of frames, 0 for equal ones

Both compare the activations of an image classifier, and need its trained weights to mean what is
published. torchmetrics does the arithmetic and ships the small heads; the classifiers are
torchvision's. What random weights give is a distance too, but not LPIPS or DISTS.

Sources: Zhang et al. 2018, arXiv:1801.03924 (LPIPS); Ding et al. 2020, arXiv:2004.07728 (DISTS).
"""

from abc import ABC, abstractmethod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float64
from torch import nn

from filmgrid.errors import ShapeError
from filmgrid.evaluation.features import AnyClip
from filmgrid.evaluation.packages import package, published_file
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import Options, Preprocessing, Statement, Weights
from filmgrid.evaluation.weights import (
    fill,
    fill_random,
    load_state,
    state_sha256,
    unset,
    weights_file,
)
from filmgrid.types import FrameArray

Net = Literal["alex", "vgg", "squeeze"]
"""Classifiers that LPIPS was fitted on."""

CLASSIFIERS: dict[Net, tuple[str, str]] = {
    "alex": ("alexnet", "AlexNet_Weights"),
    "vgg": ("vgg16", "VGG16_Weights"),
    "squeeze": ("squeezenet1_1", "SqueezeNet1_1_Weights"),
}
"""torchvision's names of them and of their weights."""

SMALLEST_SIDE: dict[Net, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Fewest pixels of height and width that leave a place in the last layer."""

LPIPS_MODULE = "torchmetrics.functional.image.lpips"
DISTS_MODULE = "torchmetrics.functional.image.dists"


class FrameDistance(ABC):
    """How different two frames look, for many pairs.

    To add one, subclass it and implement :meth:`measure`.

    Args:
        statement: everything that decides the distances.
        batch_size: pairs measured together; changes speed and memory, and rounding at most.
        min_side: fewest pixels of height and width that it is defined on.
    """

    def __init__(self, statement: Statement, batch_size: int = 1, min_side: int = 1):
        self.statement = statement
        self.batch_size = batch_size
        self.min_side = min_side

    @abstractmethod
    def measure(self, real: FrameArray, made: FrameArray) -> Float64[np.ndarray, " n"]:
        """Distances of one batch."""

    def __call__(self, real: AnyClip, made: AnyClip) -> Float64[np.ndarray, " n"]:
        """Distance of each frame from the one at its place.

        Args:
            real: 8-bit sRGB.
            made: as many frames of the same size.

        Returns:
            At least 0 up to rounding, 0 for equal frames; no unit.

        Raises:
            ShapeError: if the sets differ in shape, are not 8-bit RGB frames, are too small, or
                have no finite distance.
        """
        for frames in (real, made):
            if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
                raise ShapeError(
                    f"{self.statement.name} compares 8-bit frames x height x width x 3, and got "
                    f"{frames.dtype} of shape {frames.shape}. Give RGB frames in uint8, 0 to 255."
                )
        if real.shape != made.shape:
            raise ShapeError(
                f"{self.statement.name} compares frames in pairs, and got shapes {real.shape} and "
                f"{made.shape}. Bring both to one number and size of frames."
            )
        if min(real.shape[1:3]) < self.min_side:
            raise ShapeError(
                f"Frames of {real.shape[1]}x{real.shape[2]} px are too small for "
                f"{self.statement.name}: {self.min_side}x{self.min_side} px are needed. Use larger "
                "frames."
            )
        distances = np.zeros(len(real))
        for start in range(0, len(real), self.batch_size):
            part = slice(start, start + self.batch_size)
            distances[part] = self.measure(real[part], made[part])
        finite = np.isfinite(distances)
        if not finite.all():
            raise ShapeError(
                f"{self.statement.name}: pair {int(np.argmin(finite))} has no finite distance. "
                "Check whether the weights belong to this network."
            )
        return distances


class NetworkDistance(FrameDistance):
    """A network that takes frames in pairs and gives their distance.

    Args:
        network: called with prepared frames, real ones first.
        statement: what it is.
        device: where it runs.
        batch_size: pairs at once.
        min_side: fewest pixels of height and width that the network takes.
    """

    def __init__(
        self,
        network: Any,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 4,
        min_side: int = 1,
    ):
        super().__init__(statement, batch_size, min_side)
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device

    def measure(self, real: FrameArray, made: FrameArray) -> Float64[np.ndarray, " n"]:
        """Distances of one batch."""
        pixels = prepare(np.stack([real, made]), self.statement.preprocessing, self.device)
        first, second = rearrange(pixels, "b c n h w -> b n c h w")
        with torch.inference_mode():
            return self.network(first, second).flatten().double().cpu().numpy()


class Heads(nn.ModuleDict):
    """How much each channel of each layer counts in LPIPS: never less than nothing."""


def lpips_distance(
    net: Net = "alex",
    weights: str | Path | None = None,
    heads: str | Path | None = None,
    *,
    sha256: str | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> FrameDistance:
    """Load LPIPS 0.1: ``sum over layers of mean over places of w . (a - b)**2``.

    ``a`` and ``b`` are activations of the two frames, of length 1 at each place. Most papers
    report ``alex``; numbers of different nets do not compare. Frames keep their size, which moves
    the number: measure at the size you report.

    Args:
        net: the classifier.
        weights: its state dictionary, as torchvision publishes it; None takes that file from the
            cache of torch.hub, or from torchvision's site.
        heads: weights of the layers, such as ``v0.1/alex.pth`` of the paper's repository; None
            takes those, which torchmetrics ships.
        sha256: what the SHA-256 of ``weights`` must be; None accepts any.
        device: where the network runs.
        batch_size: pairs at once; 4 of 256x256 px take about 0.1 GB, with vgg 0.7 GB.

    Raises:
        CheckpointError: if a file cannot be found or read, or is of another network.
        ConfigError: if torchvision or torchmetrics is missing.
    """
    backbone, facts = _trained_backbone(net, weights, sha256)
    return _lpips(net, backbone, facts, heads, device, batch_size)


def random_lpips_distance(
    net: Net = "alex",
    seed: int = 0,
    *,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> FrameDistance:
    """The same with the real heads on a random classifier, and no download. Not LPIPS.

    Args:
        net: the architecture.
        seed: of its weights.
        device: where the network runs.
        batch_size: pairs at once.

    Raises:
        ConfigError: if torchvision or torchmetrics is missing.
    """
    backbone, facts = _random_backbone(net, seed)
    return _lpips(net, backbone, facts, None, device, batch_size)


def dists_distance(
    weights: str | Path | None = None,
    *,
    sha256: str | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> FrameDistance:
    """Load DISTS: 1 less the likeness of means (texture) and of covariances (structure) of VGG-16.

    Frames keep their size; the paper brings the shorter side to 256 px first.

    Args:
        weights: state dictionary of VGG-16, as torchvision publishes it; None takes that file
            from the cache of torch.hub, or from torchvision's site.
        sha256: what the SHA-256 of the file must be; None accepts any.
        device: where the network runs.
        batch_size: pairs at once; 4 of 256x256 px take about 0.5 GB.

    Raises:
        CheckpointError: if the file cannot be found or read, or is of another network.
        ConfigError: if torchvision or torchmetrics is missing.
    """
    backbone, facts = _trained_backbone("vgg", weights, sha256)
    return _dists(backbone, facts, device, batch_size)


def random_dists_distance(
    seed: int = 0, *, device: str | torch.device = "cpu", batch_size: int = 4
) -> FrameDistance:
    """The same with its real weights of channels on a random VGG-16, and no download. Not DISTS.

    Args:
        seed: of the weights.
        device: where the network runs.
        batch_size: pairs at once.

    Raises:
        ConfigError: if torchvision or torchmetrics is missing.
    """
    backbone, facts = _random_backbone("vgg", seed)
    return _dists(backbone, facts, device, batch_size)


def _trained_backbone(
    net: Net, weights: str | Path | None, sha256: str | None
) -> tuple[nn.Module, Weights]:
    """Convolutions of a classifier with the weights of a file, all of whose names are checked."""
    models = package("torchvision.models")
    name, published = CLASSIFIERS[net]
    if weights is None:
        path = published_file(getattr(models, published).IMAGENET1K_V1.url)
    else:
        path = Path(weights)
    facts = weights_file(path, sha256)
    network: Any = unset(getattr(models, name))
    fill(network, load_state(path), str(path))
    return network.features, facts


def _random_backbone(net: Net, seed: int) -> tuple[nn.Module, Weights]:
    network: Any = unset(getattr(package("torchvision.models"), CLASSIFIERS[net][0]))
    fill_random(network.features, seed)
    sha256 = state_sha256(network.features.state_dict())
    return network.features, Weights(source="seed", name=str(seed), sha256=sha256)


def _lpips(
    net: Net,
    backbone: nn.Module,
    facts: Weights,
    heads: str | Path | None,
    device: str | torch.device,
    batch_size: int,
) -> FrameDistance:
    module = package(LPIPS_MODULE)
    # torchmetrics would download the classifier: ours, whose weights are checked, is put in.
    given = patch.object(module, "_get_tv_model_features", lambda *_: backbone)
    with given, torch.random.fork_rng(devices=[]):
        network = module._NoTrainLpips(net=net)
    layers = Heads({f"lin{index}": layer for index, layer in enumerate(network.lins)})
    if heads is not None:
        fill(layers, load_state(Path(heads)), str(heads))
    statement = _statement(
        f"lpips-{net}",
        facts,
        Preprocessing(black=-1, white=1),
        {"heads": state_sha256(layers.state_dict())},
    )
    return NetworkDistance(network, statement, device, batch_size, SMALLEST_SIDE[net])


def _dists(
    backbone: nn.Module, facts: Weights, device: str | torch.device, batch_size: int
) -> FrameDistance:
    module = package(DISTS_MODULE)
    given = patch.object(module, "vgg16", lambda **_: SimpleNamespace(features=backbone))
    with given, torch.random.fork_rng(devices=[]):
        network = module.DISTSNetwork()
    own = {"alpha": network.alpha, "beta": network.beta}
    statement = _statement("dists", facts, Preprocessing(), {"heads": state_sha256(own)})
    return NetworkDistance(network, statement, device, batch_size, SMALLEST_SIDE["vgg"])


def _statement(
    name: str, weights: Weights, preprocessing: Preprocessing, options: Options
) -> Statement:
    random = "random-" if weights.source == "seed" else ""
    return Statement(
        name=f"{random}{name}",
        weights=weights,
        preprocessing=preprocessing,
        layer="distance of two frames",
        dim=1,
        unit="frame",
        options=options,
    )
