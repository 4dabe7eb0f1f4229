"""Speed without a clock: operations, graph breaks and recompiles."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from filmgrid.bench.config import BenchConfig, ClipSize, parse_subject
from filmgrid.bench.flops import count_run
from filmgrid.bench.ours import open_ours
from filmgrid.bench.subjects import Made, Subject
from filmgrid.costs import counting
from filmgrid.models.families import load_mini


def test_flux_at_1024_px_takes_74_tera_operations_a_pass():
    """4,096 image and 512 text tokens; 74.4e12 is also what published step counts imply."""
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    with torch.device("meta"), torch.inference_mode(), counting() as counter:
        FluxTransformer2DModel(guidance_embeds=True)(
            hidden_states=torch.empty(1, 4096, 64),
            encoder_hidden_states=torch.empty(1, 512, 4096),
            pooled_projections=torch.empty(1, 768),
            timestep=torch.empty(1),
            guidance=torch.empty(1),
            txt_ids=torch.empty(512, 3),
            img_ids=torch.empty(4096, 3),
        )
    assert counter.get_total_flops() == pytest.approx(74.4e12, rel=0.01)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fused_attention_is_counted_on_every_device(device, dtype):
    query = torch.ones(2, 3, 64, 16, device=device, dtype=dtype)
    bias = torch.zeros(1, 1, 1, 64, device=device, dtype=dtype)
    for mask in (None, bias):
        with torch.inference_mode(), counting() as counter:
            F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
        assert counter.get_total_flops() == 4 * 2 * 3 * 64 * 64 * 16


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)

    def forward(self, *, timestep, hidden_states):
        return self.layer(hidden_states)


@pytest.mark.parametrize("together", [True, False])
def test_guidance_counts_as_two_passes_in_one_call_or_in_two(together):
    denoiser, decoder = Denoiser(), nn.Linear(8, 4, bias=False)

    def run():
        for _ in range(3):
            for _ in range(1 if together else 2):
                noisy = torch.ones(2 if together else 1, 5, 8)
                denoiser(timestep=0, hidden_states=noisy)
        decoder(torch.ones(5, 8))
        return Made(ClipSize(1, 8, 8), 3)

    subject = Subject("it", "trained", run, (denoiser,), lambda noisy: noisy.shape[1], (denoiser,))
    count = count_run(subject)
    assert count.passes == 2
    assert count.tokens == 5
    assert count.pass_flops == 2 * 5 * 8 * 8
    assert count.flops == 6 * count.pass_flops + 2 * 5 * 8 * 4
    assert subject.weight_bytes == 4 * 64
    assert not denoiser._forward_hooks
    assert not denoiser._forward_pre_hooks


def test_operations_of_a_grid_grow_by_its_tokens_and_their_square(tiny_model):
    """Per pass: what words cost, a part by token, and attention; three sizes foretell a fourth."""
    config = BenchConfig(subjects=("mini",), device="cpu", precision="fp32", steps=1)
    counts = [
        count_run(open_ours(parse_subject(f"{tiny_model}:text:{layout}"), config))
        for layout in ("1x2", "1x3", "1x5", "2x4")
    ]
    tokens = [count.tokens for count in counts]
    assert tokens == [8, 12, 20, 32]
    flops = [count.pass_flops for count in counts]
    parabola = np.polyfit(tokens[:3], flops[:3], 2)
    assert flops[3] == pytest.approx(np.polyval(parabola, tokens[3]), rel=1e-6)
    assert parabola[0] > 0


@pytest.fixture(scope="module")
def mini():
    """The shipped network, and its arguments for a number of cells."""
    backbone = load_mini("mini")
    words = backbone.encode(["a red circle"])["words"]

    def arguments(num_cells):
        return torch.zeros(1, num_cells, 3, 32, 32), torch.full((1, num_cells), 0.5), words

    yield backbone.module, arguments
    torch._dynamo.reset()


def test_mini_is_one_graph_without_breaks(mini):
    module, arguments = mini
    torch._dynamo.reset()
    with torch.inference_mode():
        found = torch._dynamo.explain(module)(*arguments(16))
    assert (found.graph_count, found.graph_break_count) == (1, 0)


@pytest.mark.parametrize(("dynamic", "graphs"), [(True, [1, 1, 1]), (False, [1, 2, 3])])
def test_mini_recompiles_for_no_grid_that_it_has_seen(mini, dynamic, graphs):
    """With dynamic shapes one graph serves 3 grids; static ones, as in training, are one each."""
    from torch._dynamo.testing import CompileCounter

    module, arguments = mini
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(module, backend=counter, dynamic=dynamic)
    seen = []
    with torch.inference_mode():
        for num_cells in (16, 32, 24, 16, 32, 24):
            compiled(*arguments(num_cells))
            seen.append(counter.frame_count)
    assert seen == [*graphs, *[graphs[-1]] * 3]
