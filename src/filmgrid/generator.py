"""Generator: from a request to a sequence; where the rooms meet."""

from collections import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from filmgrid.data.export import save_sequence
from filmgrid.data.mosaics import pack_image
from filmgrid.data.pictures import to_picture
from filmgrid.data.provenance import Provenance, current_versions
from filmgrid.errors import ConfigError
from filmgrid.grid.reference import Reference
from filmgrid.grid.spec import Layout
from filmgrid.inputs import Inputs, describe_files, gather, read_files, times_of
from filmgrid.loading import Loading
from filmgrid.metrics.health import HealthReport, measure_health
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import Codec, WholeGrid, frames_of, pixels_of
from filmgrid.models.enlarging import Enlarger
from filmgrid.models.families import load_model
from filmgrid.models.precision import Device, Precision, choose_device, choose_dtype
from filmgrid.planning import Plan, make_plan
from filmgrid.process.noise import branch_seed, seeded_noise
from filmgrid.process.schedules import linear_sigmas, shift_sigmas, sigma_of_strength
from filmgrid.request import START_SIGMAS, GenerateRequest
from filmgrid.sampling.guidance import (
    Prompted,
    Wanted,
    answered,
    encode_both,
    prompted,
    velocities,
)
from filmgrid.sampling.jumps import check_jumps
from filmgrid.sampling.loop import Resampling, SampleState, VelocityOf, descend
from filmgrid.sampling.schedule import begin_at
from filmgrid.sampling.solvers import timestep_sigmas
from filmgrid.sampling.tasks import TASKS, Known
from filmgrid.sampling.upscale import load_enlarger

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


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Generated sequences, the best first.

    Args:
        arrays: frames as 8-bit sRGB.
        layout: of the grid that each was made as.
        seeds: of each sequence.
        health: of each sequence.
        fps: frames per second to show them at.
        request: what was asked for with every choice made, as files carry it.
        model_version: name of the model and how long it was trained.
        times: seconds from the first frame to each, of an edited clip whose frames are unevenly
            apart.
    """

    arrays: Frames8
    layout: Layout
    seeds: tuple[int, ...]
    health: tuple[HealthReport, ...]
    fps: float
    request: Mapping[str, Any]
    model_version: str
    times: tuple[float, ...] | None = None

    @property
    def frames(self) -> list[list[Any]]:
        """Frames as Pillow images, one list per sequence."""
        return [[to_picture(frame) for frame in sequence] for sequence in self.arrays]

    @property
    def grids(self) -> list[Any]:
        """Each sequence as one Pillow image."""
        return [to_picture(pack_image(sequence, self.layout)) for sequence in self.arrays]

    def save(
        self, out: Path | str, index: int = 0, *, fps: float | None = None, scale: int = 1
    ) -> list[Path]:
        """Write one sequence; the name chooses the format, as ``filmgrid generate --out`` does.

        Args:
            out: file, or a folder for numbered PNG frames.
            index: which sequence.
            fps: frames per second; by default the result's.
            scale: integer enlargement without smoothing, to look at small frames.

        Raises:
            ConfigError: if the suffix is unknown.
            MediaError: if it cannot be written.
        """
        told = {**self.request, "seed": self.seeds[index]}
        told.pop("best_of", None)  # the seed alone makes this one again
        return save_sequence(
            self.arrays[index],
            out,
            fps=fps or self.fps,
            provenance=Provenance(
                layout=str(self.layout),
                request=told,
                versions={**current_versions(), "model": self.model_version},
            ),
            layout=self.layout,
            scale=scale,
            times=None if fps else self.times,
        )


Asking = abc.Generator[Wanted | Progress | Result, Tensor | None, None]
"""A generation that is sent the velocities that it wants; see :meth:`Generator.asking`."""


class Generator:
    """A backbone with its codec, ready to make sequences.

    ::

        generator = Generator.from_pretrained("mini")
        result = generator("a red circle moving right on a navy background", seed=1)
        result.save("circle.mp4")

    Args:
        backbone: predicts velocity.
        codec: between pixels and its latents.
        device: where to compute.
        dtype: of the matrix products.
    """

    def __init__(
        self, backbone: Backbone, codec: Codec, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.backbone = backbone
        self.codec = codec
        self.device = device
        self.dtype = dtype
        self.name = backbone.facts.name
        self.loading = Loading()

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "mini",
        device: Device = "auto",
        precision: Precision = "auto",
        loading: Loading | None = None,
    ) -> Self:
        """Load a model by name or folder.

        Args:
            model: a shipped model, a pipeline on the Hub or in a folder, or a folder that
                ``filmgrid train`` made.
            device: ``auto`` is CUDA, else MPS, else the CPU.
            precision: ``auto`` is bf16 where the machine multiplies it in hardware, else fp32.
            loading: LoRAs, quantisation, offloading and the like, of pretrained pipelines.

        Raises:
            CheckpointError: if there is no such model or its files do not fit together.
            ConfigError: if the loading asked for cannot work here.
        """
        place = choose_device(device)
        dtype = choose_dtype(precision, place)
        made = cls(*load_model(str(model), dtype, place, loading), place, dtype)
        made.loading = loading or Loading()
        made.name = str(model)
        return made

    def __call__(
        self,
        prompt: str = "",
        *,
        image: Any = None,
        keyframes: Mapping[int, Any] | None = None,
        video: Any = None,
        redraw: Sequence[int] = (),
        lock: Sequence[int] = (),
        task: str | None = None,
        layout: str | Layout | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        start_sigma: float | None = None,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        num_sequences: int = 1,
        callback_on_step_end: Any = None,
        **options: Any,
    ) -> Result:
        """Make sequences, in the manner of a diffusers pipeline.

        Args:
            prompt: what the sequence shows.
            image: first frame; a path, a Pillow image, or an 8-bit array ``h w 3``.
            keyframes: images by cell.
            video: frames to redraw, edit or extend; a path, or an 8-bit array ``n h w 3``.
            redraw: cells of ``video`` to make again.
            lock: cells of ``video`` that stay while it is edited.
            task: name of a task, instead of inferring it.
            layout: for example ``"4x4"``.
            num_inference_steps: steps of the whole way from noise.
            guidance_scale: 1 turns guidance off.
            start_sigma: true noise level to start from, in [0, 1].
            seed: of the first sequence; the next ones count up.
            generator: as in diffusers; its initial seed is used.
            num_sequences: how many to make; the result has the healthiest first.
            callback_on_step_end: called as ``callback(self, step, sigma, {"latents": latents})``
                after every step; what it returns is not used.
            options: other fields of :class:`~filmgrid.request.GenerateRequest`.

        Raises:
            ConfigError: if the request cannot be carried out.
            ShapeError: if sizes do not fit.
            MediaError: if a file cannot be read.
        """
        if generator is not None:
            if seed is not None:
                raise ConfigError("seed and generator both choose the noise. Give one of them.")
            seed = generator.initial_seed() % 2**63
        images = dict(keyframes or {})
        if image is not None:
            if 0 in images:
                raise ConfigError(
                    "image and a keyframe at cell 0 are both the first frame. Leave one out."
                )
            images[0] = image
        only_first = image is not None and len(images) == 1
        named = {cell: _name(given) for cell, given in sorted(images.items())}
        request = GenerateRequest(
            prompt=prompt,
            model=self.name,
            task=task,  # pyright: ignore[reportArgumentType]  # the request reads names
            image=named[0] if only_first else None,
            keyframe=() if only_first else tuple(f"{cell}={at}" for cell, at in named.items()),
            video=None if video is None else _name(video),
            redraw=",".join(str(cell) for cell in redraw),
            lock=",".join(str(cell) for cell in lock),
            layout=None if layout is None else str(layout),
            steps=num_inference_steps,
            guidance=guidance_scale,
            sigma=start_sigma,
            seed=seed or 0,
            best_of=num_sequences,
            **options,
        )
        inputs = gather(images, video)
        result: Result | None = None
        for event in self.generate(request, inputs):
            if isinstance(event, Result):
                result = event
            elif callback_on_step_end is not None:
                callback_on_step_end(self, event.step, event.sigma, {"latents": event.latents})
        assert result is not None
        return result

    def generate(
        self, request: GenerateRequest, inputs: Inputs | None = None
    ) -> Iterator[Progress | Result]:
        """Carry out a request: yields every step, then the result. To cancel, stop asking.

        Args:
            request: what to make.
            inputs: its pictures, if they are not in the files that it names.

        Raises:
            ConfigError: if the request cannot be carried out.
            ShapeError: if sizes do not fit.
            MediaError: if a file cannot be read.
        """
        yield from answered(self.asking(request, inputs), self.answer)

    def answer(self, wanted: Wanted) -> Tensor:
        """A velocity that a sampler waits for."""
        return velocities(self.backbone, [wanted], self.dtype)[0]

    def asking(
        self, request: GenerateRequest, inputs: Inputs | None = None, batch: int | None = None
    ) -> Asking:
        """What :meth:`generate` does, without a call of the backbone: it asks for velocities.

        Whoever drives it sends what each :class:`~filmgrid.sampling.guidance.Wanted` asks for, and
        may answer several generations in one pass.

        Args:
            request: what to make.
            inputs: its pictures, if they are not in the files that it names.
            batch: sequences computed at once; by default the request's.
        """
        if request.is_long:
            raise ConfigError(
                "A sequence of a length of its own is made by filmgrid.long.stream, frames as they "
                "come. Use that, or leave frames and between out."
            )
        described = describe_files(request) if inputs is None else inputs.describe()
        plan = make_plan(request, self.backbone.facts, described)
        if inputs is None:
            given = read_files(request, plan.task, plan.layout)
        else:
            given = inputs.strided(request)
        given = given.fitted(request, plan.task, plan.layout, plan.cell)
        seeds = [request.seed + place for place in range(request.best_of)]
        size = batch or request.batch
        chunks = [seeds[first : first + size] for first in range(0, len(seeds), size)]
        sigmas = sigmas_of(plan, request)
        steps = plan.steps_of(0, len(sigmas) - 1)
        made: list[np.ndarray] = []
        for number, chunk in enumerate(chunks):
            reference = self._reference(plan, request, given, len(chunk))
            done, total = number * steps, len(chunks) * steps
            noisy = yield from self.walk(plan, sigmas, chunk, reference, done, total)
            made.append(given.paste(self._pixels(plan, noisy), request, plan.task))
        arrays = np.concatenate(made)
        health = [measure_health(frames, plan.layout) for frames in arrays]
        order = sorted(range(len(seeds)), key=lambda place: -health[place].score)
        arrays = arrays[order]
        enlarge = self.enlarger(request)
        if enlarge is not None:
            arrays = np.stack([enlarge(each) for each in arrays])
        yield Result(
            arrays,
            plan.layout,
            tuple(seeds[place] for place in order),
            tuple(health[place] for place in order),
            plan.fps,
            self.resolved(plan, request),
            self.version,
            times_of(request, plan.num_frames) if inputs is None else None,
        )

    def enlarger(self, request: GenerateRequest) -> Enlarger | None:
        """What enlarges the finished frames of a request, if anything is to."""
        if request.upscale == 1:
            return None
        return load_enlarger(request.upscale, self.device, self.dtype, request.seed)

    @property
    def version(self) -> str:
        """Name of the model, and how long it was trained."""
        facts = self.backbone.facts
        return f"{facts.name}, step {facts.training.get('progress', {}).get('step', 0)}"

    def resolved(self, plan: Plan, request: GenerateRequest) -> dict[str, Any]:
        """The request with every choice written out, so that it means the same later."""
        kept = "learned" if plan.per_cell_sigma else "replacement"
        made = request.model_copy(
            update={
                **dict(self.loading),
                "fit_memory": None,
                "model": self.name,
                "task": plan.task,
                "layout": str(plan.layout),
                "cell": str(plan.cell),
                "sigma": start_of(plan, request),
                "strength": None,
                "steps": plan.num_steps,
                "guidance": plan.guidance_scale,
                "shift": plan.shift,
                "coding": plan.coding,
                "wording": plan.wording,
                "conditioning": kept,
                "fps": plan.fps,
                "device": self.device.type,
                "precision": "fp32" if self.dtype == torch.float32 else "bf16",
            }
        )
        return made.model_dump(mode="json", exclude_none=True, exclude_defaults=True)

    @torch.inference_mode()
    def _reference(
        self, plan: Plan, request: GenerateRequest, given: Inputs, batch: int
    ) -> Reference | None:
        """What a task knows of the sequence, as latents."""
        start = start_of(plan, request)
        reference = TASKS[plan.task](self._known(plan, request, given, batch), start)
        if reference is None:
            return None
        coded = self.codec_of(plan).encode(reference.cells)
        return Reference(coded, reference.keep, reference.start_sigma)

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

    def _known(self, plan: Plan, request: GenerateRequest, given: Inputs, batch: int) -> Known:
        """The given pictures as the tasks see them: in [-1, 1], the same for each sequence."""

        def pixels(array: np.ndarray) -> Tensor:
            tensor = pixels_of(array).to(self.device)
            return tensor.expand(batch, *tensor.shape)

        return Known(
            plan.layout,
            {cell: pixels(image) for cell, image in given.images.items()},
            None if given.video is None else pixels(given.video),
            request.redraw_cells,
            request.locked_cells,
        )

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


def _name(given: Any) -> Path:
    """How a request calls a picture: its path, or that it came as an array."""
    return Path(given) if isinstance(given, (str, Path)) else Path("array")
