"""What all routes share: the service behind a request, pictures, and how a refusal is told."""

import logging
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from filmgrid.errors import FilmgridError
from filmgrid.serving import openai
from filmgrid.serving.receiving import TooLargeError
from filmgrid.serving.records import ConflictError
from filmgrid.serving.schema import Problem
from filmgrid.serving.service import FullError, Service
from filmgrid.serving.uploads import MissingUploadError

log = logging.getLogger(__name__)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 422, 429)
}


def the_service(request: Request) -> Service:
    """The service behind a request."""
    return request.app.state.service


class WebP(Response):
    """A small picture."""

    media_type = "image/webp"


KEPT = {"cache-control": "private, max-age=3600"}
"""Headers of what never changes."""


def picture(path: Path, kind: str, headers: dict[str, str]) -> FileResponse:
    """A picture from its file.

    Raises:
        HTTPException: if it is not there yet.
    """
    if not path.is_file():
        raise HTTPException(404, "There is no such picture yet.")
    return FileResponse(path, media_type=kind, headers=headers)


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


def refuse_with_sentences(app: FastAPI) -> None:
    """Let an application answer every error with one sentence."""
    for kind in (FilmgridError, KeyError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(Exception, _own_mistake)
