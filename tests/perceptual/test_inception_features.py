from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from filmgrid.errors import CheckpointError
from filmgrid.evaluation.inception_features import inception_features, random_inception_features
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.metrics.frechet import frechet_distance
from filmgrid.metrics.inception import inception_score

fidelity = pytest.importorskip(
    "torch_fidelity", reason="needs the extra perceptual: run make check-perceptual"
)


@pytest.fixture(scope="module")
def random():
    return random_inception_features(0)


@pytest.fixture(scope="module")
def state_file(random, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(random.network.state_dict(), path)
    return path


def one(extractor, clip) -> np.ndarray:
    return next(iter(extractor.extract([clip])))


def own(state_file: Path, layer: str, frames) -> np.ndarray:
    """What torch-fidelity's own class gives, from its own reading of the file."""
    network = fidelity.FeatureExtractorInceptionV3(
        "own", [layer], feature_extractor_weights_path=str(state_file)
    )
    with torch.inference_mode():
        return network(torch.from_numpy(frames).permute(0, 3, 1, 2))[0].numpy()


@pytest.mark.parametrize(
    ("layer", "theirs", "dim"), [("pool3", "2048", 2048), ("logits", "logits_unbiased", 1008)]
)
def test_a_loaded_file_gives_what_torch_fidelity_gives(state_file, frames, layer, theirs, dim):
    extractor = inception_features(state_file, layer=layer)
    features = one(extractor, frames)
    assert features.shape == (3, dim) and features.dtype == np.float32
    assert features == pytest.approx(own(state_file, theirs, frames), rel=1e-5, abs=1e-5)
    assert features.std(axis=0).max() > 0.01
    assert extractor.statement.unit == "frame" and extractor.statement.dim == dim


def test_torchmetrics_sees_the_same_unless_it_smooths(state_file, frames):
    from torchmetrics.image.fid import FrechetInceptionDistance

    ours, pixels = one(inception_features(state_file), frames), torch.from_numpy(frames)
    for smooths in (True, False):
        metric = FrechetInceptionDistance(
            2048, feature_extractor_weights_path=str(state_file), antialias=smooths
        )
        with torch.inference_mode():
            theirs = metric.inception(pixels.permute(0, 3, 1, 2)).numpy()
        assert np.allclose(theirs, ours, rtol=1e-5, atol=1e-5) != smooths


def test_the_same_weights_in_another_format_are_the_same_features(
    random, state_file, tmp_path, frames
):
    save_file(random.network.state_dict(), tmp_path / "i.safetensors")
    assert np.array_equal(
        one(inception_features(tmp_path / "i.safetensors"), frames), one(random, frames)
    )
    assert random.statement.name == "random-inception-v3"
    assert random.statement.fingerprint != inception_features(state_file).statement.fingerprint


def test_the_same_seed_gives_the_same_weights_and_the_caller_keeps_his_own(random):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    again, other = random_inception_features(0), random_inception_features(1)
    assert torch.equal(torch.rand(2), expected)
    assert again.statement == random.statement
    assert other.statement.weights.sha256 != random.statement.weights.sha256


def test_frames_are_measured_one_by_one_whatever_their_batch(random, frames, monkeypatch):
    monkeypatch.setattr("filmgrid.evaluation.inception_features.FRAMES_AT_ONCE", 2)
    single = np.concatenate([one(random, frame[None]) for frame in frames])
    assert one(random, frames) == pytest.approx(single, rel=1e-4, abs=1e-5)
    chosen = random_inception_features(0, frames=FrameChoice(count=2, start="even"))
    assert one(chosen, frames) == pytest.approx(one(random, frames)[[0, 2]], rel=1e-4, abs=1e-5)


def test_fid_of_tiny_sets_grows_with_noise(random, frames, noisy):
    real = np.concatenate(list(random.extract([frames, frames[:, ::-1].copy()])))
    distances = []
    for index in range(3):
        made = np.concatenate(
            list(random.extract([noisy[index : index + 1], noisy[index : index + 1, ::-1].copy()]))
        )
        distances.append(frechet_distance(real, made))
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6 * distances[0])
    assert distances[0] > 0 and distances[1] < distances[2]


def test_logits_become_an_inception_score(frames, noisy):
    extractor = random_inception_features(0, layer="logits")
    logits = torch.from_numpy(np.concatenate([one(extractor, frames), one(extractor, noisy)]))
    score = inception_score(logits.double().softmax(dim=1).numpy(), splits=2)
    assert score.n == 6 and 1 <= score.mean <= 3


def test_other_files_are_refused_in_one_sentence(random, state_file: Path, tmp_path: Path):
    state = random.network.state_dict()
    less = {k: v for k, v in state.items() if not k.startswith("fc.")}
    torch.save(less, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"lack 2 of its names, the first is fc\.weight"):
        inception_features(tmp_path / "less.pth")
    torch.save(state | {"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "vision.pth")
    with pytest.raises(CheckpointError, match=r"fc\.weight has shape \(1000, 2048\)"):
        inception_features(tmp_path / "vision.pth")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        inception_features(tmp_path / "broken.pth")
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        inception_features(state_file, sha256="0" * 64)


def test_code_in_a_file_is_not_run(tmp_path: Path):
    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    torch.save({"fc.weight": Harm()}, tmp_path / "harm.pth")
    with pytest.raises(CheckpointError, match="is refused: it is damaged, or holds more"):
        inception_features(tmp_path / "harm.pth")
    assert not (tmp_path / "touched").exists()


def test_the_file_of_torch_hub_is_taken_where_none_is_named(state_file, tmp_path, monkeypatch):
    name = "weights-inception-2015-12-05-6726825d.pth"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).symlink_to(state_file)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found = inception_features()
    assert found.statement.weights.name == name
    assert found.statement.fingerprint == inception_features(state_file).statement.fingerprint
