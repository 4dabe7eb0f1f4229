"""A job as the store keeps it, and the states that it goes through.

::

    queued ── claimed, first step ──> running ──> done | failed
      ^ └──── cancelled ────────────────┘ │
      └────── its worker died ────────────┘
"""

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

from filmgrid.errors import ConfigError

State = Literal["queued", "running", "done", "failed", "cancelled"]
OPEN = ("queued", "running")


class ConflictError(ConfigError):
    """What is asked of a job does not fit the state it is in."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the store keeps it.

    Args:
        number: order of submission.
        id: random.
        key: under which it was submitted, and is again.
        name: for people.
        state: where it is.
        request: as asked, JSON, with ``upload:`` and ``job:`` in place of files.
        resolved: the same with every choice made.
        layout: of its grids.
        height: of a finished frame in pixels.
        width: of a finished frame in pixels.
        num_frames: length of the sequence.
        fps: frames per second.
        created: when it was submitted; times are seconds since 1970.
        deadline: when it should be done.
        started: when its first step was made.
        finished: when it ended.
        step: steps done.
        num_steps: in all.
        reached: most steps that were ever done.
        sigma: noise level reached.
        eta: when it is expected to be done.
        preview: step of the latest preview.
        error: why it failed, one sentence.
        pinned: whether it stays when space is short.
        bytes: of its folder.
        attempt: times that a worker took it.
        crashes: times that a worker died while making it, since it last got on.
        worker: who has it.
        cancel: whether its worker is to drop it.
        changed: number of the last change of its state.
        moved: number of its last step.
        shown: number of its last preview.
    """

    number: int
    id: str
    key: str | None
    name: str | None
    state: State
    request: str
    resolved: str | None
    layout: str
    height: int
    width: int
    num_frames: int
    fps: float
    created: float
    deadline: float | None
    started: float | None
    finished: float | None
    step: int
    num_steps: int
    reached: int
    sigma: float | None
    eta: float | None
    preview: int | None
    error: str | None
    pinned: int
    bytes: int
    attempt: int
    crashes: int
    worker: str | None
    cancel: int
    changed: int
    moved: int
    shown: int

    @property
    def is_open(self) -> bool:
        """Whether there is something left to make."""
        return self.state in OPEN


COLUMNS = ", ".join(field.name for field in fields(JobRecord))


@dataclass(frozen=True, slots=True)
class Draft:
    """A job to submit; fields as those of :class:`JobRecord`."""

    id: str
    request: dict[str, Any]
    layout: str
    height: int
    width: int
    num_frames: int
    fps: float
    num_steps: int
    key: str | None = None
    name: str | None = None
    deadline_s: float | None = None
    bytes: int = 0


def same_request(record: JobRecord, request: dict[str, Any]) -> JobRecord:
    """The job of a key, if it was asked with the same request.

    Raises:
        ConflictError: if it was another.
    """
    if json.loads(record.request) != json.loads(json.dumps(request)):
        raise ConflictError(
            f"The key {record.key!r} belongs to job {record.id}, which has another request. Use a "
            "key of its own for each request."
        )
    return record
