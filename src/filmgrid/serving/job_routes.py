"""Jobs over HTTP: submitted, watched, stopped, and what they made."""

import time
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from filmgrid.serving.answers import KEPT, WebP, picture, the_service
from filmgrid.serving.events import UNBUFFERED, EventStream, stream
from filmgrid.serving.jobs import ID, PREVIEW, RESULT, THUMB, size_of
from filmgrid.serving.quota import remove_job
from filmgrid.serving.records import JobRecord, State
from filmgrid.serving.results import MEDIA_TYPES, SUFFIX, Format, file_stem
from filmgrid.serving.schema import Job, JobList, JobRequest

jobs_router = APIRouter(prefix="/api", tags=["jobs"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="The same key gives the same job, however often it is sent.",
    ),
]


@jobs_router.post("/jobs", status_code=202)
def submit(request: Request, body: JobRequest, key: Key = None) -> Job:
    """Submit a request."""
    record = the_service(request).submit(
        body.request, key=key, name=body.name, deadline_s=body.deadline_s
    )
    return _told(request, record)


@jobs_router.get("/jobs")
def list_jobs(
    request: Request,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> JobList:
    """List jobs, the newest first."""
    store = the_service(request).store
    now = store.now()
    found = store.listed(state, limit, before)
    more = str(found[-1].number) if len(found) == limit else None
    return JobList(jobs=[_told(request, each) for each in found], next=more, event=now)


@jobs_router.get("/events", response_class=EventStream)
def watch_all(
    request: Request,
    last: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> EventStream:
    """Server-sent events of all jobs: ``state``, ``progress``, ``preview``, ``deleted``."""
    watcher, seen = request.app.state.watcher, _last(last, after)
    return EventStream(stream(watcher, lambda each: _told(request, each), seen), headers=UNBUFFERED)


@jobs_router.get("/jobs/{job}")
def get_job(request: Request, job: str) -> Job:
    """Say how a job stands."""
    return _told(request, _record(request, job))


@jobs_router.get("/jobs/{job}/events", response_class=EventStream)
def watch_job(
    request: Request,
    job: str,
    last: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> Response:
    """Server-sent events of one job, until it ends."""
    record, seen = _record(request, job), _last(last, after)
    if seen is not None and not record.is_open and record.changed <= seen:
        return Response(status_code=204)  # tells a browser not to come again
    watcher = request.app.state.watcher
    return EventStream(
        stream(watcher, lambda each: _told(request, each), seen, job), headers=UNBUFFERED
    )


def _last(header: str | None, after: int | None) -> int | None:
    if header is not None and header.isascii() and header.isdigit() and len(header) < 19:
        return int(header)
    return after


@jobs_router.post("/jobs/{job}/cancel")
def cancel(request: Request, job: str) -> Job:
    """Stop a job: at once if it waits, else before its next step."""
    return _told(request, the_service(request).store.cancel(_record(request, job).id))


@jobs_router.post("/jobs/{job}/retry")
def retry(request: Request, job: str) -> Job:
    """Queue a job again that failed or was cancelled."""
    return _told(request, the_service(request).store.retry(_record(request, job).id))


@jobs_router.post("/jobs/{job}/pin")
def pin(request: Request, job: str) -> Job:
    """Keep a job when space is short."""
    return _told(request, the_service(request).store.pin(_record(request, job).id, pinned=True))


@jobs_router.post("/jobs/{job}/unpin")
def unpin(request: Request, job: str) -> Job:
    """Let a job go when space is short."""
    return _told(request, the_service(request).store.pin(_record(request, job).id, pinned=False))


@jobs_router.delete("/jobs/{job}", status_code=204)
def delete_job(request: Request, job: str) -> None:
    """Delete a job that has ended, and all that it left."""
    service = the_service(request)
    remove_job(service.store, service.workspace, _record(request, job).id)


@jobs_router.get("/jobs/{job}/preview", response_class=WebP)
def preview(request: Request, job: str) -> WebP:
    """The latest look at a job, as one small picture of its grid."""
    record = _record(request, job)
    path = the_service(request).workspace.job(job) / PREVIEW
    headers = {"x-step": str(record.preview or 0), "cache-control": "no-store"}
    try:
        content = path.read_bytes()  # at once, for its worker puts the next one in its place
    except FileNotFoundError as error:
        raise HTTPException(404, "There is no such picture yet.") from error
    return WebP(content, headers=headers)


@jobs_router.get("/jobs/{job}/thumb", response_class=FileResponse)
def thumb(request: Request, job: str) -> FileResponse:
    """A small picture of a finished job."""
    folder = the_service(request).workspace.job(_record(request, job).id)
    return picture(folder / RESULT / THUMB, "image/webp", KEPT)


@jobs_router.get("/jobs/{job}/frames/{number}.png", response_class=FileResponse)
def frame(request: Request, job: str, number: int) -> FileResponse:
    """One frame of a finished job, without loss."""
    path = the_service(request).result_frame(_record(request, job), number)
    return picture(path, "image/png", KEPT)


@jobs_router.get("/jobs/{job}/export/{kind}", response_class=FileResponse)
def export(
    request: Request,
    job: str,
    kind: Format,
    scale: Annotated[int, Query(ge=1, le=16)] = 1,
    fps: Annotated[float | None, Query(ge=0.01, le=1000, allow_inf_nan=False)] = None,
) -> FileResponse:
    """A finished job in some format; parts of it by the header ``Range``."""
    service, record = the_service(request), _record(request, job)
    if record.state != "done":
        raise HTTPException(404, f"Job {job} has no result: it is {record.state}.")
    folder = service.workspace.job(job)
    path = service.exports.make(folder, record, kind, scale, fps)
    service.store.weigh(job, size_of(folder))
    suffix = SUFFIX[kind]
    name = f"{file_stem(record)}-{job[:6]}.{suffix}"
    return FileResponse(path, media_type=MEDIA_TYPES[suffix], filename=name, headers=KEPT)


def _record(request: Request, job: str) -> JobRecord:
    if ID.fullmatch(job) is None:
        raise KeyError(job)
    return the_service(request).store.get(job)


def _told(request: Request, record: JobRecord) -> Job:
    return the_service(request).tell(record, time.time())
