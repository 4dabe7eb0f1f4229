"""The engine of a worker: many requests, a step at a time. First come, first served."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmgrid.errors import FilmgridError
from filmgrid.generator import Frames8, Generator, Progress, Result
from filmgrid.inputs import describe_files
from filmgrid.longrun import advance, has_begun
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that waits for its steps.

    Args:
        job: its name.
        request: what to make, its files on this machine.
        deadline: when it should be done, seconds since 1970.
        submitted: when it was asked.
    """

    job: str
    request: GenerateRequest
    deadline: float | None
    submitted: float


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
    """Makes the steps of many requests on one device.

    Args:
        generator_of: gives the generator of a request's model.
        max_batch: sequences that may be computed at once.
    """

    def __init__(
        self, generator_of: Callable[[GenerateRequest], Generator], max_batch: int = 4
    ) -> None:
        self.generator_of = generator_of
        self.max_batch = max_batch
        self._waiting: dict[str, tuple[Submission, Path]] = {}
        self._running: tuple[str, Iterator[Any]] | None = None

    def admit(self, submission: Submission, work: Path) -> None:
        """Take a request on.

        Args:
            submission: the request.
            work: folder for what a long one keeps between its windows.

        Raises:
            FilmgridError: if it cannot be carried out.
        """
        request = submission.request
        generator = self.generator_of(request)
        make_plan(request, generator.backbone.facts, describe_files(request))
        self._waiting[submission.job] = submission, work

    def cancel(self, job: str) -> bool:
        """Drop a request; whether it was there."""
        if self._running is not None and self._running[0] == job:
            self._running = None
            return True
        return self._waiting.pop(job, None) is not None

    @property
    def busy(self) -> bool:
        """Whether there is a step to make."""
        return self._running is not None or bool(self._waiting)

    def step(self) -> list[Event]:
        """Make one step, and tell what came of it; nothing when idle."""
        if self._running is None:
            if not self._waiting:
                return []
            job, (submission, work) = next(iter(self._waiting.items()))
            del self._waiting[job]
            self._running = job, self._begin(submission.request, work)
        job, states = self._running
        try:
            event = next(states, None)
        except (FilmgridError, MemoryError, RuntimeError, ValueError, OSError) as error:
            self._running = None
            return [Failed(job, sentence(error), error)]
        if isinstance(event, Progress):
            return [Advanced(job, event.step, event.num_steps, event.sigma, event.preview)]
        if event is None or isinstance(event, Result):
            self._running = None
            return [Finished(job, event)]
        return []

    def _begin(self, request: GenerateRequest, work: Path) -> Iterator[Any]:
        generator = self.generator_of(request)
        if not request.is_long:
            return generator.generate(request)
        if work.exists() and (request.sampler == "gridit-release" or not has_begun(work)):
            shutil.rmtree(work)
        return advance(generator, request, work)


def sentence(error: Exception) -> str:
    """What a person is told of an error."""
    if isinstance(error, FilmgridError):
        return str(error)
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        return "The memory of the server is full. Use a smaller layout or cell, or best_of 1."
    return "It failed for a reason that is the server's own; its log has the details."
