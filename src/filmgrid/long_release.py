"""A long sequence as GriDiT's release makes it: the baseline that ours is measured against."""

from collections.abc import Generator as Events
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from filmgrid.generator import Generator
from filmgrid.grid.windows import release_runs
from filmgrid.inputs import Described
from filmgrid.long import Stretch, window_seed
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest
from filmgrid.sampling.release import Defects, ancestral
from filmgrid.walking import Frames8, Progress


@torch.inference_mode()
def stream_release(
    generator: Generator, request: GenerateRequest, defects: Defects | None = None
) -> Events[Progress | Stretch, None, None]:
    """Make a sequence as the release does; its length is the release's own.

    A grid; then, again and again, a grid whose first three rows are the last three of the one
    before, read back from 8-bit frames, and one between the two, between whose first and last row
    two are made. Given out are all rows of the first grid, of each grid between the third, and of
    each other the last.

    Source: the samplers of GriDiT's release (arXiv:2512.21276).

    Args:
        generator: of the request's model.
        request: what to make; its frames must be set.
        defects: which of the release's are on; all by default.

    Raises:
        ConfigError: if the request asks for what the release cannot do.
    """
    plan = make_plan(request, generator.backbone.facts, Described())
    assert request.frames is not None
    runs, cols = release_runs(request.frames), plan.layout.cols
    velocity_of = generator.velocity_of(plan, 1)
    total, done, written, number = plan.num_steps * plan.windows, 0, 0, 0
    made: list[Tensor] = []

    def grid(known: Tensor | None, rows: tuple[int, ...]) -> Iterator[Progress]:
        nonlocal done, number
        keep = torch.tensor([cell // cols in rows for cell in range(plan.layout.num_cells)])
        seed = window_seed(request.seed, number)
        random = torch.Generator().manual_seed(window_seed(seed, 1))
        noise = generator.noise_of(plan, [seed])
        number += 1
        latents = noise
        for state in ancestral(velocity_of, noise, random, known, keep, plan.num_steps, defects):
            done, latents = done + 1, state.noisy
            yield Progress(done, total, state.sigma, latents, generator.preview(plan, state))
        made.append(latents)

    def shown(latents: Tensor) -> Frames8:
        return frames_of(generator.codec_of(plan).decode(latents))

    def again(latents: Tensor) -> Tensor:
        """Through 8 bits and the codec, as the release hands grids on."""
        pixels = pixels_of(shown(latents), generator.device)
        return generator.codec_of(plan).encode(pixels)

    def stretch(arrays: Frames8) -> Stretch:
        nonlocal written
        first, written = written, written + arrays.shape[1]
        return Stretch(first, arrays)

    yield from grid(None, ())
    yield stretch(shown(made[-1]))
    for _ in range(runs):
        source = again(made.pop())
        known = torch.cat([source[:, cols:], source[:, :cols]], dim=1)
        yield from grid(known, (0, 1, 2))
        target = again(made[-1])
        between = torch.cat([source[:, -cols:], source[:, cols:-cols], target[:, -cols:]], dim=1)
        yield from grid(between, (0, 3))
        inner = shown(made.pop())[:, 2 * cols : 3 * cols]
        yield stretch(np.concatenate([inner, shown(made[-1])[:, -cols:]], axis=1))
