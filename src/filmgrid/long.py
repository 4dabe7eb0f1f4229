"""Sequences longer than one grid: window after window, frames given out as they come."""

from collections import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from filmgrid.generator import Generator
from filmgrid.grid.reference import Reference, from_keyframes
from filmgrid.grid.windows import Window
from filmgrid.inputs import Described, Inputs, Source, describe_files, read_images
from filmgrid.long_frames import (
    Checkpoint,
    Finishing,
    Latents,
    Memory,
    Pipelined,
    Stretch,
    runs_beside,
)
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.planning import Plan, frames_there, make_plan, prompt_for, windows_of
from filmgrid.process.noise import branch_seed
from filmgrid.request import GenerateRequest, Task
from filmgrid.sampling.guidance import Wanted, answered
from filmgrid.types import ImageArray
from filmgrid.walking import Frames8, Progress, sigmas_of, start_of

WINDOW_STREAM = 0x57494E
"""Keeps the noise of later windows apart from that of other seeds."""

Asking = abc.Generator[Wanted | Progress | Stretch | Checkpoint, Tensor | None, None]
"""A long generation that is sent the velocities that it wants; see :func:`asking`."""


def stream(
    generator: Generator,
    request: GenerateRequest,
    inputs: Inputs | None = None,
    memory: Memory | None = None,
    seeds: Sequence[int] | None = None,
    pipelined: Pipelined = "auto",
) -> Iterator[Progress | Stretch | Checkpoint]:
    """Make a sequence of ``request.frames`` frames, in memory that does not grow with them.

    What a window knows of the frames before it are their latents, which are never decoded and
    encoded again. Given frames come out bit for bit. A request that fits into one grid makes the
    frames of that grid.

    Source: GriDiT's autoregressive sampling, with exact lengths and one stride per pass; see
    :mod:`filmgrid.grid.windows`.

    Args:
        generator: of the request's model.
        request: what to make; its frames must be set.
        inputs: its pictures, if they are not in the files that it names.
        memory: of an earlier run of the same request, which is gone on with.
        seeds: of several sequences that are made side by side; by default the request's.
        pipelined: whether finished frames are decoded and enlarged beside the next window; the
            frames are the same.

    Yields:
        Every step, frames as soon as all before them are there, and after each window where a
        run can be taken up again.

    Raises:
        ConfigError: if the request cannot be carried out.
        ShapeError: if sizes do not fit.
        MediaError: if a file cannot be read.
    """
    return answered(asking(generator, request, inputs, memory, seeds, pipelined), generator.answer)


def asking(
    generator: Generator,
    request: GenerateRequest,
    inputs: Inputs | None = None,
    memory: Memory | None = None,
    seeds: Sequence[int] | None = None,
    pipelined: Pipelined = "auto",
) -> Asking:
    """What :func:`stream` does, without a call of the backbone: it asks for velocities.

    Args:
        generator: of the request's model.
        request: what to make; its frames must be set.
        inputs: its pictures, if they are not in the files that it names.
        memory: of an earlier run of the same request.
        seeds: of several sequences that are made side by side.
        pipelined: as :func:`stream` takes it.
    """
    described = describe_files(request) if inputs is None else inputs.describe()
    plan = make_plan(request, generator.backbone.facts, described)
    beside = runs_beside(generator, pipelined)
    memory = memory or Memory()
    return _Stream(generator, request, plan, described, inputs, memory, seeds, beside).run()


def window_seed(seed: int, window: int) -> int:
    """Seed of the noise of a window; that of the first is the sequence's own."""
    if window == 0:
        return seed
    return branch_seed(seed, WINDOW_STREAM, window)


Walk = abc.Generator[Wanted | Progress, Tensor | None, Latents]


class _Stream:
    """The state of one long generation."""

    def __init__(
        self,
        generator: Generator,
        request: GenerateRequest,
        plan: Plan,
        described: Described,
        inputs: Inputs | None,
        memory: Memory,
        seeds: Sequence[int] | None,
        beside: bool,
    ) -> None:
        self.generator, self.request, self.plan = generator, request, plan
        self.codec, self.device = generator.codec_of(plan), generator.device
        self.windows_done, self.written = memory.windows, memory.written
        self.latents = {at: value.to(self.device) for at, value in memory.latents.items()}
        self.made = set(memory.pixels)  # frames that were not given out
        self.look = None if memory.look is None else memory.look.to(self.device)
        self.seeds = [request.seed] if seeds is None else list(seeds)
        self.windows = windows_of(request, plan.layout, described)
        self.source = Source(request, plan.cell, inputs)
        images = read_images(request) if inputs is None else inputs
        fitted = Inputs(images.images).fitted(request, plan.task, plan.layout, plan.cell)
        self.images: Mapping[int, ImageArray] = fitted.images
        self.locked = frozenset(request.locked_cells)
        self.num_given = 0
        if plan.task == Task.EXTEND and described.video is not None:
            self.num_given = frames_there(request, described.video) or 0
        enlarge = generator.enlarger(request)
        self.finishing = Finishing(enlarge, self.device, memory.pixels, beside)

    @torch.inference_mode()
    def run(self) -> Asking:
        with closing(self.finishing):
            yield from self._run()

    def _run(self) -> Asking:
        plan, done = self.plan, self.windows_done
        sigmas = sigmas_of(plan, self.request)
        walked = len(sigmas) - 1
        step, total = 0, plan.all_steps(walked)
        windows = iter(self.windows)
        if not done:
            first = next(windows, None)
            yield from self._give_out(before=0 if first is None else first.frames[0])
            windows = chain([] if first is None else [first], windows)
        for index, window in enumerate(windows):
            before, step = step, step + plan.steps_of(index, walked)
            if index < done:
                self._forget_source(window.needed)
                continue
            told = replace(plan, prompt=self._prompt(window), jumps=plan.jumps_of(index))
            seeds = [window_seed(seed, index) for seed in self.seeds]
            known = self._reference(window)
            walk = self.generator.walk(told, sigmas, seeds, known, before, total)
            noisy = yield from self._beside(walk)
            self._remember(window, noisy)
            yield from self._give_out(before=window.needed)
            self._forget(window.needed)
            latents = dict(self.latents)
            self.finishing.mark(Memory(index + 1, self.written, latents, look=self.look))
            yield from self.finishing.done()
        yield from self.finishing.done(wait=True)

    def _beside(
        self, walk: Walk
    ) -> abc.Generator[Wanted | Progress | Stretch | Checkpoint, Tensor | None, Latents]:
        """Walk, and give out what becomes ready meanwhile."""
        sent: Tensor | None = None
        while True:
            try:
                event = walk.send(sent)
            except StopIteration as end:
                return end.value
            yield from self.finishing.done()
            sent = yield event

    def _prompt(self, window: Window) -> str:
        """What is told of a window: the segment that its first new frame belongs to."""
        begins = max(start for start in self.request.segments if start <= window.fresh[0])
        facts, plan = self.generator.backbone.facts, self.plan
        return prompt_for(self.request.segments[begins], facts, plan.layout, plan.wording)

    def _reference(self, window: Window) -> Reference | None:
        """What is known of a window's cells, as latents; of an edit, its source below."""
        self._encode_given(window)
        start = start_of(self.plan, self.request)
        known = {
            cell: self.latents[frame]
            for cell, frame in enumerate(window.frames)
            if frame in self.latents
        }
        first = self.request.anchor
        for cell in range(first):
            if cell in known and window.frames[cell] >= first:
                known[cell] = self.latents[cell]
        if self.plan.task != Task.EDIT:
            return from_keyframes(known, self.plan.layout, start) if known else None
        last = self.plan.num_frames - 1
        frames = np.stack([self.source.frame(min(frame, last)) for frame in window.frames])
        cells = self.codec.encode(self._pixels(frames))
        for cell, latents in known.items():
            cells[:, cell] = latents
        keep = [cell in known for cell in range(len(window.frames))]
        mask = torch.tensor(keep, device=cells.device).expand(len(cells), -1)
        return Reference(cells, mask, start)

    def _encode_given(self, window: Window) -> None:
        """Bring the given frames that a window sees into memory."""
        given = {
            cell: image
            for cell, frame in enumerate(window.frames)
            if frame not in self.latents and (image := self._given(frame)) is not None
        }
        if not given:
            return
        pixels = self._pixels(np.stack(list(given.values())))
        if self.plan.coding == "grid":  # beside what is like them, as a grid of their own
            pictures = {cell: pixels[:, place] for place, cell in enumerate(given)}
            whole = self.codec.encode(from_keyframes(pictures, self.plan.layout).cells)
            coded = whole[:, list(given)]
        else:
            coded = self.codec.encode(pixels)
        for place, cell in enumerate(given):
            self._hold(window.frames[cell], coded[:, place])

    def _given(self, frame: int) -> ImageArray | None:
        """The user's own picture of a frame, if there is one."""
        if frame in self.images:
            return self.images[frame]
        place, rest = divmod(frame, self.request.between + 1)
        if self.request.between and not rest and frame < self.plan.num_frames:
            return self.source.frame(place)
        if frame < self.num_given or (self.plan.task == Task.EDIT and frame in self.locked):
            return self.source.frame(frame)
        return None

    def _pixels(self, frames: UInt8[np.ndarray, "n h w 3"]) -> Float[Tensor, "b n 3 h w"]:
        pixels = pixels_of(frames, self.device)
        return pixels.expand(len(self.seeds), *pixels.shape)

    def _remember(self, window: Window, made: Float[Tensor, "b n c h w"]) -> None:
        """Keep a window's new frames as latents, and have them decoded."""
        fresh = {
            cell: frame
            for cell, frame in enumerate(window.frames)
            if frame in window.fresh and frame not in self.latents
        }
        cells = list(fresh)
        if not cells:
            return
        if self.request.colour_lock:
            made = self._with_first_look(made, cells)
        for cell, frame in fresh.items():
            self._hold(frame, made[:, cell].clone())
        self.made.update(fresh.values())
        whole, new = self.plan.coding == "grid", made[:, cells]

        def decode() -> Frames8:
            return frames_of(self.codec.decode(made)[:, cells] if whole else self.codec.decode(new))

        self.finishing.take(decode, list(fresh.values()))

    def _hold(self, frame: int, latents: Latents) -> None:
        """Keep a frame for the windows to come; of a loop, also where it comes round to it."""
        self.latents[frame] = latents
        if self.request.loop and frame < self.plan.layout.cols:
            self.latents[frame + self.plan.num_frames] = latents

    def _with_first_look(self, made: Tensor, cells: list[int]) -> Tensor:
        """Bring mean and spread of the new cells' channels towards the first window's."""
        new = made[:, cells]
        mean, std = new.mean(dim=(1, 3, 4)), new.std(dim=(1, 3, 4)) + 1e-6
        look = torch.stack([mean, std])[..., None, None]
        if self.look is None:
            self.look = look
            return made
        towards = torch.lerp(look, self.look, self.request.colour_lock)
        changed = (new - look[0][:, None]) / look[1][:, None] * towards[1][:, None]
        made = made.clone()
        made[:, cells] = changed + towards[0][:, None]
        return made

    def _give_out(self, before: int) -> Iterator[Stretch | Checkpoint]:
        """Frames that follow those given out, as far as they are there.

        Given frames are read on the way, and kept if a window may see them: those from ``before``.
        """
        most = self.plan.layout.num_cells
        while True:
            run: list[ImageArray | None] = []
            for frame in range(self.written, min(self.written + most, self.plan.num_frames)):
                given = self._given(frame)
                if given is None and frame not in self.made:
                    break
                run.append(given)
                self.made.discard(frame)
                if frame < self.num_given:
                    self._forget_source(min(before, frame))
            if not run:
                return
            self.finishing.give(self.written, run, len(self.seeds))
            self.written += len(run)
            yield from self.finishing.done()

    def _forget(self, needed: int) -> None:
        first = self.request.anchor
        self.latents = {
            frame: value
            for frame, value in self.latents.items()
            if frame >= needed or frame < first
        }
        self._forget_source(needed)

    def _forget_source(self, needed: int) -> None:
        self.source.forget(needed // (self.request.between + 1))
