from pathlib import Path

import numpy as np
import pytest
import torch

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.codec import pixels_of
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.families import load_mini, mini_backbone
from filmgrid.models.mini import GridTransformer
from filmgrid.process.resampling import resampled
from filmgrid.sampling.upscale import (
    SuperResolution,
    load_enlarger,
)

CPU, FP32 = torch.device("cpu"), torch.float32


def frames_of(count=3, height=8, width=12):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def backbone_of(layout="1x1", cell=16, factor=2, bright=0.0):
    """A network that adds nothing to what it is given, or the same to every pixel."""
    torch.manual_seed(0)
    module = GridTransformer(
        patch=8, dim=64, depth=1, head_dim=32, max_words=1, text_depth=0, given_channels=6
    )
    torch.nn.init.constant_(module.head.paint.bias, bright)
    facts = BackboneFacts(
        family="mini",
        name="larger",
        layout=layout,
        trained_layouts=(layout,),
        cell=(cell, cell),
        stride=8,
        super_resolution=factor,
        has_text=False,
        per_cell_sigma=True,
        num_steps=3,
    )
    module.head.gate.bias.data.fill_(-30.0)  # nothing is copied
    return mini_backbone(module.eval(), facts)


def plain(frames, factor):
    height, width = (factor * side for side in frames.shape[1:3])
    return resampled(pixels_of(frames), height, width)


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (5, 9), (20, 31)])
@pytest.mark.parametrize("layout", ["1x1", "1x3"])
def test_a_network_that_adds_nothing_gives_bicubic_frames_at_any_size(size, layout):
    frames = frames_of(5, *size)
    made = SuperResolution(backbone_of(layout), CPU, FP32)(frames)
    assert made.shape == (5, 2 * size[0], 2 * size[1], 3)
    wanted = (plain(frames, 2).clamp(-1, 1) + 1) * 127.5
    assert np.abs(made - wanted.movedim(1, -1).numpy()).max() <= 0.51


def test_what_it_adds_is_the_same_in_all_tiles():
    frames = np.full((2, 20, 30, 3), 128, np.uint8)
    made = SuperResolution(backbone_of(bright=0.5), CPU, FP32)(frames)
    assert made.min() == made.max() == 192


def test_frames_that_are_alike_stay_alike_with_shared_noise_alone(monkeypatch):
    backbone = backbone_of()
    torch.nn.init.normal_(backbone.module.head.paint.weight, std=0.3)
    frames = np.repeat(frames_of(1), 3, axis=0)
    shared = SuperResolution(backbone, CPU, FP32)(frames)
    own = SuperResolution(backbone, CPU, FP32, shared_noise=False)(frames)
    assert (shared == shared[:1]).all()
    assert (own != own[:1]).any()
    assert (own[0] == SuperResolution(backbone, CPU, FP32, seed=0)(frames)[0]).all()


def test_frames_made_before_stay_as_neighbours_of_the_next():
    backbone = backbone_of("1x3")
    torch.nn.init.normal_(backbone.module.head.paint.weight, std=0.3)
    frames = frames_of(7)
    enlarge = SuperResolution(backbone, CPU, FP32)
    assert [(first, len(range(7)[cells])) for first, cells in enlarge._groups(7)] == [
        (0, 3),
        (2, 2),
        (4, 2),
    ]
    made = enlarge(frames)
    assert len(made) == 7
    # The first group does not see what comes after it.
    assert (enlarge(frames[:3]) == made[:3]).all()


def test_what_enlarges_is_found_by_number_or_folder(tmp_path):
    assert load_enlarger(4, CPU, FP32).factor == 4
    assert load_enlarger(2, CPU, FP32)(frames_of()).shape == (3, 16, 24, 3)
    backbone_of().save_pretrained(tmp_path / "larger")
    assert load_enlarger(tmp_path / "larger", CPU, FP32, num_steps=2).num_steps == 2
    with pytest.raises(ConfigError, match="2 enlarges a frame in one pass"):
        load_enlarger(2, CPU, FP32, num_steps=3)
    with pytest.raises(ConfigError, match=r"makes frames and enlarges none"):
        load_enlarger(Path("mini"), CPU, FP32)
    with pytest.raises(CheckpointError, match="There is no model"):
        load_enlarger(tmp_path / "nothing", CPU, FP32)


def test_mini_is_not_told_of_anything_beside_its_cells():
    assert load_mini("mini").module.config["given_channels"] == 0
