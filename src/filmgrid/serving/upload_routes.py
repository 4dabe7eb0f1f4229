"""Uploads over HTTP: pictures and clips that requests may refer to."""

import shutil
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from filmgrid.serving.answers import KEPT, picture, the_service
from filmgrid.serving.jobs import ID, new_id
from filmgrid.serving.quota import tidy
from filmgrid.serving.receiving import receive_form
from filmgrid.serving.schema import Upload, upload_of
from filmgrid.serving.uploads import MissingUploadError, UploadRecord

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
    return picture(uploads.thumb(_upload(request, upload)), "image/webp", KEPT)


@uploads_router.get("/uploads/{upload}/frames/{number}.png", response_class=FileResponse)
def upload_frame(request: Request, upload: str, number: int) -> FileResponse:
    """One frame of an upload."""
    record = _upload(request, upload)
    if not 0 <= number < record.num_frames:
        raise HTTPException(404, f"{record.name} has {record.num_frames} frames, from 0.")
    return picture(the_service(request).uploads.frame(record, number), "image/png", KEPT)


def _upload(request: Request, upload: str) -> UploadRecord:
    if ID.fullmatch(upload) is None:
        raise MissingUploadError("There is no upload of that name.")
    return the_service(request).uploads.get(upload)
