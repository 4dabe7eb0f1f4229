"""Generator: from a request to a sequence; where the rooms meet."""

from collections import abc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from filmgrid.errors import ConfigError
from filmgrid.grid.reference import Reference
from filmgrid.grid.spec import Layout
from filmgrid.inputs import Inputs, describe_files, gather, read_files, times_of
from filmgrid.loading import Loading
from filmgrid.metrics.health import measure_health
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import Codec, pixels_of
from filmgrid.models.enlarging import Enlarger
from filmgrid.models.families import load_model
from filmgrid.models.precision import Device, Precision, choose_device, choose_dtype
from filmgrid.planning import Plan, make_plan
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.sampling.guidance import Wanted, answered
from filmgrid.sampling.tasks import TASKS, Known
from filmgrid.sampling.upscale import load_enlarger
from filmgrid.walking import Progress, Walker, sigmas_of, start_of

Asking = abc.Generator[Wanted | Progress | Result, Tensor | None, None]
"""A generation that is sent the velocities that it wants; see :meth:`Generator.asking`."""


class Generator(Walker):
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
        super().__init__(backbone, codec, device, dtype)
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
                "devices": 1,  # how many changes nothing of what is made
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


def _name(given: Any) -> Path:
    """How a request calls a picture: its path, or that it came as an array."""
    return Path(given) if isinstance(given, (str, Path)) else Path("array")
