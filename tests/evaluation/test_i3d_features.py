from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filmgrid.errors import CheckpointError, ConfigError, ShapeError
from filmgrid.evaluation.i3d import random_i3d
from filmgrid.evaluation.i3d_features import PROTOCOLS, i3d_features, random_i3d_features
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.types import FrameArray


class Script(nn.Module):
    """Takes the keywords of StyleGAN-V's file, and gives back what it was called with."""

    def forward(
        self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> Tensor:
        features = torch.zeros(x.shape[0], 400, device=x.device)
        features[:, 0] = x.float().mean(dim=[1, 2, 3, 4])
        features[:, 1] = float(rescale)
        features[:, 2] = float(resize)
        features[:, 3] = float(return_features)
        features[:, 4] = float(x.shape[3])
        features[:, 5] = float(x.shape[2])
        return features


class Stranger(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Short(nn.Module):
    def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
        return torch.zeros(x.shape[0], 10)


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


@pytest.fixture(scope="module")
def state_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i3d") / "i3d.pt"
    torch.save(random_i3d(0).state_dict(), path)
    return path


def one(extractor, clip: FrameArray) -> np.ndarray:
    return next(iter(extractor.extract([clip])))


def test_a_saved_and_loaded_state_dict_gives_the_same_logits(state_file: Path, noise_clip):
    loaded = i3d_features("squash", state_file, batch_norm_eps=1e-3)
    random = random_i3d_features(0)
    features = one(loaded, noise_clip)
    assert features.shape == (400,) and features.dtype == np.float32
    assert np.array_equal(features, one(random, noise_clip))
    assert features.std() > 0.1
    assert random.statement.name == "random-i3d-squash"
    assert loaded.statement.fingerprint != random.statement.fingerprint


def test_the_constant_of_the_batch_norm_follows_the_protocol_and_is_stated(state_file: Path):
    expected = {"crop": 1e-3, "squash": 1e-5, "cd-fvd": 1e-5}
    for protocol, eps in expected.items():
        extractor = i3d_features(protocol, state_file)
        assert extractor.statement.options == {"batch_norm_eps": eps}
        assert extractor.network.Mixed_3b.b0.bn.eps == eps


def test_stylegan_v_hands_bytes_of_any_size_to_the_program(tmp_path: Path, noise_clip):
    extractor = i3d_features("stylegan-v", scripted(Script(), tmp_path / "i3d.pt"))
    features = one(extractor, noise_clip)
    assert features[:6] == pytest.approx([noise_clip.mean(), 1, 1, 1, 40, 16], rel=1e-5)
    assert extractor.statement.options == {
        "rescale": True,
        "resize": True,
        "return_features": True,
    }


@pytest.mark.parametrize("protocol", ["crop", "squash", "cd-fvd"])
def test_the_other_protocols_prepare_clips_for_the_program(tmp_path: Path, protocol, noise_clip):
    extractor = i3d_features(protocol, scripted(Script(), tmp_path / "i3d.pt"))
    features = one(extractor, noise_clip)
    assert features[1:6].tolist() == [0, 0, 1, 224, 16]
    assert abs(features[0]) < 0.05


def test_sixteen_frames_are_taken_from_a_seeded_start(tmp_path: Path):
    extractor = i3d_features("stylegan-v", scripted(Script(), tmp_path / "i3d.pt"))
    ramp = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 3), np.uint8)
    starts = [float(f[0]) - 7.5 for f in extractor.extract([ramp] * 30)]
    assert len(set(starts)) > 5 and min(starts) >= 0 and max(starts) <= 24
    assert starts == [float(f[0]) - 7.5 for f in extractor.extract([ramp] * 30)]


def test_fewer_frames_may_be_asked_for_but_not_fewer_than_nine(state_file: Path, noise_clip):
    ten = i3d_features("crop", state_file, frames=FrameChoice(count=10))
    assert ten.statement.preprocessing.frames.at_least == 9
    with pytest.raises(ConfigError, match="6 frames are fewer than the 9 needed"):
        i3d_features("crop", state_file, frames=FrameChoice(count=6))
    with pytest.raises(ShapeError, match="i3d-crop: clip 0 has 9 frames, and 10 are needed"):
        one(ten, noise_clip[:9])


def test_files_that_do_not_fit_are_refused_in_one_sentence(tmp_path: Path, state_file: Path):
    with pytest.raises(ConfigError, match="resizes clips by the program in i3d_torchscript"):
        i3d_features("stylegan-v", state_file)
    with pytest.raises(ConfigError, match="batch norm of its own"):
        i3d_features("crop", scripted(Script(), tmp_path / "i.pt"), batch_norm_eps=1e-3)
    state = torch.load(state_file, weights_only=True)
    torch.save({k: v for k, v in state.items() if "Mixed_5c.b0" not in k}, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"lack 5 .* the first is Mixed_5c\.b0\.conv3d"):
        i3d_features("crop", tmp_path / "less.pt")
    torch.save(state | {"end_points.x": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(CheckpointError, match=r"unknown to it, 1 .* the first is end_points\.x"):
        i3d_features("crop", tmp_path / "more.pt")
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        i3d_features("crop", state_file, sha256="0" * 64)


def test_a_program_that_is_not_i3d_is_refused_in_one_sentence(tmp_path: Path, noise_clip):
    with pytest.raises(CheckpointError, match=r"s\.pt does not run on clips") as caught:
        one(i3d_features("crop", scripted(Stranger(), tmp_path / "s.pt")), noise_clip)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match=r"shape \(1, 10\) for 1 clips, not 400"):
        one(i3d_features("crop", scripted(Short(), tmp_path / "t.pt")), noise_clip)


def test_no_two_protocols_have_the_same_fingerprint(state_file: Path, tmp_path: Path):
    program = scripted(Script(), tmp_path / "i3d.pt")
    prints = {i3d_features(protocol, program).statement.fingerprint for protocol in PROTOCOLS}
    prints |= {i3d_features(p, state_file).statement.fingerprint for p in ("crop", "squash")}
    prints.add(i3d_features("squash", state_file, batch_norm_eps=1e-3).statement.fingerprint)
    assert len(prints) == 7
