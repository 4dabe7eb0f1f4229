import numpy as np
import pytest
import torch

from filmgrid.errors import CheckpointError, ConfigError, DatasetError
from filmgrid.models.codec import HalfCodec, doubled, halved
from filmgrid.models.families import load_upscaler
from filmgrid.models.places import find_upscaler
from filmgrid.models.upscaler import Upscaler
from filmgrid.training.data_config import FolderData, WorldData
from filmgrid.training.upscaler_config import UpscalerConfig
from filmgrid.training.upscaling import Tiles, harmed, train_upscaler

CPU = torch.device("cpu")


def config_of(out, **changes):
    return UpscalerConfig(
        **{
            "out": out,
            "data": (WorldData(turntables=0.0),),
            "sides": (32, 64),
            "side_weights": (0.5, 0.5),
            "width": 8,
            "depth": 1,
            "steps": 6,
            "batch": 6,
            "save_every": 3,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            **changes,
        }
    )


def frames_of_noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_an_untrained_upscaler_repeats_every_pixel():
    frames = frames_of_noise(2, 3, 6, 5)
    made = Upscaler(8, 2)(frames)
    assert torch.equal(made, frames.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_halving_is_the_mean_of_four_pixels_and_undoes_doubling_by_an_untrained_network():
    frames = frames_of_noise(2, 4, 3, 8, 6)
    corner = frames[..., :2, :2].mean(dim=(-2, -1))
    torch.testing.assert_close(halved(frames)[..., 0, 0], corner)
    codec = HalfCodec(Upscaler(8, 1).eval())
    torch.testing.assert_close(codec.encode(codec.decode(frames)), frames)
    assert codec.decode(3 * frames).abs().max() <= 1


def test_frames_do_not_see_each_other():
    network = Upscaler(8, 1)
    torch.nn.init.normal_(network.head.weight)
    frames = frames_of_noise(1, 3, 3, 8, 8)
    changed = frames.clone()
    changed[:, 1] += 0.5
    before, after = doubled(network, frames), doubled(network, changed)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_tiles_are_of_the_smallest_side_and_the_same_whoever_asks(tmp_path):
    tiles = Tiles(config_of(tmp_path))
    assert {tuple(tiles[number].shape) for number in range(6)} == {(6, 3, 32, 32), (4, 3, 32, 32)}
    assert torch.equal(tiles[3], Tiles(config_of(tmp_path))[3])
    assert not torch.equal(tiles[3], Tiles(config_of(tmp_path, seed=1))[3])


def test_half_of_the_small_frames_are_harmed_in_each_way(tmp_path):
    small = frames_of_noise(400, 3, 8, 8)
    flat = torch.zeros_like(small)
    noisy = harmed(flat, config_of(tmp_path, blur=0.0), 0).flatten(1).std(dim=1)
    assert 0.4 < (noisy > 1e-6).float().mean() < 0.6
    assert noisy.max() < 1.3 * 8 / 127.5
    blurred = harmed(small, config_of(tmp_path, noise=0.0), 0)
    assert 0.25 < ((blurred - small).abs().amax(dim=(1, 2, 3)) > 1e-4).float().mean() < 0.6
    constant = torch.full_like(small, 0.3)
    torch.testing.assert_close(harmed(constant, config_of(tmp_path, noise=0.0), 0), constant)


def test_training_beats_repeating_pixels_and_resumes_bit_for_bit(tmp_path):
    whole = train_upscaler(config_of(tmp_path / "whole", steps=60, lr=5e-3, decay=0.9))
    tiles = Tiles(config_of(tmp_path, seed=5))[0]
    network = load_upscaler(str(whole), CPU)
    error = (network(halved(tiles)) - tiles).square().mean()
    assert error < 0.9 * (Upscaler(8, 1)(halved(tiles)) - tiles).square().mean()

    class StoppedError(Exception):
        pass

    broken = config_of(tmp_path / "broken")
    straight = train_upscaler(config_of(tmp_path / "straight"))
    original = Tiles.__getitem__

    def stop(self, number):
        if number == 4:
            raise StoppedError
        return original(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiles, "__getitem__", stop)
        with pytest.raises(StoppedError):
            train_upscaler(broken)
    resumed = train_upscaler(broken)
    for name, weights in load_upscaler(str(straight), CPU).state_dict().items():
        assert torch.equal(weights, load_upscaler(str(resumed), CPU).state_dict()[name]), name
    with pytest.raises(ConfigError, match="other settings: width was 8 and is 16 now"):
        train_upscaler(config_of(tmp_path / "broken", width=16))


def test_what_cannot_be_trained_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be cut into tiles of 48 px"):
        config_of(tmp_path, sides=(48, 64))
    with pytest.raises(ConfigError, match="2 sides have 1 weights"):
        config_of(tmp_path, side_weights=(1.0,))
    with pytest.raises(ConfigError, match="frames of one size"):
        config_of(tmp_path, data=(FolderData(folder=tmp_path),))
    with pytest.raises(DatasetError):
        data = (FolderData(folder=tmp_path),)
        Tiles(config_of(tmp_path, data=data, sides=(32,), side_weights=(1.0,)))


def test_a_missing_or_damaged_upscaler_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="There is no upscaler 'nowhere'"):
        find_upscaler("nowhere")
    folder = train_upscaler(config_of(tmp_path / "run", steps=1))
    (folder / "state.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged"):
        train_upscaler(config_of(tmp_path / "run", steps=1))
    assert find_upscaler(str(tmp_path / "run")) == folder
    np.testing.assert_equal(find_upscaler("upscaler").name, "upscaler")
