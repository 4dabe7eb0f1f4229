"""The engine of a worker: steps are its unit, not requests.

Every request runs until it wants the velocity of a step. The policy says which of those that wait
go on now; the engine answers them in one pass of the backbone, whatever prompt, noise level,
guidance, seed and reference each has. So requests of one shape join and leave a pass between any
two steps, and a long one gives way to a short one at its next step.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from filmgrid.costs import USABLE, flops_of_pass, work_of_pass
from filmgrid.errors import FilmgridError
from filmgrid.generator import Generator
from filmgrid.models.published.build import free_memory
from filmgrid.models.sketch import sketch_model
from filmgrid.pipeline import Pipeline
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.sampling.guidance import velocities
from filmgrid.serving.policies import Policy, Situation, by_deadline
from filmgrid.serving.running import Running, Submission, Turn, ran_out, too_large
from filmgrid.serving.step_costs import LEAST, CostModel
from filmgrid.speed import EFFICIENCY, matrix_peak, synchronize
from filmgrid.walking import Frames8

__all__ = ["Advanced", "Engine", "Event", "Failed", "Finished", "Submission", "sentence"]

WAIT = 0.05
"""Seconds that a call of :meth:`Engine.step` waits for the pipeline where there is no step."""
AHEAD = 2
"""Requests that are in the pipeline before no further one is begun there."""


@dataclass(frozen=True, slots=True, eq=False)
class Advanced:
    """A step was made; ``preview`` gives what it would become, and costs a decode."""

    job: str
    step: int
    num_steps: int
    sigma: float
    preview: Callable[[], Frames8]


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A job is made; of a long one ``result`` is None and its frames lie in ``work/frames``."""

    job: str
    result: Result | None


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """A job cannot be made."""

    job: str
    message: str
    error: Exception


Event = Advanced | Finished | Failed


class Engine:
    """Makes the steps of many requests on one device. All its methods belong to one thread.

    Args:
        generator_of: gives the generator of a request's model.
        policy: who goes next.
        max_batch: sequences in a pass at most.
        memory: bytes for the work of a pass beside the weights; by default what is free on the
            device when the first request of a shape comes, less a margin.
        costs: what steps cost; it learns from every step.
        pipeline: for what is done beside the denoising; by default nothing is.
        write: called with every job and its result before that is told, in the pipeline.
        clock: gives seconds on the clock of the submissions.
        timer: gives seconds to time steps by.
    """

    def __init__(
        self,
        generator_of: Callable[[GenerateRequest], Generator],
        policy: Policy = by_deadline,
        max_batch: int = 4,
        *,
        memory: int | None = None,
        costs: CostModel | None = None,
        pipeline: Pipeline | None = None,
        write: Callable[[str, Result], Any] | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.generator_of, self.policy, self.max_batch = generator_of, policy, max_batch
        self.memory, self.clock, self.timer, self.write = memory, clock, timer, write
        self.costs = costs or CostModel()
        self.pipeline = pipeline or Pipeline()
        self._jobs: dict[str, Running] = {}
        self._most: dict[str, int] = {}
        self._peaks: dict[tuple[str, torch.dtype], float] = {}
        self._aside: dict[str, Running] = {}  # in the pipeline, by the name of their piece
        self._pieces = 0
        self._since: float | None = None
        """When the last step ended, if the next one followed at once: what lies between two steps,
        such as a preview that is shown, is part of what a step costs."""

    def admit(self, submission: Submission, work: Path) -> None:
        """Take a request on.

        Args:
            submission: the request.
            work: folder of this job; a long one keeps its windows there, and goes on from them.

        Raises:
            FilmgridError: if it cannot be carried out, or a pass of it does not fit into memory.
        """
        generator = self.generator_of(submission.request)
        running = Running(submission, generator, work, self.max_batch)
        if running.shape not in self._most:
            self._most[running.shape] = self._fitting(running)
        most = self._most[running.shape]
        if running.rows > most:
            running = Running(submission, generator, work, most)
        self.cancel(submission.job)
        self._jobs[submission.job] = running

    def cancel(self, job: str) -> bool:
        """Drop a job, between two steps; whether it was there."""
        running = self._jobs.pop(job, None)
        if running is None:
            return False
        running.close()
        return True

    @property
    def busy(self) -> bool:
        """Whether there is a step to make, or something to wait for."""
        return bool(self._jobs)

    @property
    def longest_step(self) -> float:
        """Seconds of the longest step that may come next, with what follows the last of a job."""
        longest = 0.0
        for running in self._jobs.values():
            if running.generator.backbone.facts.is_pretrained:  # minutes, where there is no GPU
                self._foresee(running)
            if self.costs.knows(running.shape):
                step = self.costs.step(running.shape, self._most[running.shape])
                longest = max(longest, step + self.costs.ending(running.shape))
        return longest

    def seconds_left(self, job: str, per_step: float | None = None) -> float | None:
        """What a job still takes, if it is there.

        Args:
            job: which.
            per_step: seconds between its steps, beside those of others; by default what one costs
                if nothing else is made.
        """
        running = self._jobs.get(job)
        if running is None:
            return None
        if per_step is None:
            if not self.costs.knows(running.shape):
                return None
            per_step = self.costs.step(running.shape, running.rows)
        return (running.num_steps - running.made) * per_step + self.costs.ending(running.shape)

    def step(self) -> list[Event]:
        """Make one step of what the policy chooses, and tell what came of it; [] when idle."""
        events = self._stepped()
        self._since = self.timer() if self.busy else None
        return events

    def _stepped(self) -> list[Event]:
        events = self._collected()
        while chosen := self._chosen(begun=self.pipeline.pending >= AHEAD):
            beginning = [running for running in chosen if not running.begun]
            if not beginning:
                return events + self._answer(chosen)
            for running in beginning:
                events += self._turn(running, None)
        if not events and self.pipeline.pending:
            events = self._collected(WAIT)
        return events

    def close(self) -> None:
        """Drop all jobs, and end the threads of the pipeline."""
        for job in list(self._jobs):
            self.cancel(job)
        self.pipeline.close()

    def _chosen(self, begun: bool) -> list[Running]:
        """Who makes the next step; of those that have begun, if no other may."""
        ready = [
            running
            for running in self._jobs.values()
            if not running.elsewhere and (running.begun or not begun)
        ]
        for running in ready:
            if running.amid or len(ready) == 1:
                return [running]
            self._foresee(running)
        works = [running.work(self._most[running.shape]) for running in ready]
        if not works:
            return []
        steps = self.policy(Situation(self.clock(), works, (0,), self.costs))
        chosen = [self._jobs[job] for step in steps[:1] for job in step.jobs]
        return [each for each in chosen if each.generator is chosen[0].generator]

    def _answer(self, chosen: list[Running]) -> list[Event]:
        """Make one pass for all of them; where it fails, for each of them alone."""
        first = chosen[0]
        if first.by_itself:
            first.last = self.clock()
            return self._turn(first, None)
        generator, wanted = first.generator, [each.wanted for each in chosen]
        begun = self.timer() if self._since is None else self._since
        try:
            with torch.inference_mode():
                made = velocities(generator.backbone, [w for w in wanted if w], generator.dtype)
            synchronize(generator.device)
        except Exception as error:
            if ran_out(error) and generator.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(chosen) == 1:
                return [self._failed(first, error)]
            if ran_out(error):
                self._most[first.shape] = max(1, sum(each.rows for each in chosen) // 2)
            return [event for each in chosen for event in self._answer([each])]
        rows = sum(each.rows for each in chosen)
        self.costs.observe(first.shape, rows, 1, self.timer() - begun)
        now = self.clock()
        events: list[Event] = []
        for running, velocity in zip(chosen, made, strict=True):
            running.last = now
            events += self._turn(running, velocity)
        return events

    def _turn(self, running: Running, velocity: Tensor | None) -> list[Event]:
        """Let a request go on; in the pipeline, where that takes more than a step's arithmetic."""
        if not (self.pipeline.overlaps and running.may_overlap and running.turns_heavily):
            return self._turned(running, self._try(running, velocity))
        self._pieces += 1
        piece = f"{self._pieces} {running.job}"
        running.elsewhere, self._aside[piece] = True, running
        self.pipeline.put(piece, lambda: self._try(running, velocity))
        return []

    def _try(self, running: Running, velocity: Tensor | None) -> Turn | Exception:
        begun = self.timer()
        try:
            turn = running.turn(velocity)
            if turn.ended and self.write is not None and turn.result is not None:
                self.write(running.job, turn.result)
        except Exception as error:
            return error
        if turn.ended:
            self.costs.observe_ending(running.shape, self.timer() - begun)
        return turn

    def _collected(self, wait: float = 0.0) -> list[Event]:
        """What the pipeline has done."""
        events: list[Event] = []
        for done in self.pipeline.done(wait):
            running = self._aside.pop(done.name)
            running.elsewhere = False
            if self._jobs.get(running.job) is not running:  # cancelled meanwhile
                running.close()
                continue
            events += self._turned(running, done.result)
        return events

    def _turned(self, running: Running, turn: Turn | Exception) -> list[Event]:
        if isinstance(turn, Exception):
            return [self._failed(running, turn)]
        events: list[Event] = []
        if (made := turn.progress) is not None:
            told = made.step, made.num_steps, made.sigma, made.preview
            events.append(Advanced(running.job, *told))
        if turn.ended:
            del self._jobs[running.job]
            events.append(Finished(running.job, turn.result))
        return events

    def _failed(self, running: Running, error: Exception) -> Failed:
        self._jobs.pop(running.job, None)
        running.close()
        return Failed(running.job, sentence(error), error)

    def _foresee(self, running: Running) -> None:
        """Predict what a step costs, of a shape that never made one."""
        plan, shape = running.plan, running.shape
        if self.costs.knows(shape):
            return
        sketch = sketch_model(running.submission.request.model)
        flops = flops_of_pass(sketch, plan.layout, plan.cell) * (2 if plan.two_passes else 1)
        self.costs.expect(shape, max(LEAST, flops / self._peak(running.generator)))

    def _fitting(self, running: Running) -> int:
        """Sequences of a shape that fit into a pass."""
        plan, there = running.plan, self.memory
        if there is None:
            free = free_memory(running.generator.device)
            there = None if free is None else int(free * USABLE)
        if there is None:
            return self.max_batch
        sketch = sketch_model(running.submission.request.model)
        needed = work_of_pass(sketch, plan.layout, plan.cell, 2 if plan.two_passes else 1)
        if needed > there:
            raise too_large(plan, needed, there)
        return max(1, min(self.max_batch, there // needed))

    def _peak(self, generator: Generator) -> float:
        """Operations per second that a pass is thought to reach."""
        key = str(generator.device), generator.dtype
        if key not in self._peaks:
            peak = matrix_peak(generator.device, generator.dtype)
            self._peaks[key] = peak * EFFICIENCY[generator.dtype]
        return self._peaks[key]


def sentence(error: Exception) -> str:
    """What a person is told of an error."""
    if isinstance(error, FilmgridError):
        return str(error)
    if ran_out(error):
        return "The memory of the server is full. Use a smaller layout or cell, or best_of 1."
    return "It failed for a reason that is the server's own; its log has the details."
