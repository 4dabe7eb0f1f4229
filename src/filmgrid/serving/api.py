"""The HTTP face of the service."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from filmgrid import __version__
from filmgrid.serving import openai, reference
from filmgrid.serving.answers import PROBLEMS, refuse_with_sentences
from filmgrid.serving.auth import Guard
from filmgrid.serving.events import Watcher
from filmgrid.serving.job_routes import jobs_router
from filmgrid.serving.metrics import Meter, metrics_router
from filmgrid.serving.model_routes import models_router
from filmgrid.serving.service import Service
from filmgrid.serving.upload_routes import uploads_router

STUDIO = Path(__file__).parent / "studio"
MOST_BODY = 4 * 2**20
"""Bytes of a request that is no upload."""


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
    refuse_with_sentences(app)
    if (STUDIO / "index.html").is_file():
        app.mount("/studio", StaticFiles(directory=STUDIO), name="studio")

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        if (STUDIO / "index.html").is_file():
            return FileResponse(STUDIO / "index.html", headers={"cache-control": "no-cache"})
        return JSONResponse({"filmgrid": __version__, "docs": "/docs"})

    return app
