"""A door for programs that speak OpenAI's API of images and videos."""

import base64
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import CellSize
from filmgrid.serving.jobs import RESULT, THUMB, frames_of, new_id
from filmgrid.serving.quota import remove_job
from filmgrid.serving.receiving import receive_form
from filmgrid.serving.records import JobRecord, State
from filmgrid.serving.service import Service
from filmgrid.settings import explain

router = APIRouter(prefix="/v1", tags=["openai"])
KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
STATUS: dict[State, str] = {
    "queued": "queued",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as clients of that API read it."""
    status = 400 if status == 422 else status
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    told = {"message": text, "type": kind, "param": None, "code": None}
    return JSONResponse({"error": told}, status, headers=headers)


class ImageRequest(BaseModel):
    """Pictures to make. Fields of OpenAI's that mean nothing here are passed over."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    prompt: str = Field(max_length=10_000)
    model: str | None = None
    n: int = Field(default=1, ge=1, le=10)
    size: str | None = Field(default=None, max_length=20)
    """WIDTHxHEIGHT, or auto."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """Not OpenAI's: repeats a picture."""


class VideoRequest(BaseModel):
    """A video to make. Fields of OpenAI's that mean nothing here are passed over."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    prompt: str = Field(max_length=10_000)
    model: str | None = None
    seconds: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    """Length; by default one grid of the model."""
    size: str | None = Field(default=None, max_length=20)
    """WIDTHxHEIGHT of a frame, or auto."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """Not OpenAI's: repeats a video."""


class Video(BaseModel):
    """A video as that API tells of it."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: str
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None = None
    prompt: str
    seconds: str
    size: str
    remixed_from_video_id: str | None = None
    error: dict[str, str] | None


@router.get("/models")
def models(request: Request) -> dict[str, Any]:
    """The models that are served."""
    service = _service(request)
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "filmgrid"}
        for name in service.facts
    ]
    return {"object": "list", "data": data}


@router.post("/images/generations")
async def images(request: Request, body: ImageRequest) -> dict[str, Any]:
    """Make pictures and wait for them; they come as base64 PNG."""
    service = _service(request)
    jobs: list[str] = []
    for number in range(body.n):
        asked = {**_common(body), "layout": "1x1", "seed": body.seed + number}
        record = await run_in_threadpool(service.submit, asked)
        jobs.append(record.id)
    records = [await _ended(request, job) for job in jobs]
    for record in records:
        if record.state != "done":
            raise HTTPException(500, record.error or f"The picture was {record.state}.")
    data = []
    for record in records:
        path = frames_of(service.workspace.job(record.id)) / "00000.png"
        picture = await run_in_threadpool(path.read_bytes)
        data.append({"b64_json": base64.b64encode(picture).decode("ascii")})
    return {"created": int(records[0].created), "output_format": "png", "data": data}


async def _ended(request: Request, job: str) -> JobRecord:
    """A job, once it has ended; one that nobody waits for any more is stopped."""
    store = _service(request).store
    ended = False
    try:
        async for _ in request.app.state.watcher.listen():
            record = store.get(job)
            if not record.is_open:
                ended = True
                return record
            if await request.is_disconnected():
                break
        raise HTTPException(503, "The server stops. Ask again later.")
    finally:
        if not ended:
            store.cancel(job)


@router.post(
    "/videos",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": VideoRequest.model_json_schema()}},
        }
    },
    max_body_size=2**62,
)
async def make_video(request: Request) -> Video:
    """Submit a video: JSON, or a form, in which ``input_reference`` may be its first frame."""
    service = _service(request)
    asked = await _asked(request, service)
    record = await run_in_threadpool(service.submit, asked)
    return _video(service, record)


async def _asked(request: Request, service: Service) -> dict[str, Any]:
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > 2**20:
            raise HTTPException(413, "A request of more than 1 MB is none.")
        try:
            return _video_words(service, json.loads(await request.body()))
        except (ValueError, RecursionError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError("The body is no JSON.") from error
    part = service.workspace.uploads / f".part-{new_id()}"
    part.mkdir()
    try:
        form = await receive_form(request, part, service.config.upload_bytes, 1)
        asked = _video_words(service, form.fields)
        if form.files:
            upload = await run_in_threadpool(service.uploads.keep, new_id(), part, form.files)
            asked |= {"image": f"upload:{upload.id}", "fit": "crop"}
        return asked
    finally:
        await run_in_threadpool(shutil.rmtree, part, True)


def _video_words(service: Service, told: Any) -> dict[str, Any]:
    try:
        body = VideoRequest.model_validate(told)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error
    asked = {**_common(body), "seed": body.seed}
    facts = service.facts.get(asked.get("model", service.config.model[0]))
    if body.seconds is not None and facts is not None:
        frames = max(1, round(body.seconds * facts.fps))
        if frames != facts.default_layout.num_cells:
            asked["frames"] = frames
    return asked


def _common(body: ImageRequest | VideoRequest) -> dict[str, Any]:
    asked: dict[str, Any] = {"prompt": body.prompt}
    if body.model is not None:
        asked["model"] = body.model
    if body.size not in (None, "", "auto"):
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(body.size))
        if found is None:
            raise ConfigError(f"size {body.size!r} is none. Write WIDTHxHEIGHT, or auto.")
        asked["cell"] = str(CellSize(int(found[2]), int(found[1])))
    return asked


@router.get("/videos")
def list_videos(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """List videos, the newest first."""
    service = _service(request)
    before = None if after is None else _found(service, after).number
    records = service.store.listed(limit=limit + 1, before=before)
    data = [_video(service, each).model_dump() for each in records[:limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(records) > limit,
    }


@router.get("/videos/{video}")
def get_video(request: Request, video: str) -> Video:
    """Say how a video stands."""
    service = _service(request)
    return _video(service, _found(service, video))


@router.get("/videos/{video}/content", response_class=FileResponse)
def content(
    request: Request, video: str, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
) -> FileResponse:
    """A finished video as mp4, its thumbnail, or its grid."""
    service = _service(request)
    record = _found(service, video)
    if record.state != "done":
        raise HTTPException(404, f"The video is not there: it is {STATUS[record.state]}.")
    folder = service.workspace.job(record.id)
    if variant == "thumbnail":
        return FileResponse(folder / RESULT / THUMB, media_type="image/webp")
    kind: Literal["mp4", "png"] = "mp4" if variant == "video" else "png"
    path: Path = service.exports.make(folder, record, kind, 1, None)
    return FileResponse(path, media_type="video/mp4" if kind == "mp4" else "image/png")


@router.delete("/videos/{video}")
def delete_video(request: Request, video: str) -> dict[str, Any]:
    """Delete a video, stopping it first if it waits."""
    service = _service(request)
    record = _found(service, video)
    if record.state == "queued":
        service.store.cancel(record.id)
    remove_job(service.store, service.workspace, record.id)
    return {"id": video, "object": "video.deleted", "deleted": True}


def _service(request: Request) -> Service:
    return request.app.state.service


def _found(service: Service, video: str) -> JobRecord:
    found = re.fullmatch(r"video_([0-9a-f]{16})", video)
    record = found and service.store.find(found[1])
    if not record:
        raise HTTPException(404, "There is no video of that name. It may have been deleted.")
    return record


def _video(service: Service, record: JobRecord) -> Video:
    asked = json.loads(record.request)
    failed = STATUS[record.state] == "failed"
    message = record.error or "It was cancelled."
    return Video(
        id=f"video_{record.id}",
        model=asked.get("model", "mini"),
        status=STATUS[record.state],
        progress=round(100 * record.step / max(1, record.num_steps)),
        created_at=int(record.created),
        completed_at=None if record.finished is None else int(record.finished),
        prompt=asked.get("prompt", ""),
        seconds=f"{record.num_frames / record.fps:g}",
        size=f"{record.width}x{record.height}",
        error={"code": record.state, "message": message} if failed else None,
    )
