"""Features of FVD: the 400 Kinetics logits of I3D, as the published protocols make them.

======================  =====================================================================
``stylegan-v``          fvd2048_16f of StyleGAN-V: bytes into ``i3d_torchscript.pt``, which
                        resizes and scales them itself
``crop``                MCVD, common_metrics_on_video_quality: shorter side to 224, middle cut out
``squash``              cd-fvd, TATS: to 224x224 whatever the aspect
``cd-fvd``              the same for files, which its loader first crops to 256x256
======================  =====================================================================

They give different numbers for the same clips. So do the two published sets of weights, and so
does the constant in the batch norms (see :mod:`filmgrid.evaluation.i3d`): the statement tells.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.i3d import FEWEST_FRAMES, LOGITS, empty_i3d, random_i3d
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import (
    FrameChoice,
    Options,
    Preprocessing,
    Resize,
    Statement,
    Weights,
)
from filmgrid.evaluation.weights import (
    fill,
    is_torchscript,
    load_state,
    load_torchscript,
    state_sha256,
    weights_file,
)

Protocol = Literal["stylegan-v", "crop", "squash", "cd-fvd"]
"""A published way of preparing clips for I3D."""

SIXTEEN = FrameChoice(count=16, start="random", at_least=FEWEST_FRAMES)
SQUASH = Resize(mode="squash", size=224)
CROP = Resize(mode="crop", size=224, long_side="ceil")
LOADER_CROP = Resize(mode="crop", size=256, long_side="ceil", antialias=True, rounding="down")

PROTOCOLS: dict[Protocol, Preprocessing] = {
    "stylegan-v": Preprocessing(frames=SIXTEEN, resize=(Resize(mode="inside"),), values="uint8"),
    "crop": Preprocessing(frames=SIXTEEN, resize=(CROP,), black=-1, white=1),
    "squash": Preprocessing(frames=SIXTEEN, resize=(SQUASH,), black=-1, white=1),
    "cd-fvd": Preprocessing(frames=SIXTEEN, resize=(LOADER_CROP, SQUASH), black=-1, white=1),
}

BATCH_NORM_EPS: dict[Protocol, float] = {"cd-fvd": 1e-5, "squash": 1e-5}
"""What the published code adds to the variances, where it is not pytorch-i3d's 1e-3."""


class I3DFeatures(Extractor):
    """Kinetics-400 logits before the softmax, one vector of 400 per clip.

    Args:
        network: called with prepared clips, and with the options as keywords.
        statement: what it is.
        device: where it runs.
        batch_size: clips at once; 4 of 16 frames take about 1 GB.
        as_keywords: whether the options are handed to the network.
    """

    def __init__(
        self,
        network: Any,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 4,
        as_keywords: bool = False,
    ):
        super().__init__(statement, batch_size)
        self.network = network
        self.device = device
        self.keywords = statement.options if as_keywords else {}

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Logits of one batch.

        Raises:
            CheckpointError: if the program in the file does not give one vector per clip.
        """
        pixels = prepare(clips, self.statement.preprocessing, self.device)
        try:
            with torch.inference_mode():
                logits = self.network(pixels, **self.keywords)
        except RuntimeError as error:
            if not self.keywords:
                raise
            reason = str(error).strip().splitlines()[-1][:200]
            raise CheckpointError(
                f"The program {self.statement.weights.name} does not run on clips with "
                f"{self.keywords}: {reason} Give StyleGAN-V's i3d_torchscript.pt."
            ) from error
        if tuple(logits.shape) != (len(clips), self.statement.dim):
            raise CheckpointError(
                f"{self.statement.weights.name} gives numbers of shape {tuple(logits.shape)} for "
                f"{len(clips)} clips, not {self.statement.dim} each. Give weights of I3D."
            )
        return logits.float().cpu().numpy()


def i3d_features(
    protocol: Protocol,
    weights: str | Path,
    *,
    sha256: str | None = None,
    frames: FrameChoice | None = None,
    batch_norm_eps: float | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> I3DFeatures:
    """Load I3D from a file, TorchScript or state dictionary, for one of the protocols.

    Args:
        protocol: how clips are prepared.
        weights: ``i3d_torchscript.pt``, or a state dictionary such as ``rgb_imagenet.pt`` or
            ``i3d_pretrained_400.pt``.
        sha256: what the SHA-256 of the file must be; None accepts any.
        frames: which frames are looked at; by default 16 consecutive ones from a seeded start,
            which are all of them in a clip of 16.
        batch_norm_eps: for a state dictionary; by default what the protocol's own code uses.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        CheckpointError: if the file cannot be read, or is not I3D.
        ConfigError: if the file does not fit the protocol.
    """
    path = Path(weights)
    facts = weights_file(path, sha256)
    if is_torchscript(path):
        if batch_norm_eps is not None:
            raise ConfigError(
                f"{path} is a program with a batch norm of its own. Leave batch_norm_eps out."
            )
        inside = protocol == "stylegan-v"
        options: Options = {"rescale": inside, "resize": inside, "return_features": True}
        statement = _statement(protocol, facts, frames, options)
        network = load_torchscript(path, device)
        return I3DFeatures(network, statement, device, batch_size, as_keywords=True)
    if protocol == "stylegan-v":
        raise ConfigError(
            f"The protocol stylegan-v resizes clips by the program in i3d_torchscript.pt, and "
            f"{path} is a dictionary of weights. Give that program, or use the protocol squash."
        )
    eps = BATCH_NORM_EPS.get(protocol, 1e-3) if batch_norm_eps is None else batch_norm_eps
    network = empty_i3d(eps)
    fill(network, load_state(path), str(path))
    statement = _statement(protocol, facts, frames, {"batch_norm_eps": eps})
    return I3DFeatures(network.to(device), statement, device, batch_size)


def random_i3d_features(
    seed: int,
    protocol: Literal["crop", "squash", "cd-fvd"] = "squash",
    *,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> I3DFeatures:
    """I3D with random weights: the same path with no download. Its distances are not FVD.

    Args:
        seed: of the weights.
        protocol: how clips are prepared.
        frames: which frames are looked at; by default 16 consecutive ones.
        device: where the network runs.
        batch_size: clips at once.
    """
    network = random_i3d(seed)
    facts = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    statement = _statement(protocol, facts, frames, {"batch_norm_eps": 1e-3})
    return I3DFeatures(network.to(device), statement, device, batch_size)


def _statement(
    protocol: Protocol,
    weights: Weights,
    frames: FrameChoice | None,
    options: Options,
) -> Statement:
    spec = PROTOCOLS[protocol]
    if frames is not None:
        spec = spec.model_copy(update={"frames": frames.needing(FEWEST_FRAMES)})
    random = "random-" if weights.source == "seed" else ""
    return Statement(
        name=f"{random}i3d-{protocol}",
        weights=weights,
        preprocessing=spec,
        layer="logits",
        dim=LOGITS,
        options=options,
    )
