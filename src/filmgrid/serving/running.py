"""A request on its way: what it asks the backbone for, and how far it is."""

from collections.abc import Generator as Asking
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.inputs import describe_files
from filmgrid.longrun import asking_long
from filmgrid.planning import Plan, make_plan
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.sampling.guidance import Wanted
from filmgrid.serving.policies import Work
from filmgrid.serving.step_costs import shape_of
from filmgrid.walking import Progress, sigmas_of


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that waits for its steps.

    Args:
        job: its name.
        request: what to make, its files on this machine.
        deadline: when it should be done, seconds since 1970; None says nothing.
        submitted: when it was asked, on the same clock.
    """

    job: str
    request: GenerateRequest
    deadline: float | None
    submitted: float


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What a request did until it wanted a velocity, or to its end.

    Args:
        progress: the step that was made, if one was.
        ended: whether nothing more will come.
        result: what it made, if it is not a long one.
    """

    progress: Progress | None
    ended: bool
    result: Result | None


class Running:
    """A request that was admitted.

    Args:
        submission: the request.
        generator: of its model.
        folder: for what a long one keeps.
        max_batch: sequences in a pass at most.
    """

    def __init__(
        self, submission: Submission, generator: Generator, folder: Path, max_batch: int
    ) -> None:
        request = submission.request
        self.submission, self.generator, self.folder = submission, generator, folder
        self.plan = make_plan(request, generator.backbone.facts, describe_files(request))
        self.job, self.shape = submission.job, shape_here(generator, self.plan)
        # GriDiT's release makes its own calls of the backbone, a pass after the other.
        self.by_itself = request.is_long and request.sampler == "gridit-release"
        self.batch = min(request.batch, max_batch)
        self.most_rows = 1 if request.is_long else min(self.batch, request.best_of)
        self.walked = len(sigmas_of(self.plan, request)) - 1
        chunks = 1 if request.is_long else -(-request.best_of // self.batch)
        self.num_steps = max(1, self.plan.all_steps(self.walked) * chunks)
        if self.by_itself:
            self.num_steps = self.plan.num_steps * self.plan.windows
        self.made = 0
        self.wanted: Wanted | None = None
        self.begun = False
        self.last: float | None = None
        self.elsewhere = False
        """Whether it is in the pipeline, where nothing else may touch it."""
        self._asking: Asking[Any, Any, Any] | None = None

    @property
    def rows(self) -> int:
        """Sequences in its next pass; the last ones of a best-of may be fewer."""
        return self.most_rows if self.wanted is None else len(self.wanted.noisy)

    @property
    def may_share(self) -> bool:
        """Whether its passes may hold others: not if it remembers what its steps were like."""
        return not self.by_itself and self.generator.loading.step_cache is None

    @property
    def may_overlap(self) -> bool:
        """Whether what is done beside its steps may be done beside those of others."""
        loading = self.generator.loading
        return loading.step_cache is None and loading.offload == "none"

    @property
    def amid(self) -> bool:
        """Whether it is within a grid and must not be interrupted."""
        remembers = self.generator.loading.step_cache is not None
        return remembers and self.wanted is not None and self._in_grid[0] > 0

    @property
    def turns_heavily(self) -> bool:
        """Whether its next turn is more than a step's arithmetic: reading, coding, enlarging."""
        made, steps = self._in_grid
        return not self.begun or made + 1 == steps

    @property
    def _in_grid(self) -> tuple[int, int]:
        """Steps made of the grid that it is at, and those that it takes."""
        first, later = (self.plan.steps_of(window, self.walked) for window in (0, 1))
        if not self.submission.request.is_long:
            later = first
        if self.made < first:
            return self.made, first
        return (self.made - first) % max(1, later), later

    def work(self, most: int) -> Work:
        """What a policy sees of it."""
        return Work(
            self.job,
            self.shape,
            max(1, self.num_steps - self.made),
            self.num_steps,
            self.submission.submitted,
            self.submission.deadline,
            self.rows,
            max(self.rows, most) if self.may_share else self.rows,
            0 if self.begun else None,
            last=self.last,
        )

    def turn(self, velocity: Tensor | None) -> Turn:
        """Go on until it wants a velocity, or to its end.

        Args:
            velocity: what it wanted; None to begin.
        """
        if self._asking is None:
            self._asking = self._begin()
        self.begun, self.wanted = True, None
        progress: Progress | None = None
        result: Result | None = None
        while True:
            try:
                event = self._asking.send(velocity)
            except StopIteration:
                return Turn(progress, True, result)
            velocity = None
            if isinstance(event, Wanted):
                self.wanted = event
                return Turn(progress, False, None)
            if isinstance(event, Progress):
                progress = event
                self.made, self.num_steps = event.step, event.num_steps
                if self.by_itself:
                    return Turn(progress, False, None)
            else:
                result = event

    def close(self) -> None:
        """Drop all that it holds."""
        if self._asking is not None and not self.elsewhere:
            self._asking.close()
        self.wanted = None

    def _begin(self) -> Asking[Any, Any, Any]:
        request = self.submission.request
        if request.is_long:
            return asking_long(self.generator, request, self.folder)
        return self.generator.asking(request, batch=self.batch)


def shape_here(generator: Generator, plan: Plan) -> str:
    """The shape of a request on the device of a generator."""
    dtype = str(generator.dtype).removeprefix("torch.")
    return shape_of(generator.name, generator.device.type, dtype, generator.loading, plan)


def too_large(plan: Plan, needed: int, there: int) -> ConfigError:
    """A pass of one sequence that does not fit."""
    return ConfigError(
        f"A pass of a {plan.layout} grid of {plan.cell} px cells takes {needed / 2**30:.1f} GiB, "
        f"and {there / 2**30:.1f} GiB are there for it. Use a smaller layout or cell."
    )


def ran_out(error: Exception) -> bool:
    """Whether memory was what was missing."""
    text = str(error).lower()
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or "out of memory" in text or "can't allocate" in text
