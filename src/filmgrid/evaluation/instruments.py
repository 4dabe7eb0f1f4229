"""What an evaluation measures with: features, distances of frames and flows, loaded once.

Weights are found and read before the first clip is, so that a missing file costs nothing.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.evaluation.catalogue import OFFLINE_FEATURES, WEIGHTS_OF
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.features import Extractor
from filmgrid.evaluation.offline import offline_features
from filmgrid.evaluation.spec import Statement

if TYPE_CHECKING:
    from filmgrid.evaluation.perceptual import FrameDistance

CLIP_MODEL = "openai/clip-vit-large-patch14"
"""CLIP by its Hub id, where no other is named."""

WHERE = {
    "i3d": "i3d_torchscript.pt (StyleGAN-V) for fvd, or i3d_pretrained_400.pt (cd-fvd) for the "
    "other protocols",
    "videomae": "vit_g_hybrid_pt_1200e_ssv2_ft.pth (VideoMAE v2), or the Hub id of a VideoMAE",
    "c3d": "the C3D of TGAN2's inception score, with mean2.npz beside it",
}
"""Weights that nobody may fetch for you."""

FlowEstimator = Callable[[Any], tuple[Any, Any]]
"""Frames to the flows from each to the next, and back."""


@dataclass(slots=True)
class Instruments:
    """All that some metrics need.

    Args:
        features: extractors by the name that the catalogue gives them.
        distances: distances of frames by that name.
        flows: estimators of optical flow by that name.
    """

    features: dict[str, Extractor] = field(default_factory=dict)
    distances: dict[str, "FrameDistance"] = field(default_factory=dict)
    flows: dict[str, FlowEstimator] = field(default_factory=dict)

    @classmethod
    def load(cls, names: Iterable[str], config: EvaluateConfig) -> "Instruments":
        """Load instruments by the names that the catalogue gives them.

        Raises:
            CheckpointError: if weights are missing, damaged or of another network.
            ConfigError: if weights must be named and are not, or a package is missing.
        """
        loaded = cls()
        for name in dict.fromkeys(names):
            if name in OFFLINE_FEATURES:
                loaded.features[name] = offline_features(name)  # pyright: ignore[reportArgumentType]
            elif name == "flow":
                loaded.flows[name] = _offline_flow()
            elif name == "raft":
                loaded.flows[name] = _raft(config)
            elif name.startswith("lpips-") or name == "dists":
                loaded.distances[name] = _frame_distance(name, config)
            else:
                loaded.features[name] = _network(name, config)
        return loaded

    def keep(self, names: Iterable[str]) -> None:
        """Put all others away."""
        kept = set(names)
        for shelf in (self.features, self.distances, self.flows):
            for name in [each for each in shelf if each not in kept]:
                shelf.pop(name)

    def statement(self, name: str) -> Statement:
        """What an instrument states about itself."""
        found = self.features.get(name) or self.distances.get(name) or self.flows.get(name)
        assert found is not None
        return found.statement  # pyright: ignore[reportFunctionMemberAccess]

    def clip_text(self, prompts: list[str]) -> Any:
        """Embeddings of texts by the CLIP among the features, of length 1."""
        from filmgrid.evaluation.clip_features import ClipFeatures

        clip = self.features["clip"]
        assert isinstance(clip, ClipFeatures)
        return clip.embed_text(prompts)


def random_seed(place: str | None) -> int | None:
    """The seed in ``random:SEED``, 0 in ``random``; None for any other place.

    Raises:
        ConfigError: if the seed is no whole number.
    """
    if place is None or place.partition(":")[0] != "random":
        return None
    match = re.fullmatch("random(?::([0-9]+))?", place)
    if match is None:
        raise ConfigError(f"{place!r} has no seed. Write random:0, or any whole number.")
    return int(match[1] or 0)


def _network(name: str, config: EvaluateConfig) -> Extractor:
    from filmgrid.models.precision import choose_device

    weights = WEIGHTS_OF[name]
    place, sha256 = config.place_of(weights), config.sha256_of(weights)
    seed, device = random_seed(place), choose_device(config.device)
    if place is None and weights in WHERE:
        raise ConfigError(
            f"{name} needs trained weights: {WHERE[weights]}. Name the file with "
            f"--weights {weights}=PATH, or see how the whole works with {weights}=random:0."
        )
    if weights == "i3d":
        from filmgrid.evaluation.i3d_features import i3d_features, random_i3d_features

        protocol: Any = name.removeprefix("i3d-")
        if seed is not None:
            usual = "squash" if protocol == "stylegan-v" else protocol
            return random_i3d_features(seed, usual, device=device)
        assert place is not None
        return i3d_features(protocol, place, sha256=sha256, device=device)
    if weights == "videomae":
        from filmgrid.evaluation.videomae_features import (
            random_videomae_features,
            videomae_features,
        )

        if seed is not None:
            return random_videomae_features(seed, device=device)
        assert place is not None
        return videomae_features(place, sha256=sha256, device=device)
    if weights == "clip":
        from filmgrid.evaluation.clip_features import clip_features, random_clip_features

        if seed is not None:
            return random_clip_features(seed, device=device)
        return clip_features(place or CLIP_MODEL, device=device)
    if weights == "inception":
        from filmgrid.evaluation.inception_features import (
            inception_features,
            random_inception_features,
        )

        layer: Any = "logits" if name == "inception-logits" else "pool3"
        if seed is not None:
            return random_inception_features(seed, layer=layer, device=device)
        return inception_features(place, layer=layer, sha256=sha256, device=device)
    if weights == "c3d":
        from filmgrid.evaluation.c3d_features import c3d_features, random_c3d_features

        if seed is not None:
            return random_c3d_features(seed, device=device)
        assert place is not None
        return c3d_features(place, sha256=sha256, device=device)
    raise CheckpointError(f"There is no instrument {name}.")


def _frame_distance(name: str, config: EvaluateConfig) -> "FrameDistance":
    from filmgrid.evaluation.perceptual import (
        dists_distance,
        lpips_distance,
        random_dists_distance,
        random_lpips_distance,
    )
    from filmgrid.models.precision import choose_device

    place, sha256 = config.place_of(name), config.sha256_of(name)
    seed, device = random_seed(place), choose_device(config.device)
    path = None if place is None else Path(place)
    if name == "dists":
        if seed is not None:
            return random_dists_distance(seed, device=device)
        return dists_distance(path, sha256=sha256, device=device)
    net: Any = name.removeprefix("lpips-")
    if seed is not None:
        return random_lpips_distance(net, seed, device=device)
    return lpips_distance(net, path, sha256=sha256, device=device)


def _raft(config: EvaluateConfig) -> FlowEstimator:
    from filmgrid.evaluation.raft_flow import raft_flow, random_raft_flow
    from filmgrid.models.precision import choose_device

    place = config.place_of("raft")
    seed, device = random_seed(place), choose_device(config.device)
    if seed is not None:
        return random_raft_flow(seed, device=device)
    path = None if place is None else Path(place)
    return raft_flow(path, sha256=config.sha256_of("raft"), device=device)


def _offline_flow() -> FlowEstimator:
    from filmgrid.evaluation.offline_flow import OfflineFlow

    return OfflineFlow()
