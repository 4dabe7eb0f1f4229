from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from filmgrid.errors import CheckpointError, ConfigError, ShapeError
from filmgrid.evaluation.c3d import C3D, random_c3d
from filmgrid.evaluation.c3d_features import (
    COLOUR_MEANS,
    C3DFeatures,
    c3d_features,
    random_c3d_features,
)
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.metrics.inception import inception_score


class Program(torch.nn.Module):
    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips


class Echo(torch.nn.Module):
    """Keeps what it is shown."""

    def forward(self, clips):
        self.seen = clips
        return torch.zeros(len(clips), 101)


@pytest.fixture(scope="module")
def network() -> C3D:
    return random_c3d(0)


@pytest.fixture(scope="module")
def published(network: C3D, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Weights and mean as TGAN2 publishes them."""
    folder = tmp_path_factory.mktemp("c3d")
    arrays = {}
    for name, values in network.state_dict().items():
        layer, _, kind = name.rpartition(".")
        arrays[f"{layer}/{'W' if kind == 'weight' else 'b'}"] = values.numpy()
    np.savez(folder / "conv3d_deepnetA_ucf.npz", **arrays)
    mean = np.random.default_rng(0).uniform(80, 110, (3, 16, 128, 171))
    np.savez(folder / "mean2.npz", mean=mean)
    yield folder / "conv3d_deepnetA_ucf.npz"
    (folder / "conv3d_deepnetA_ucf.npz").unlink()  # 0.3 GB


def one(extractor, clip) -> np.ndarray:
    return next(iter(extractor.extract([clip])))


def test_parameters_are_those_of_the_published_network():
    with torch.device("meta"):
        network = C3D()
    assert sum(values.numel() for values in network.parameters()) == 78_409_573
    assert len(network.state_dict()) == 22


def test_frames_are_held_at_the_corners_exchanged_in_colour_and_less_the_mean(
    published: Path, noise_clip
):
    loaded = c3d_features(published)
    echo = Echo()
    mean = None if loaded.mean is None else loaded.mean.numpy()
    one(C3DFeatures(echo, mean, loaded.statement), noise_clip)
    with np.load(published.with_name("mean2.npz")) as archive:
        part = archive["mean"][:, :, 8:120, 8:120]
    corners = (slice(None, None, 111),) * 2
    seen = echo.seen[0].numpy()[(..., *corners)]
    levels = noise_clip[:, ::39, ::49, ::-1].transpose(3, 0, 1, 2)
    assert seen == pytest.approx(levels - part[(..., *corners)], abs=1e-3)
    assert echo.seen.shape == (1, 3, 16, 112, 112)


def test_chainer_names_and_pytorch_names_give_the_same_logits(published, network, noise_clip):
    path = published.with_name("c3d.pth")
    torch.save(network.state_dict(), path)
    first, second = (c3d_features(place) for place in (published, path))
    features = one(first, noise_clip)
    assert features.shape == (101,) and features.dtype == np.float32 and features.std() > 0.1
    assert np.array_equal(features, one(second, noise_clip))
    path.unlink()


def test_the_network_is_its_formula(network: C3D):
    clip = torch.randn(1, 3, 16, 112, 112, generator=torch.Generator().manual_seed(1)) * 50
    state, hidden = network.state_dict(), clip
    for name in ("1a", "2a", "3a", "3b", "4a", "4b", "5a", "5b"):
        weight, bias = state[f"conv{name}.weight"], state[f"conv{name}.bias"]
        hidden = F.relu(F.conv3d(hidden, weight, bias, padding=1))
        if name in ("1a", "2a", "3b", "4b", "5b"):
            frames = 1 if name == "1a" else 2
            odd = hidden.shape[-1] % 2
            hidden = F.pad(hidden, (0, odd, 0, odd))  # relu leaves nothing below the zeros
            hidden = F.max_pool3d(hidden, (frames, 2, 2))
    hidden = hidden.flatten(1)
    for name in ("fc6", "fc7", "fc8"):
        hidden = F.linear(hidden, state[f"{name}.weight"], state[f"{name}.bias"])
        hidden = hidden if name == "fc8" else F.relu(hidden)
    with torch.inference_mode():
        assert torch.allclose(network(clip), hidden, rtol=1e-4, atol=1e-3)


def test_logits_become_an_inception_score(network: C3D, clips):
    statement = random_c3d_features(0).statement
    extractor = C3DFeatures(network, None, statement)
    assert statement.preprocessing.mean == COLOUR_MEANS
    logits = torch.from_numpy(np.stack(list(extractor.extract(clips[:4]))))
    score = inception_score(logits.double().softmax(dim=1).numpy(), splits=1)
    assert 1 <= score.mean <= 4


def test_the_first_sixteen_frames_are_taken_and_no_other_number(network: C3D, noise_clip):
    extractor = random_c3d_features(0, frames=FrameChoice(count=16, stride=2))
    with pytest.raises(ShapeError, match="clip 0 has 16 frames, and 31 are needed"):
        one(extractor, noise_clip)
    with pytest.raises(ConfigError, match="looks at 16 frames, and 8 were asked for"):
        random_c3d_features(0, frames=FrameChoice(count=8))
    with pytest.raises(ConfigError, match="and all were asked for"):
        random_c3d_features(0, frames=FrameChoice())


def test_files_that_do_not_fit_are_refused_in_one_sentence(published: Path, tmp_path: Path):
    np.savez(tmp_path / "other.npz", mean=np.zeros((3, 16, 112, 112)))
    with pytest.raises(CheckpointError, match="no array 'mean' of 3 colours x 16 frames x 128x171"):
        c3d_features(published, tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match="not those of C3D: they lack 22"):
        c3d_features(tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match=r"mean\.npz cannot be read: No such file"):
        c3d_features(published, tmp_path / "mean.npz")
    np.savez(tmp_path / "code.npz", mean=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match=r"code\.npz cannot be read as NumPy arrays"):
        c3d_features(published, tmp_path / "code.npz")
    for content in (b"", b"PK\x03\x04", b"text"):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"broken\.npz cannot be read as NumPy arrays"):
            c3d_features(tmp_path / "broken.npz")
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(CheckpointError, match=r"single\.npz cannot be read as NumPy arrays"):
        c3d_features(tmp_path / "single.npz")
    torch.jit.script(Program()).save(str(tmp_path / "program.pt"))
    with pytest.raises(CheckpointError, match="is a program, not weights by name"):
        c3d_features(tmp_path / "program.pt")
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        c3d_features(published, sha256="0" * 64)
