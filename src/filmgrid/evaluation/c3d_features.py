"""What the inception score of video is made of: the UCF-101 logits of C3D.

Frames are prepared as the published code of TGAN2 prepares them (Saito et al. 2020,
arXiv:1811.09245): squashed to 112x112 px whatever the aspect, bilinear, the corners held, red and
blue exchanged, and the mean clip of the training set subtracted. That mean has a file of its own,
``mean2.npz``, which is published beside the weights ``conv3d_deepnetA_ucf.npz`` and belongs to
them. Its part from row and column 8 on is used, as there: the middle of its rows, but not of its
columns.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from filmgrid.errors import CheckpointError, ConfigError, first_sentence
from filmgrid.evaluation.c3d import NUM_CLASSES, NUM_FRAMES, SIDE, random_c3d, unset_c3d
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import (
    FrameChoice,
    Options,
    Preprocessing,
    Resize,
    Statement,
    Triple,
    Weights,
)
from filmgrid.evaluation.weights import (
    StateDict,
    fill,
    is_torchscript,
    load_state,
    state_sha256,
    weights_file,
)

MEAN_FILE = "mean2.npz"
MEAN_SHAPE = (3, NUM_FRAMES, 128, 171)
"""Colours, blue first; frames; height; width."""
MEAN_CORNER = 8
"""First row and column of the mean that are used."""
COLOUR_MEANS: Triple = (90.25, 97.66, 101.41)
"""Of blue, green and red in UCF-101, levels of 0 to 255; for random weights, which have no file."""


class C3DFeatures(Extractor):
    """UCF-101 logits before the softmax, one vector of 101 per clip of 16 frames.

    Args:
        network: C3D with its weights.
        mean: subtracted from prepared clips, blue first; None if the preprocessing does it.
        statement: what it is.
        device: where it runs.
        batch_size: clips at once; 4 take about 0.3 GB.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Float32[np.ndarray, "3 16 112 112"] | None,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 4,
    ):
        super().__init__(statement, batch_size)
        self.network = network.to(device)
        self.mean = None if mean is None else torch.from_numpy(mean).to(device)
        self.device = device

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b dim"]:
        """Logits of one batch."""
        levels = prepare(clips, self.statement.preprocessing, self.device)
        with torch.inference_mode():
            centred = levels if self.mean is None else levels - self.mean
            return self.network(centred).cpu().numpy()


def c3d_features(
    weights: str | Path,
    mean: str | Path | None = None,
    *,
    sha256: str | None = None,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> C3DFeatures:
    """Load C3D as TGAN2 publishes it, or from a state dictionary made of that.

    Args:
        weights: ``conv3d_deepnetA_ucf.npz`` with Chainer's names (``conv1a/W``), or a state
            dictionary with PyTorch's (``conv1a.weight``).
        mean: ``mean2.npz``; None takes the file of that name in the folder of the weights.
        sha256: what the SHA-256 of the weights must be; None accepts any.
        frames: which 16 frames are looked at, the first by default.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        CheckpointError: if a file cannot be found or read, or is not of C3D.
        ConfigError: if other than 16 frames are asked for.
    """
    frames = _sixteen(frames)
    path = Path(weights)
    mean_path = path.with_name(MEAN_FILE) if mean is None else Path(mean)
    facts = weights_file(path, sha256)
    if is_torchscript(path):
        raise CheckpointError(
            f"{path} is a program, not weights by name. Give TGAN2's conv3d_deepnetA_ucf.npz, or a "
            "state dictionary."
        )
    network = unset_c3d()
    fill(network, _chainer_state(path) if path.suffix == ".npz" else load_state(path), str(path))
    options: Options = {"mean": weights_file(mean_path).sha256 or ""}
    statement = _statement(facts, frames, options, (0.0, 0.0, 0.0))
    return C3DFeatures(network, _load_mean(mean_path), statement, device, batch_size)


def random_c3d_features(
    seed: int,
    *,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 4,
) -> C3DFeatures:
    """C3D with random weights and no download. Scores made of it are not inception scores.

    The mean of each colour is subtracted, instead of a mean clip.

    Args:
        seed: of the weights.
        frames: which 16 frames are looked at, the first by default.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        ConfigError: if other than 16 frames are asked for.
    """
    frames = _sixteen(frames)
    network = random_c3d(seed)
    facts = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    return C3DFeatures(
        network, None, _statement(facts, frames, {}, COLOUR_MEANS), device, batch_size
    )


def _chainer_state(path: Path) -> StateDict:
    """Weights that Chainer saved, by the names that PyTorch gives them."""
    names = {"W": "weight", "b": "bias"}
    state: StateDict = {}
    for key, values in _load_arrays(path).items():
        layer, _, kind = key.rpartition("/")
        state[f"{layer}.{names.get(kind, kind)}"] = torch.from_numpy(values)
    return state


def _load_mean(path: Path) -> Float32[np.ndarray, "3 16 112 112"]:
    mean = _load_arrays(path).get("mean")
    if mean is None or mean.size != np.prod(MEAN_SHAPE):
        raise CheckpointError(
            f"{path} has no array 'mean' of {MEAN_SHAPE[0]} colours x {NUM_FRAMES} frames x "
            f"{MEAN_SHAPE[2]}x{MEAN_SHAPE[3]} px. Give TGAN2's {MEAN_FILE}."
        )
    used = slice(MEAN_CORNER, MEAN_CORNER + SIDE)
    return np.ascontiguousarray(mean.reshape(MEAN_SHAPE)[:, :, used, used], dtype=np.float32)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a NumPy archive by name, read without running what is in it."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} cannot be read as NumPy arrays: {first_sentence(error)} It may be damaged; "
            "download it again."
        ) from error
    return arrays


def _sixteen(frames: FrameChoice | None) -> FrameChoice:
    if frames is None:
        return FrameChoice(count=NUM_FRAMES)
    if frames.count != NUM_FRAMES:
        raise ConfigError(
            f"C3D looks at {NUM_FRAMES} frames, and {frames.count or 'all'} were asked for. "
            f"Choose count {NUM_FRAMES}, with a stride for longer clips."
        )
    return frames


def _statement(weights: Weights, frames: FrameChoice, options: Options, mean: Triple) -> Statement:
    random = "random-" if weights.source == "seed" else ""
    return Statement(
        name=f"{random}c3d-ucf101",
        weights=weights,
        preprocessing=Preprocessing(
            frames=frames,
            resize=(Resize(mode="squash", size=SIDE, align_corners=True),),
            white=255,
            colours="bgr",
            mean=mean,
        ),
        layer="logits",
        dim=NUM_CLASSES,
        options=options,
    )
