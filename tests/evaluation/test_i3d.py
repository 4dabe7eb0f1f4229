import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from filmgrid.evaluation.i3d import (
    FEWEST_FRAMES,
    I3D,
    SMALLEST_SIDE,
    Mixed,
    Unit,
    pad_same,
    random_i3d,
    same_max_pool,
)


@pytest.fixture(scope="module")
def network() -> I3D:
    """Random weights, with batch norms that do something."""
    network, generator = random_i3d(0), torch.Generator().manual_seed(1)
    for name, values in network.state_dict().items():
        if name.endswith(("bn.weight", "running_var")):
            values.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            values.normal_(0, 0.1, generator=generator)
    return network


def pixels(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_the_parameters_are_those_of_inception_v1_inflated():
    with torch.device("meta"):
        sizes = {name: p.numel() for name, p in I3D().named_parameters()}
    logits = sizes["logits.conv3d.weight"] + sizes["logits.conv3d.bias"]
    assert logits == 1024 * 400 + 400
    assert sum(sizes.values()) == 12_697_264
    assert sum(sizes.values()) - logits == 12_287_264


def test_weights_are_named_as_in_pytorch_i3d():
    with torch.device("meta"):
        state = I3D().state_dict()
    parts = {key.split(".")[0] for key in state}
    mixed = {"Mixed_3b", "Mixed_3c", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"}
    mixed |= {"Mixed_5b", "Mixed_5c"}
    assert parts == mixed | {"Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "logits"}
    assert {key for key in state if key.startswith("Mixed_3b.b1b")} == {
        f"Mixed_3b.b1b.{name}"
        for name in (
            "conv3d.weight",
            "bn.weight",
            "bn.bias",
            "bn.running_mean",
            "bn.running_var",
            "bn.num_batches_tracked",
        )
    }
    assert state["Conv3d_1a_7x7.conv3d.weight"].shape == (64, 3, 7, 7, 7)
    assert state["Mixed_5c.b2b.conv3d.weight"].shape == (128, 48, 3, 3, 3)
    assert len(state) == 57 * 6 + 2


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "front", "back"),
    [
        (16, 7, 2, 2, 3),
        (15, 7, 2, 3, 3),
        (112, 3, 2, 0, 1),
        (5, 3, 2, 1, 1),
        (8, 3, 1, 1, 1),
        (4, 2, 2, 0, 0),
        (3, 2, 2, 0, 1),
        (9, 1, 1, 0, 0),
    ],
)
def test_same_padding_puts_the_odd_zero_at_the_end(size, kernel, stride, front, back):
    line = torch.arange(1.0, size + 1).reshape(1, 1, size, 1, 1)
    padded = pad_same(line, (kernel, 1, 1), (stride, 1, 1)).flatten()
    assert padded.tolist() == [0] * front + line.flatten().tolist() + [0] * back
    assert (len(padded) - kernel) // stride + 1 == -(-size // stride)


def batch_norm(hidden: Tensor, unit: Unit) -> Tensor:
    assert unit.bn is not None
    state = {
        name: values[:, None, None, None]
        for name, values in unit.bn.state_dict().items()
        if values.ndim
    }
    apart = (hidden - state["running_mean"]) / (state["running_var"] + 1e-3).sqrt()
    return (apart * state["weight"] + state["bias"]).clamp(min=0)


def three(hidden: Tensor, unit: Unit) -> Tensor:
    return batch_norm(F.conv3d(hidden, unit.conv3d.weight, padding=1), unit)


def one(hidden: Tensor, unit: Unit) -> Tensor:
    weight = unit.conv3d.weight[:, :, 0, 0, 0]
    return batch_norm(torch.einsum("dc,bcnhw->bdnhw", weight, hidden), unit)


def mixed(hidden: Tensor, block: Mixed) -> Tensor:
    pooled = F.max_pool3d(hidden, 3, 1, padding=1)
    parts = (
        one(hidden, block.b0),
        three(one(hidden, block.b1a), block.b1b),
        three(one(hidden, block.b2a), block.b2b),
        one(pooled, block.b3b),
    )
    return torch.cat(parts, 1)


@torch.inference_mode()
def test_the_first_unit_is_a_convolution_with_two_zeros_before_and_three_behind(network: I3D):
    clip, unit = pixels(1, 3, 10, 32, 32), network.Conv3d_1a_7x7
    expected = batch_norm(
        F.conv3d(F.pad(clip, (2, 3, 2, 3, 2, 3)), unit.conv3d.weight, stride=2), unit
    )
    torch.testing.assert_close(unit(clip), expected)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["Mixed_3b", "Mixed_4e", "Mixed_5c"])
def test_a_mixed_block_joins_its_four_branches(network: I3D, name: str):
    block = network.get_submodule(name)
    assert isinstance(block, Mixed)
    hidden = pixels(1, block.b0.conv3d.in_channels, 3, 7, 6).abs()
    torch.testing.assert_close(block(hidden), mixed(hidden, block), atol=1e-5, rtol=1e-5)


def test_a_pool_never_sees_its_padding_where_values_are_not_negative():
    hidden = pixels(1, 2, 5, 8, 8).abs()
    expected = F.max_pool3d(
        F.pad(hidden, (0, 1, 0, 1, 1, 1), value=float("-inf")), (3, 3, 3), (2, 2, 2)
    )
    assert torch.equal(same_max_pool(hidden, (3, 3, 3), (2, 2, 2)), expected)


@torch.inference_mode()
def test_the_logits_are_those_of_the_network_written_out(network: I3D):
    clip = pixels(1, 3, 16, 224, 224)
    stem = network.Conv3d_1a_7x7
    hidden = F.conv3d(F.pad(clip, (2, 3) * 3), stem.conv3d.weight, stride=2)
    hidden = batch_norm(hidden, stem)
    hidden = F.max_pool3d(F.pad(hidden, (0, 1, 0, 1)), (1, 3, 3), (1, 2, 2))
    hidden = three(one(hidden, network.Conv3d_2b_1x1), network.Conv3d_2c_3x3)
    hidden = F.max_pool3d(F.pad(hidden, (0, 1, 0, 1)), (1, 3, 3), (1, 2, 2))
    for name, block in network.named_children():
        if name == "Mixed_4b":
            hidden = F.max_pool3d(F.pad(hidden, (0, 1) * 3), 3, 2)
        if name == "Mixed_5b":
            hidden = F.max_pool3d(hidden, 2, 2)
        if isinstance(block, Mixed):
            hidden = mixed(hidden, block)
    assert hidden.shape == (1, 1024, 2, 7, 7)
    weight, bias = network.logits.conv3d.weight, network.logits.conv3d.bias
    expected = hidden.mean(dim=(2, 3, 4)) @ weight[:, :, 0, 0, 0].T + bias
    logits = network(clip)
    assert logits.shape == (1, 400)
    assert logits.std() > 0.5
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_ten_and_nine_frames_are_enough_and_eight_are_not(network: I3D):
    side = SMALLEST_SIDE
    assert network(pixels(2, 3, 10, side, side)).shape == (2, 400)
    assert network(pixels(1, 3, FEWEST_FRAMES, side, side)).shape == (1, 400)
    for shape in ((FEWEST_FRAMES - 1, side, side), (FEWEST_FRAMES, side - 1, side)):
        with pytest.raises(RuntimeError):
            network(pixels(1, 3, *shape))


def test_random_weights_depend_on_the_seed_alone():
    before = torch.random.get_rng_state()
    first, again, other = (random_i3d(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    name = "Mixed_4c.b0.conv3d.weight"
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first[name], other[name])
    assert np.isclose(first[name].std().item(), (2 / 512) ** 0.5, rtol=0.02)
