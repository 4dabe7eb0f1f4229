"""What is done beside the denoising: reading and encoding before it, decoding and writing after.

One request's frames are decoded, enlarged and written, and another's prompt is encoded, while a
third one is denoised; of a long sequence, the frames of one grid while the next is denoised. The
queue is bounded, so that what waits in it takes bounded memory: who puts more waits.

Source: stages of different requests beside each other are PipeDiT's idea (arXiv:2511.12056), which
gives each stage its own GPUs. Here they are threads beside one device, which share its stream.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from filmgrid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of work that was done.

    Args:
        name: what it was put by.
        result: what it gave.
        error: what it raised instead.
    """

    name: str
    result: Any = None
    error: Exception | None = None


class Pipeline:
    """Pieces of work in threads, or at once and in the caller's thread where there are none.

    Args:
        num_threads: 0 is no pipeline.
        room: pieces that wait or run at most; the next one that is put waits for room.

    Raises:
        ConfigError: if there is no room for the threads.
    """

    def __init__(self, num_threads: int = 0, room: int = 8) -> None:
        if room < max(1, num_threads):
            raise ConfigError(
                f"{num_threads} threads with room for {room} pieces of work would never all work. "
                f"Give room for at least {max(1, num_threads)}."
            )
        self._threads = ThreadPoolExecutor(num_threads, "filmgrid") if num_threads else None
        self._room = threading.BoundedSemaphore(room)
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self.pending = 0
        """Pieces that were put and not taken out by :meth:`done`."""

    @property
    def overlaps(self) -> bool:
        """Whether anything is done beside the caller."""
        return self._threads is not None

    def put(self, name: str, work: Callable[[], Any]) -> None:
        """Do a piece of work; what it raises is kept and not raised here."""
        self.pending += 1
        if self._threads is None:
            self._done.put(_tried(name, work))
            return
        self._room.acquire()

        def run() -> None:
            done = _tried(name, work)
            self._room.release()
            self._done.put(done)

        self._threads.submit(run)

    def done(self, wait: float = 0.0) -> list[Done]:
        """What was done since the last call, in the order in which it was.

        Args:
            wait: seconds to wait for a first piece, if none is there and some are pending.
        """
        found: list[Done] = []
        try:
            if wait and self.pending:
                found.append(self._done.get(timeout=wait))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            self.pending -= len(found)
            return found

    def close(self) -> None:
        """Wait for what runs, and drop what waits."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)


def _tried(name: str, work: Callable[[], Any]) -> Done:
    try:
        return Done(name, work())
    except Exception as error:
        return Done(name, error=error)


class InOrder:
    """Pieces of work one after the other, and what they gave in that order.

    After a piece that failed none is done, so that no later one can build on it.

    Args:
        beside: in a thread, beside the caller; otherwise at once and in the caller's.
        room: pieces that wait or run beside it at most.
    """

    def __init__(self, beside: bool, room: int = 4) -> None:
        self._pipeline = Pipeline(1 if beside else 0, room)
        self._broken = False

    @property
    def beside(self) -> bool:
        """Whether there is a thread."""
        return self._pipeline.overlaps

    def put(self, work: Callable[[], Any]) -> None:
        """Do a piece of work after those before it; waits for room."""

        def run() -> Any:
            if self._broken:
                return None
            try:
                return work()
            except BaseException:
                self._broken = True
                raise

        self._pipeline.put("", run)

    def done(self, *, wait: bool = False) -> Iterator[Any]:
        """What was given since the last call.

        Args:
            wait: until all that was put is done.

        Raises:
            Exception: what a piece raised, in its place.
        """
        while True:
            for done in self._pipeline.done(1.0 if wait else 0.0):
                if done.error is not None:
                    raise done.error
                yield done.result
            if not (wait and self._pipeline.pending):
                return

    def close(self) -> None:
        """Wait for the piece that runs, and drop those that wait."""
        self._pipeline.close()
