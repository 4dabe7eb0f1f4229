"""VideoMAE: what happens in a clip, one vector. The network of content-debiased FVD."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32

from filmgrid.errors import ConfigError
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.hub import (
    find_place,
    load_config,
    load_network,
    load_processor,
    published,
    stated,
)
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement, Weights
from filmgrid.evaluation.videomae_file import load_videomae_file
from filmgrid.evaluation.weights import state_sha256, weights_file

PROCESSOR: dict[str, Any] = {
    "resample": 2,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
"""What VideoMAE's preprocessor_config.json says, where a model has none."""


class VideoMAEFeatures(Extractor):
    """Mean of the last tokens of VideoMAE, one vector per clip.

    Args:
        network: a VideoMAEModel.
        head_norm: applied to the mean; None leaves it.
        statement: what it is.
        device: where it runs.
        batch_size: clips at once.
    """

    def __init__(
        self,
        network: Any,
        head_norm: Any,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 2,
    ):
        super().__init__(statement, batch_size)
        self.network = network
        self.head_norm = head_norm
        self.device = device

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Means of one batch."""
        pixels = prepare(clips, self.statement.preprocessing, self.device)
        with torch.inference_mode():
            tokens = self.network(rearrange(pixels, "b c n h w -> b n c h w")).last_hidden_state
            mean = tokens.mean(dim=1)
            if self.head_norm is not None:
                mean = self.head_norm(mean)
        return mean.cpu().numpy()


def videomae_features(
    model: str | Path,
    *,
    preparation: Literal["cd-fvd", "published"] = "cd-fvd",
    revision: str | None = None,
    sha256: str | None = None,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> VideoMAEFeatures:
    """Load VideoMAE.

    Args:
        model: Hub id, a folder, or a file of VideoMAE v2 as its authors publish them, such as
            ``vit_g_hybrid_pt_1200e_ssv2_ft.pth`` of content-debiased FVD.
        preparation: ``cd-fvd`` squashes to 224x224 with pixels in [0, 1], as content-debiased FVD
            does; ``published`` crops and normalises as the model's preprocessor_config.json
            says, or for a file as VideoMAE does.
        revision: commit or branch on the Hub.
        sha256: what the SHA-256 of a file must be; None accepts any.
        frames: which frames are looked at; by default as many as the model takes, consecutive,
            from a seeded start.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        CheckpointError: if the model cannot be found or read, or is not VideoMAE.
        ConfigError: if the model does not take the chosen frames.
    """
    from transformers import AutoConfig, VideoMAEForVideoClassification, VideoMAEModel

    place = os.path.expanduser(str(model))
    is_file = Path(place).is_file()
    head_norm = None
    if is_file:
        facts = weights_file(Path(place), sha256)
        network, head_norm, config = load_videomae_file(Path(place))
    else:
        if sha256 is not None:
            raise ConfigError(
                f"{place} is no file, so its SHA-256 cannot be checked. Leave it out."
            )
        place, facts = find_place(place, revision)
        kinds = load_config(AutoConfig, place, revision).architectures or []
        if "VideoMAEForVideoClassification" in kinds:
            whole, config = load_network(VideoMAEForVideoClassification, place, revision)
            network, head_norm = whole.videomae, whole.fc_norm
        else:
            whole, config = load_network(VideoMAEModel, place, revision)
            network = whole
        facts = stated(facts, whole, config)
    count = config.num_frames
    frames = frames or FrameChoice(count=count, start="random")
    if frames.count != count:
        raise ConfigError(
            f"{place} takes {count} frames, and {frames.count or 'all'} were asked for. "
            f"Ask for {count}."
        )
    if preparation == "cd-fvd":
        resize = Resize(mode="squash", size=config.image_size)
        spec = Preprocessing(frames=frames, resize=(resize,))
    else:
        processor = PROCESSOR if is_file else load_processor(place, revision, PROCESSOR)
        spec = published(processor, config.image_size, frames)
    return _features(network, head_norm, config, facts, spec, preparation, device, batch_size)


def random_videomae_features(
    seed: int,
    *,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> VideoMAEFeatures:
    """VideoMAE-base with random weights: the same way with no download.

    Args:
        seed: of the weights.
        frames: which frames are looked at; by default 16 consecutive ones from a seeded start.
        device: where the network runs.
        batch_size: clips at once.
    """
    from transformers import VideoMAEConfig, VideoMAEModel

    config: Any = VideoMAEConfig(use_mean_pooling=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = VideoMAEModel(config).eval().requires_grad_(False)
    weights = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    spec = Preprocessing(
        frames=frames or FrameChoice(count=config.num_frames, start="random"),
        resize=(Resize(mode="squash", size=config.image_size),),
    )
    return _features(network, None, config, weights, spec, "cd-fvd", device, batch_size)


def _features(
    network: Any,
    head_norm: Any,
    config: Any,
    weights: Weights,
    spec: Preprocessing,
    preparation: str,
    device: str | torch.device,
    batch_size: int,
) -> VideoMAEFeatures:
    random = "random-" if weights.source == "seed" else ""
    statement = Statement(
        name=f"{random}videomae-{preparation}",
        weights=weights,
        preprocessing=spec,
        layer="mean of the last tokens" + ("" if head_norm is None else ", fc_norm"),
        dim=config.hidden_size,
        options={"layer_norm_eps": config.layer_norm_eps},
    )
    if head_norm is not None:
        head_norm = head_norm.to(device)
    return VideoMAEFeatures(network.to(device), head_norm, statement, device, batch_size)
