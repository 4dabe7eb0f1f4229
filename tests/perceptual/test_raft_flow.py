from pathlib import Path

import numpy as np
import pytest
import torch

from filmgrid.errors import CheckpointError, ShapeError
from filmgrid.evaluation.raft_flow import RaftFlow, fitting, raft_flow, random_raft_flow
from filmgrid.evaluation.spec import Weights

REASON = "needs the extra perceptual: run make check-perceptual"
vision = pytest.importorskip("torchvision", reason=REASON)


class Constant(torch.nn.Module):
    """Says that everything moves by what its first image is bright, in its own pixels."""

    def forward(self, starts, ends, num_flow_updates):
        self.sides = tuple(starts.shape[-2:])
        levels = (starts.mean(dim=(1, 2, 3)) + 1) * 127.5
        steps = torch.stack([levels, 2 * levels], dim=1)[:, :, None, None]
        return [None, steps.expand(-1, 2, *self.sides)]


@pytest.fixture(scope="module")
def random() -> RaftFlow:
    return random_raft_flow(0)


def test_flow_is_scaled_back_to_pixels_of_the_frames():
    network = Constant()
    flow = RaftFlow(network, Weights(), batch_size=2)
    frames = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((60, 130, 3), np.uint8)
    forward, backward = flow(frames)
    assert network.sides == (128, 136)
    assert forward.shape == backward.shape == (4, 60, 130, 2) and forward.dtype == np.float32
    for index in range(4):  # forward starts from frame index, backward from the one after it
        start = np.array([130 / 136, 2 * 60 / 128])
        assert forward[index, 5, 7] == pytest.approx(index * start, abs=1e-4)
        assert backward[index, 50, 100] == pytest.approx((index + 1) * start, abs=1e-4)


def test_sides_that_fit_stay_and_others_grow_to_the_next():
    assert [fitting(side) for side in (16, 128, 129, 136, 256)] == [128, 128, 136, 136, 256]


def test_flow_is_that_of_torchvision_where_the_sides_fit(random: RaftFlow):
    frames = np.random.default_rng(0).integers(0, 256, (2, 128, 136, 3), dtype=np.uint8)
    both = [torch.from_numpy(frame).permute(2, 0, 1)[None] for frame in frames]
    prepare = vision.models.optical_flow.Raft_Large_Weights.C_T_SKHT_V2.transforms()
    network = vision.models.optical_flow.raft_large()
    network.load_state_dict(random.network.state_dict())
    with torch.inference_mode():
        expected = network.eval()(*prepare(*both))[-1][0].permute(1, 2, 0).numpy()
    forward, backward = random(frames)
    assert np.abs(expected).max() > 0.01
    assert forward[0] == pytest.approx(expected, rel=1e-3, abs=1e-3 * float(np.abs(expected).max()))
    assert np.isfinite(backward).all() and not np.allclose(forward, backward)


def test_steps_do_not_depend_on_their_batch(random: RaftFlow, frames):
    single = RaftFlow(random.network, random.statement.weights, batch_size=1)
    for one, other in zip(random(frames), single(frames), strict=True):
        assert one.shape == (2, 40, 56, 2)
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3 * float(np.abs(one).max()))


def test_frames_without_steps_are_refused(random: RaftFlow, frames):
    with pytest.raises(ShapeError, match=r"there are 1\. Give at least 2"):
        random(frames[:1])
    with pytest.raises(ShapeError, match="got float64 of shape"):
        random(frames / 2)


def test_a_saved_file_loads_and_another_is_refused(random: RaftFlow, tmp_path: Path, frames):
    state = random.network.state_dict()
    torch.save(state, tmp_path / "raft.pth")
    loaded = raft_flow(tmp_path / "raft.pth")
    assert np.array_equal(loaded(frames).forward, random(frames).forward)
    assert (loaded.statement.name, random.statement.name) == ("raft-large", "random-raft-large")
    assert "multiple of 8" in str(loaded.statement.options["sides"])
    small = vision.models.optical_flow.raft_small()
    torch.save(small.state_dict(), tmp_path / "small.pth")
    with pytest.raises(CheckpointError, match="not those of RAFT: they lack"):
        raft_flow(tmp_path / "small.pth")
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        raft_flow(tmp_path / "raft.pth", sha256="0" * 64)


def test_the_same_seed_gives_the_same_weights(random: RaftFlow):
    assert random_raft_flow(0).statement == random.statement
    assert random_raft_flow(1).statement.fingerprint != random.statement.fingerprint
