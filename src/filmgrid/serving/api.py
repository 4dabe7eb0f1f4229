"""The HTTP face of the service: jobs, uploads, models, plans, results."""

import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from filmgrid import __version__
from filmgrid.errors import FilmgridError
from filmgrid.serving import openai, reference
from filmgrid.serving.auth import Guard
from filmgrid.serving.events import UNBUFFERED, EventStream, Watcher, stream
from filmgrid.serving.jobs import ID, PREVIEW, RESULT, THUMB, new_id, size_of
from filmgrid.serving.metrics import Meter, metrics_router
from filmgrid.serving.quota import remove_job, tidy
from filmgrid.serving.receiving import TooLargeError, receive_form
from filmgrid.serving.results import MEDIA_TYPES, SUFFIX, Format, file_stem
from filmgrid.serving.schema import (
    Job,
    JobList,
    JobRequest,
    Limits,
    Model,
    PlanAnswer,
    PlanQuestion,
    Problem,
    Upload,
    upload_of,
)
from filmgrid.serving.service import FullError, Service
from filmgrid.serving.store import ConflictError, JobRecord, State
from filmgrid.serving.uploads import MissingUploadError, UploadRecord

log = logging.getLogger(__name__)
STUDIO = Path(__file__).parent / "studio"
MOST_BODY = 4 * 2**20
"""Bytes of a request that is no upload."""
UPLOADED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "One picture, one clip, or several pictures.",
                        }
                    },
                }
            }
        },
    }
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 422, 429)
}


def make_app(
    service: Service,
    token: str | None = None,
    lifespan: Callable[[], Any] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """The application.

    Args:
        service: what it gives access to.
        token: that every request must bring; none on loopback.
        lifespan: a context that is entered while it serves, such as that of the workers.
        stopping: says whether the server ends, so that listeners are let go.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        if lifespan is None:
            yield
            return
        with lifespan():
            yield

    app = FastAPI(
        title="filmgrid",
        version=__version__,
        summary="Image sequences from image models, as one grid.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        responses=PROBLEMS,
        max_body_size=MOST_BODY,
    )
    app.state.service = service
    app.state.watcher = Watcher(service.store, stopping)
    app.add_middleware(Meter)
    app.add_middleware(Guard, token=token, host=service.config.host)
    for router in (jobs_router, uploads_router, models_router, metrics_router, openai.router):
        app.include_router(router)
    app.include_router(reference.router)
    app.add_exception_handler(FilmgridError, _refuse)
    app.add_exception_handler(KeyError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(Exception, _own_mistake)
    if (STUDIO / "index.html").is_file():
        app.mount("/studio", StaticFiles(directory=STUDIO), name="studio")

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        if (STUDIO / "index.html").is_file():
            return FileResponse(STUDIO / "index.html", headers={"cache-control": "no-cache"})
        return JSONResponse({"filmgrid": __version__, "docs": "/docs"})

    return app


class WebP(Response):
    """A small picture."""

    media_type = "image/webp"


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (MissingUploadError, 404),
    (ConflictError, 409),
    (TooLargeError, 413),
    (FullError, 429),
    (KeyError, 404),
    (FilmgridError, 422),
)


async def _refuse(request: Request, error: Exception) -> Response:
    """One sentence, with the status that fits."""
    headers: Any = None
    if isinstance(error, HTTPException):
        status, text, headers = error.status_code, str(error.detail), error.headers
        if status == 404 and text == "Not Found":
            text = f"There is nothing at {request.url.path[:200]}. See /docs for what there is."
    elif isinstance(error, RequestValidationError):
        status, first = 422, error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        text = f"{place or 'The body'}: {first['msg'].removeprefix('Value error, ')}."
    else:
        status = next(code for kind, code in STATUS if isinstance(error, kind))
        text = str(error)
        if isinstance(error, KeyError):
            text = "There is no job of that name. It may have been deleted."
    text = text.encode("utf-8", "replace").decode()
    if request.url.path.startswith("/v1/"):
        return openai.problem(status, text, headers)
    return JSONResponse({"detail": text}, status, headers=headers)


async def _own_mistake(request: Request, error: Exception) -> Response:
    log.error(f"{request.method} {request.url.path} failed", exc_info=error)
    return JSONResponse({"detail": "The server made a mistake; its log has the details."}, 500)


def the_service(request: Request) -> Service:
    """The service behind a request."""
    return request.app.state.service


def _record(request: Request, job: str) -> JobRecord:
    if ID.fullmatch(job) is None:
        raise KeyError(job)
    return the_service(request).store.get(job)


def _told(request: Request, record: JobRecord) -> Job:
    return the_service(request).tell(record, time.time())


# ---- jobs ------------------------------------------------------------------------------------

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
    return _file(folder / RESULT / THUMB, "image/webp", _KEPT)


@jobs_router.get("/jobs/{job}/frames/{number}.png", response_class=FileResponse)
def frame(request: Request, job: str, number: int) -> FileResponse:
    """One frame of a finished job, without loss."""
    path = the_service(request).result_frame(_record(request, job), number)
    return _file(path, "image/png", _KEPT)


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
    return FileResponse(path, media_type=MEDIA_TYPES[suffix], filename=name, headers=_KEPT)


_KEPT = {"cache-control": "private, max-age=3600"}


def _file(path: Path, kind: str, headers: dict[str, str]) -> FileResponse:
    if not path.is_file():
        raise HTTPException(404, "There is no such picture yet.")
    return FileResponse(path, media_type=kind, headers=headers)


# ---- uploads ---------------------------------------------------------------------------------

uploads_router = APIRouter(prefix="/api", tags=["uploads"])


@uploads_router.post("/uploads", status_code=201, openapi_extra=UPLOADED, max_body_size=2**62)
async def upload(request: Request) -> Upload:
    """Upload a picture, a clip, or several pictures, which become frames."""
    return upload_of(await keep_upload(request))


async def keep_upload(request: Request) -> UploadRecord:
    """Receive the files of a form and keep them as one upload."""
    service, name = the_service(request), new_id()
    part = service.workspace.uploads / f".part-{name}"
    part.mkdir()
    try:
        config = service.config
        form = await receive_form(request, part, config.upload_bytes, config.upload_frames)
        await run_in_threadpool(tidy, config, service.store, service.uploads)
        return await run_in_threadpool(service.uploads.keep, name, part, form.files)
    finally:
        await run_in_threadpool(shutil.rmtree, part, True)


@uploads_router.get("/uploads/{upload}")
def get_upload(request: Request, upload: str) -> Upload:
    """Say what an upload holds."""
    return upload_of(_upload(request, upload))


@uploads_router.delete("/uploads/{upload}", status_code=204)
def delete_upload(request: Request, upload: str) -> None:
    """Delete an upload; jobs keep their own copies."""
    the_service(request).uploads.remove(_upload(request, upload).id)


@uploads_router.get("/uploads/{upload}/thumb", response_class=FileResponse)
def upload_thumb(request: Request, upload: str) -> FileResponse:
    """A small picture of an upload."""
    uploads = the_service(request).uploads
    return _file(uploads.thumb(_upload(request, upload)), "image/webp", _KEPT)


@uploads_router.get("/uploads/{upload}/frames/{number}.png", response_class=FileResponse)
def upload_frame(request: Request, upload: str, number: int) -> FileResponse:
    """One frame of an upload."""
    record = _upload(request, upload)
    if not 0 <= number < record.num_frames:
        raise HTTPException(404, f"{record.name} has {record.num_frames} frames, from 0.")
    return _file(the_service(request).uploads.frame(record, number), "image/png", _KEPT)


def _upload(request: Request, upload: str) -> UploadRecord:
    if ID.fullmatch(upload) is None:
        raise MissingUploadError("There is no upload of that name.")
    return the_service(request).uploads.get(upload)


# ---- models ----------------------------------------------------------------------------------

models_router = APIRouter(prefix="/api", tags=["models"])


@models_router.get("/models")
def models(request: Request) -> list[Model]:
    """The models that are served."""
    return the_service(request).models()


@models_router.post("/plan")
def plan(request: Request, body: PlanQuestion) -> PlanAnswer:
    """Say what a request would take, without making it."""
    return the_service(request).plan(body.request)


@models_router.get("/limits")
def limits(request: Request) -> Limits:
    """What the server takes at most."""
    config = the_service(request).config
    return Limits.model_validate(config, from_attributes=True)
