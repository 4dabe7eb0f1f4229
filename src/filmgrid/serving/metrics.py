"""How the server is: for machines that watch it."""

import time
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filmgrid import __version__
from filmgrid.serving.quota import used
from filmgrid.serving.service import Service

metrics_router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether the server works."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    status: str
    """``ok``, or ``starting`` while no worker is ready."""
    version: str
    workers: int
    """Ready ones."""
    queued: int
    running: int


@metrics_router.get("/healthz")
def health(request: Request, response: Response) -> Health:
    """Say whether the server works; 503 while no worker is ready."""
    service = request.app.state.service
    ready = sum(worker["state"] == "ready" for worker in service.workforce.listed())
    counts = service.store.counts()
    if not ready:
        response.status_code = 503
    return Health(
        status="ok" if ready else "starting",
        version=__version__,
        workers=ready,
        queued=counts["queued"],
        running=counts["running"],
    )


@metrics_router.get("/metrics")
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    return Response(generate_latest(_registry(request)), media_type=CONTENT_TYPE_LATEST)


def _registry(request: Request) -> CollectorRegistry:
    state = request.app.state
    if not hasattr(state, "registry"):
        state.registry = CollectorRegistry()
        state.registry.register(_OfStore(state.service))
        state.answers = Counter(
            "filmgrid_http_requests", "Answers given", ["method", "status"], registry=state.registry
        )
        state.times = Histogram(
            "filmgrid_http_seconds", "Time until an answer began", registry=state.registry
        )
    return state.registry


class _OfStore(Collector):
    """Reads the store when asked."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def collect(self) -> Iterable[Metric]:
        store = self.service.store
        jobs = GaugeMetricFamily("filmgrid_jobs", "Jobs by state", labels=["state"])
        for state, count in store.counts().items():
            jobs.add_metric([state], count)
        yield jobs
        workers = GaugeMetricFamily("filmgrid_workers", "Workers by state", labels=["state"])
        steps = CounterMetricFamily("filmgrid_steps", "Steps made by workers", labels=["worker"])
        found = self.service.workforce.listed()
        for state in ("loading", "ready"):
            workers.add_metric([state], sum(each["state"] == state for each in found))
        for each in found:
            steps.add_metric([each["id"]], each["steps"])
        yield workers
        yield steps
        yield from self._sizes()

    def _sizes(self) -> Iterator[Metric]:
        size = used(self.service.store)
        yield GaugeMetricFamily("filmgrid_workspace_bytes", "Bytes of jobs and uploads", size)
        most = self.service.config.quota
        yield GaugeMetricFamily("filmgrid_workspace_quota_bytes", "Bytes allowed", most)
        oldest = self.service.store.longest_wait()
        yield GaugeMetricFamily("filmgrid_longest_wait_seconds", "Of jobs that wait", oldest)


class Meter:
    """Counts answers and times them.

    Args:
        app: what is measured.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request = Request(scope)
        _registry(request)

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                request.app.state.answers.labels(method, message["status"]).inc()
                request.app.state.times.observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, measured)


_METHODS = frozenset(("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"))
