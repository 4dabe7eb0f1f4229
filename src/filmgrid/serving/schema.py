"""What goes over the wire: the shapes of answers and questions."""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from filmgrid.serving.records import JobRecord, State
from filmgrid.serving.uploads import UploadRecord


class Job(BaseModel):
    """A job: what was asked, where it is, what it gives. Times are seconds since 1970."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    name: str | None
    state: State
    request: dict[str, Any]
    """As asked."""
    resolved: dict[str, Any] | None
    """With every choice made, once it is done."""
    created: float
    started: float | None
    finished: float | None
    step: int
    """Steps done."""
    num_steps: int
    eta_s: float | None
    """Seconds until it is done, where that can be said."""
    position: int | None
    """Jobs before it, while it waits."""
    error: str | None
    num_frames: int
    layout: str
    cell: tuple[int, int]
    """Height and width of a finished frame in pixels."""
    fps: float
    pinned: bool
    bytes: int
    attempt: int
    """Times that a worker took it."""


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next: str | None
    """Ask with ``before`` set to it for older ones."""
    event: int
    """Events after it are news: listen with ``after`` set to it."""


class JobRequest(BaseModel):
    """A job to submit."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    request: dict[str, Any]
    """Fields of a request as ``filmgrid generate`` has them. ``image``, ``video`` and ``keyframe``
    name ``upload:ID``, ``job:ID`` or ``job:ID/FRAME``."""
    deadline_s: float | None = Field(default=None, gt=0, le=1e7, allow_inf_nan=False)
    """Seconds from now in which it should be done."""
    name: str | None = Field(default=None, max_length=200)
    """For people."""


class PlanQuestion(BaseModel):
    """A request whose cost is asked."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    request: dict[str, Any]
    """As that of a job."""


class PlanAnswer(BaseModel):
    """What a request comes to."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    task: str
    layout: str
    cell: tuple[int, int]
    prompt: str
    """As the model reads it."""
    frames: int
    windows: int
    """Grids that it is made of."""
    tokens: int
    passes: int
    """Calls of the network."""
    memory_bytes: int
    seconds: float
    """On this machine, besides waiting."""
    notes: list[str]
    """What a person should know, one sentence each."""


class Upload(BaseModel):
    """An upload: a picture, or a clip of frames."""

    id: str
    name: str
    kind: Literal["image", "clip"]
    num_frames: int
    height: int
    width: int
    fps: float | None
    layout: str | None


class Model(BaseModel):
    """A model that is served."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    loaded: bool
    layouts: list[str]
    """Trained ones."""
    default_layout: str
    cell: tuple[int, int]
    stride: int
    """Sides of cells are multiples of it."""
    steps: int
    guidance: float
    guidance_kind: str
    fps: float
    upscale: list[int]
    max_frames: int
    licence: str
    task_defaults: dict[str, float]
    """Noise level that each task starts from."""


class Limits(BaseModel):
    """What the server takes at most."""

    upload_bytes: int
    upload_pixels: int
    upload_frames: int
    max_frames: int
    max_pixels: int
    max_steps: int
    max_sequences: int


class Problem(BaseModel):
    """Why something was refused, one sentence."""

    detail: str


def job_of(record: JobRecord, position: int | None, now: float) -> Job:
    """A job as it is told."""
    eta = None if record.eta is None else max(0.0, record.eta - now)
    return Job(
        id=record.id,
        name=record.name,
        state=record.state,
        request=json.loads(record.request),
        resolved=None if record.resolved is None else json.loads(record.resolved),
        created=record.created,
        started=record.started,
        finished=record.finished,
        step=record.step,
        num_steps=record.num_steps,
        eta_s=eta,
        position=position,
        error=record.error,
        num_frames=record.num_frames,
        layout=record.layout,
        cell=(record.height, record.width),
        fps=record.fps,
        pinned=bool(record.pinned),
        bytes=record.bytes,
        attempt=record.attempt,
    )


def upload_of(record: UploadRecord) -> Upload:
    """An upload as it is told."""
    return Upload.model_validate(record, from_attributes=True)
