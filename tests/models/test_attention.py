"""What the watch reads, against softmax written out, and what it leaves alone."""

import pytest
import torch
import torch.nn.functional as F

from filmgrid.bench.peers.tiny import NAMES
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.models.attention import AttentionWatch, cells_of_tokens
from filmgrid.models.families import load_mini, load_model

CPU = torch.device("cpu")
LAYOUT = Layout(2, 3)


@pytest.fixture(scope="module")
def mini(tiny_model):
    return load_mini(str(tiny_model))


def noisy_of(backbone, codec, cell):
    side = [size // codec.stride for size in cell]
    shape = (1, LAYOUT.num_cells, codec.channels, *side)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def run(backbone, codec, cell):
    """Velocity with and without the watch, and what it saw."""
    noisy = noisy_of(backbone, codec, cell)
    condition = dict(backbone.encode(["a red star"]))
    if backbone.facts.guidance == "embedded":
        condition["guidance"] = torch.full((1,), 3.5)
    sigma = torch.full((1, LAYOUT.num_cells), 0.7)
    with torch.inference_mode():
        plain = backbone.velocity(noisy, sigma, condition, LAYOUT)
        with AttentionWatch(backbone, LAYOUT, cell) as watch:
            watched = backbone.velocity(noisy, sigma, condition, LAYOUT)
    return plain, watched, watch.shares


@pytest.mark.parametrize("name", [*NAMES, "mini"])
def test_every_backbone_is_read_and_none_is_changed(name, pipelines, tiny_model):
    folder = tiny_model if name == "mini" else pipelines[name][1]
    backbone, codec = load_model(str(folder), torch.float32, CPU)
    stride = backbone.facts.stride
    plain, watched, shares = run(backbone, codec, CellSize(2 * stride, stride))
    assert (plain == watched).all()
    assert shares
    for share in shares:
        assert share.shape == (LAYOUT.num_cells, LAYOUT.num_cells + 1)
        assert torch.allclose(share.sum(dim=1), torch.ones(LAYOUT.num_cells), atol=1e-5)
        assert (share > 0).all()


class Tokens:
    """Stands for a backbone whose tokens are in grid order behind the words."""

    cell_by_cell = False
    image_first = False

    def __init__(self, facts):
        self.facts = facts


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("image_first", [False, True])
def test_shares_are_those_of_softmax_summed_by_cell(mini, masked, image_first):
    tokens = Tokens(mini.facts)
    tokens.image_first = image_first
    cell = CellSize(2 * mini.facts.stride, mini.facts.stride)
    cells = cells_of_tokens(tokens, LAYOUT, cell)
    assert cells.tolist() == 2 * [0, 1, 2] + 2 * [3, 4, 5]
    words = 5
    places = torch.full((words,), LAYOUT.num_cells)
    places = torch.cat([cells, places] if image_first else [places, cells])
    generator = torch.Generator().manual_seed(1)
    query, key, value = torch.randn(3, 1, 2, len(places), 8, generator=generator).unbind()
    seen = torch.ones(1, 1, 1, len(places), dtype=torch.bool)
    if masked:
        seen[..., torch.nonzero(places == LAYOUT.num_cells)[-1]] = False
    with AttentionWatch(tokens, LAYOUT, cell) as watch:
        F.scaled_dot_product_attention(query, key, value, seen if masked else None)
    weights = query @ key.mT / 8**0.5
    weights = weights.masked_fill(~seen, -torch.inf).softmax(dim=-1).mean(dim=(0, 1))
    expected = torch.zeros(LAYOUT.num_cells, LAYOUT.num_cells + 1)
    for token, of in enumerate(places.tolist()):
        if of < LAYOUT.num_cells:
            expected[of] += torch.zeros_like(expected[of]).index_add(0, places, weights[token]) / 2
    assert torch.allclose(watch.shares[0], expected, atol=1e-6)


def test_cells_of_a_model_that_sees_them_one_by_one_follow_each_other(mini):
    cell = CellSize(2 * mini.facts.stride, mini.facts.stride)
    assert cells_of_tokens(mini, LAYOUT, cell).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_attention_of_words_or_single_frames_is_left_out(mini):
    with AttentionWatch(mini, LAYOUT, CellSize(32, 32)) as watch:
        few = torch.randn(1, 1, 3, 8)
        F.scaled_dot_product_attention(few, few, few)
        frames = torch.randn(6, 1, 64, 8)
        F.scaled_dot_product_attention(frames, frames, frames)
    assert watch.shares == []
