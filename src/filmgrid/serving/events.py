"""Server-sent events: what changed, to everybody who listens, and from where they left off."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse

from filmgrid.serving.records import JobRecord
from filmgrid.serving.schema import Job
from filmgrid.serving.store import JobStore

LOOK_S = 0.06
"""Seconds between two looks at whether anybody wrote, while somebody listens."""
KEEP_ALIVE_S = 5.0
"""Seconds without a change after which a listener is told that it is heard."""


class EventStream(StreamingResponse):
    """An answer that goes on; made by hand because FastAPI's own cannot end with a status first."""

    media_type = "text/event-stream"


UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Watcher:
    """Wakes those who listen when the store has changed.

    Args:
        store: the jobs.
        stopping: says whether the server ends.
    """

    def __init__(self, store: JobStore, stopping: Callable[[], bool] = lambda: False) -> None:
        self.store, self.stopping = store, stopping
        self.listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncIterator[bool]:
        """Yield after every change, or false after a while without any; ends with the server."""
        woken = asyncio.Event()
        self.listeners.add(woken)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            while not self.stopping():
                try:
                    await asyncio.wait_for(woken.wait(), KEEP_ALIVE_S)
                except TimeoutError:
                    yield False
                    continue
                woken.clear()
                yield True
        finally:
            self.listeners.discard(woken)

    async def _watch(self) -> None:
        before = self.store.now()
        for woken in self.listeners:
            woken.set()
        while self.listeners:
            await asyncio.sleep(LOOK_S)
            now = self.store.now()
            if now != before or self.stopping():
                before = now
                for woken in self.listeners:
                    woken.set()


def events_of(
    records: list[JobRecord], gone: list[str], after: int, tell: Callable[[JobRecord], Job]
) -> list[bytes]:
    """What changed after a number, as events.

    Args:
        records: jobs that changed, in the order of their changes.
        gone: jobs that were removed.
        after: number of the last change that the listener knows.
        tell: makes a job what is told of it.
    """
    lines = [_event("deleted", {"id": job}) for job in gone]
    for record in records:
        last = str(max(record.changed, record.moved, record.shown))
        parts: list[tuple[str, Any]] = []
        if record.changed > after:
            parts.append(("state", tell(record).model_dump(mode="json")))
        if record.moved > after and record.is_open:
            eta = None if record.eta is None else max(0.0, record.eta - time.time())
            told = {"job": record.id, "step": record.step, "num_steps": record.num_steps}
            parts.append(("progress", {**told, "sigma": record.sigma, "eta_s": eta}))
        if record.shown > after and record.is_open:
            url = f"/api/jobs/{record.id}/preview?step={record.preview}"
            parts.append(("preview", {"job": record.id, "step": record.preview, "url": url}))
        lines += [_event(name, data, last) for name, data in parts]
    return lines


def _event(name: str, data: Any, number: str | None = None) -> bytes:
    return format_sse_event(data_str=json.dumps(data), event=name, id=number)


async def stream(
    watcher: Watcher,
    tell: Callable[[JobRecord], Job],
    after: int | None,
    job: str | None = None,
) -> AsyncIterator[bytes]:
    """Events as bytes, for one job until it ends, or for all.

    Args:
        watcher: of the store.
        tell: makes a job what is told of it.
        after: number of the last change that the listener knows; without, it is first told of all
            that is open.
        job: only this one.
    """
    store = watcher.store
    seen = store.now() if after is None else after
    if after is None:
        first = [store.get(job)] if job is not None else _open_jobs(store)
        for line in events_of(first, [], 0, tell):
            yield line
        if job is not None and not first[0].is_open:
            return
    yield KEEPALIVE_COMMENT  # so that the listener knows that it is heard
    async for changed in watcher.listen():
        now = store.now()
        records, gone = store.changes(seen, job)  # after a while unasked too: no word gets lost
        lines = events_of(records, gone, seen, tell)
        if not changed and not lines:
            yield KEEPALIVE_COMMENT
        for line in lines:
            yield line
        numbers = [max(each.changed, each.moved, each.shown) for each in records]
        seen = max([now, *numbers])
        if job is not None and (gone or (records and not records[-1].is_open)):
            return


def _open_jobs(store: JobStore) -> list[JobRecord]:
    found = [*store.listed("running", 1000), *store.listed("queued", 1000)]
    return sorted(found, key=lambda each: max(each.changed, each.moved, each.shown))
