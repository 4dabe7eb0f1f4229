"""From noise to the latents of one grid, and at which levels."""

from collections import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from filmgrid.grid.reference import Reference
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import Codec, WholeGrid, frames_of
from filmgrid.planning import Plan
from filmgrid.process.noise import branch_seed, seeded_noise
from filmgrid.process.schedules import linear_sigmas, shift_sigmas, sigma_of_strength
from filmgrid.request import START_SIGMAS, GenerateRequest
from filmgrid.sampling.guidance import Prompted, Wanted, encode_both, prompted, velocities
from filmgrid.sampling.jumps import check_jumps
from filmgrid.sampling.loop import Resampling, SampleState, VelocityOf, descend
from filmgrid.sampling.schedule import begin_at
from filmgrid.sampling.solvers import timestep_sigmas

JUMP_STREAM = 0x4A554D50
"""Keeps the noise of jumps apart from that of other seeds."""
Frames8 = UInt8[np.ndarray, "b n h w 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """A step of a generation.

    Args:
        step: steps done, over all batches of sequences.
        num_steps: steps in all.
        sigma: noise level reached.
        latents: the sequences of this batch at that level.
        preview: gives what they would become, 8-bit; it costs a decode.
    """

    step: int
    num_steps: int
    sigma: float
    latents: Float[Tensor, "b n c h w"]
    preview: Callable[[], Frames8]


class Walker:
    """A backbone with its codec, which samples grids.

    Args:
        backbone: predicts velocity.
        codec: between pixels and its latents.
        device: where to compute.
        dtype: of the matrix products.
    """

    def __init__(
        self, backbone: Backbone, codec: Codec, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.backbone, self.codec = backbone, codec
        self.device, self.dtype = device, dtype

    def answer(self, wanted: Wanted) -> Tensor:
        """A velocity that a sampler waits for."""
        return velocities(self.backbone, [wanted], self.dtype)[0]

    @torch.inference_mode()
    def walk(
        self,
        plan: Plan,
        sigmas: Float64[Tensor, " num_sigmas"],
        seeds: Sequence[int],
        reference: Reference | None,
        done: int,
        total: int,
    ) -> abc.Generator[Wanted | Progress, Tensor | None, Float[Tensor, "b n c h w"]]:
        """Sample one grid for each seed, asking for velocities, and give their latents.

        Args:
            plan: of the grid, with its prompt.
            sigmas: noise levels to visit.
            seeds: of the noise of each sequence.
            reference: what is known, as latents.
            done: steps that were made before.
            total: steps in all.
        """
        told = self.prompted(plan, len(seeds))
        noise = self.noise_of(plan, seeds)
        resampling = None
        if plan.jumps is not None:
            resampling = Resampling(
                plan.jumps, lambda number: self._jump_noise(plan, seeds, number)
            )
        descent = descend(noise, sigmas, reference, plan.per_cell_sigma, plan.solver, resampling)
        state = next(descent)  # the start, which is the result if there is no step to make
        while state.step < state.num_steps:
            velocity = yield Wanted(state.noisy, state.levels, told)
            assert velocity is not None
            state = descent.send(velocity)
            shown = self.preview(plan, state)
            yield Progress(done + state.step, total, state.sigma, state.noisy, shown)
        return state.noisy

    def prompted(self, plan: Plan, count: int) -> Prompted:
        """What the backbone is told of so many sequences at once; a sampling begins with it."""
        prompts, nulls = [plan.prompt] * count, [plan.negative] * count
        if plan.two_passes:
            condition, null = encode_both(self.backbone, prompts, nulls)
        else:
            condition, null = self.backbone.encode(prompts), None
        self.backbone.begin()
        return prompted(self.backbone, condition, plan.layout, plan.guidance_scale, null)

    def velocity_of(self, plan: Plan, count: int) -> VelocityOf:
        """The backbone under a plan's prompt, for so many sequences at once."""
        told = self.prompted(plan, count)
        return lambda noisy, sigma: self.answer(Wanted(noisy, sigma, told))

    def noise_of(self, plan: Plan, seeds: Sequence[int]) -> Float[Tensor, "b n c h w"]:
        """Noise of a grid for each seed."""
        height, width = (side // self.codec.stride for side in plan.cell)
        shape = (plan.layout.num_cells, self.codec.channels, height, width)
        return seeded_noise(seeds, shape, self.device)

    def _jump_noise(self, plan: Plan, seeds: Sequence[int], number: int) -> Tensor:
        return self.noise_of(plan, [branch_seed(seed, JUMP_STREAM, number) for seed in seeds])

    def codec_of(self, plan: Plan) -> Codec:
        """The codec, of single cells or of whole grids."""
        return WholeGrid(self.codec, plan.layout) if plan.coding == "grid" else self.codec

    def preview(self, plan: Plan, state: SampleState) -> Callable[[], Frames8]:
        """What gives the frames that a state would become."""
        return lambda: self._pixels(plan, state.clean)

    @torch.inference_mode()
    def _pixels(self, plan: Plan, latents: Float[Tensor, "b n c h w"]) -> Frames8:
        """Decode latents to 8-bit frames."""
        return frames_of(self.codec_of(plan).decode(latents))


def start_of(plan: Plan, request: GenerateRequest) -> float:
    """Noise level that a request starts from, in [0, 1]; at most what the model was trained at."""
    schedule = _schedule_of(plan)
    if request.sigma is not None:
        start = request.sigma
    elif request.strength is not None:
        start = sigma_of_strength(schedule, request.strength)
    else:
        start = START_SIGMAS[plan.task]
    return min(start, plan.sigma_max, float(schedule[0]))


def sigmas_of(plan: Plan, request: GenerateRequest) -> Float64[Tensor, " num_sigmas"]:
    """Noise levels that a request visits, from its start to 0.

    Raises:
        ConfigError: if jumps go back beyond the start.
    """
    start = start_of(plan, request)
    sigmas = begin_at(_schedule_of(plan), start, respaced=request.respaced)
    check_jumps(len(sigmas) - 1, plan.jumps)
    return sigmas


def _schedule_of(plan: Plan) -> Float64[Tensor, " num_sigmas"]:
    """Noise levels of the whole way."""
    if plan.timesteps is None:
        return shift_sigmas(linear_sigmas(plan.num_steps), plan.shift)
    return timestep_sigmas(plan.solver, plan.timesteps, plan.num_steps)
