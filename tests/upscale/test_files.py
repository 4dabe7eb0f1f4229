"""Upscalers from files, on random weights of Real-ESRGAN's own networks."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN

from filmgrid.data.media import read_clip
from filmgrid.errors import CheckpointError
from filmgrid.generator import Generator
from filmgrid.inputs import Described
from filmgrid.longrun import generate_long
from filmgrid.models import enlarging
from filmgrid.models.enlarging import FileEnlarger, factor_of, in_tiles
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest

CPU = torch.device("cpu")


def compact(factor=4, convolutions=4):
    """SRVGGNetCompact, the network of realesr-animevideov3, on random weights."""
    torch.manual_seed(0)
    return Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=convolutions, upscale=factor)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    state = compact().state_dict()
    torch.save({"params": state}, root / "compact.pth")
    save_file(state, root / "compact.safetensors")
    save_file(compact(2).state_dict(), root / "twice.safetensors")
    return root


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 20, 28, 3), np.uint8)


@pytest.mark.parametrize("name", ["compact.pth", "compact.safetensors"])
def test_frames_are_what_the_network_makes_of_them(files, frames, name):
    enlarge = FileEnlarger(files / name, CPU)
    assert enlarge.factor == 4 == factor_of(files / name)
    made = enlarge(frames)
    with torch.inference_mode():
        levels = torch.from_numpy(frames).movedim(-1, 1).float() / 255
        wanted = compact()(levels).clamp(0, 1).mul(255).round().movedim(1, -1).numpy()
    assert made.shape == (3, 80, 112, 3)
    assert np.abs(made.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("size", [(90, 130), (64, 200), (65, 64), (300, 70)])
def test_tiles_make_the_frame_that_one_pass_makes(size):
    """The network sees 6 pixels around each, fewer than a tile shows less than it sees."""
    network, frames = compact(), torch.rand(2, 3, *size)
    with torch.inference_mode():
        assert torch.allclose(in_tiles(network, frames, 4, 64), network(frames), atol=1e-5)


def seam(network, frames):
    """How much steps from pixel to pixel differ anywhere from those of one pass."""
    with torch.inference_mode():
        whole, tiled = network(frames), in_tiles(network, frames, 2, 64)
    steps, usual = (each.diff(dim=-1).abs().mean(dim=(0, 1, 2)) for each in (tiled, whole))
    return float((steps - usual).abs().max() / usual.mean())


def test_no_seam_shows_where_a_network_sees_further_than_the_overlap(monkeypatch):
    torch.manual_seed(0)
    network = compact(2, convolutions=40)  # 42 pixels around each
    slope = torch.linspace(0, 1, 160)[None, None, None].expand(1, 3, 160, 160)
    frames = (slope + 0.2 * torch.rand(1, 3, 160, 160)).clamp(0, 1)
    assert seam(network, frames) < 1e-4
    monkeypatch.setattr(enlarging, "CONTEXT", 0)
    monkeypatch.setattr(enlarging, "BLEND", 1)
    assert seam(network, frames) > 5e-3  # what it is without


def test_generated_frames_of_one_grid_and_of_a_long_sequence_are_enlarged(files, tmp_path):
    generator = Generator.from_pretrained("mini", "cpu", "fp32")
    file = files / "twice.safetensors"
    words = {"seed": 3, "layout": "2x2", "num_inference_steps": 2}
    small, large = (generator("a star", upscale=each, **words) for each in (1, file))
    assert large.arrays.shape == (1, 4, 128, 128, 3)
    assert (large.arrays[0] == FileEnlarger(file, CPU)(small.arrays[0])).all()
    assert large.request["upscale"] == str(file)
    request = GenerateRequest(
        prompt="a star", layout="2x2", steps=2, frames=6, upscale=str(file), seed=3
    )
    assert tuple(make_plan(request, generator.backbone.facts, Described()).frame) == (128, 128)
    generate_long(generator, request, tmp_path / "long")
    assert read_clip(tmp_path / "long").frames.shape == (6, 128, 128, 3)


class Code:
    def __reduce__(self):
        return (print, ("run",))


def test_what_is_no_upscaler_is_refused(files, tmp_path, capsys):
    torch.save({"params": compact().state_dict(), "more": Code()}, tmp_path / "code.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    whole = (files / "compact.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    grey = Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=2)
    save_file(grey.state_dict(), tmp_path / "grey.safetensors")
    for name, told in (
        ("code.pth", "is refused"),
        ("other.pth", "no network that spandrel knows"),
        ("list.pth", "no weights by name"),
        ("cut.safetensors", "cannot be read"),
        ("grey.safetensors", "of 1 channels"),
        ("none.pth", "There is no file"),
    ):
        with pytest.raises(CheckpointError, match=told):
            FileEnlarger(tmp_path / name, CPU)
    assert "run" not in capsys.readouterr().out


def test_networks_of_real_esrgan_are_known(tmp_path):
    network = ESRGAN(num_filters=8, num_blocks=1, scale=4)
    save_file(network.state_dict(), tmp_path / "esrgan.safetensors")
    made = FileEnlarger(tmp_path / "esrgan.safetensors", CPU)(np.zeros((1, 16, 16, 3), np.uint8))
    assert made.shape == (1, 64, 64, 3)
