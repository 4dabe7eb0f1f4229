"""A worker: takes jobs from the store, makes their steps on one device, and writes what they give.

``python -m`` this module; its settings come as one line of JSON on standard input, which stays
open: when it closes, the server is gone, and so is the worker.
"""

import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from filmgrid.data.animations import encode_webp
from filmgrid.data.files import atomic_path
from filmgrid.data.mosaics import pack_image
from filmgrid.data.pictures import with_longest_side
from filmgrid.data.provenance import Provenance, current_versions, read_provenance
from filmgrid.errors import FilmgridError, SharingError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.inputs import describe_files
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.database import Database
from filmgrid.serving.engine import Advanced, Engine, Failed, Finished, Submission, sentence
from filmgrid.serving.jobs import (
    FRAMES,
    JOB,
    PREVIEW,
    RESULT,
    WORK,
    Workspace,
    read_job,
    size_of,
    unplaced,
)
from filmgrid.serving.kept_costs import KeptCosts
from filmgrid.serving.loaded import loading_of
from filmgrid.serving.patience import Patience
from filmgrid.serving.records import JobRecord
from filmgrid.serving.results import link_result, write_result
from filmgrid.serving.workforce import Workforce

log = logging.getLogger(__name__)
PREVIEW_SIDE = 512
PREVIEW_S = 0.25
"""Seconds between two previews of a job: enough to see it come, and little beside the steps."""
IDLE_S = 0.05
"""Seconds between two looks into an empty queue."""


@dataclass(eq=False)
class Taken:
    """A job that this worker has.

    Args:
        record: as it was when it was taken.
        folder: of the job.
        request: its files on this machine.
        begun: when its first step began, by the monotonic clock, and the steps done then.
        shown: when its last preview was made.
    """

    record: JobRecord
    folder: Path
    request: GenerateRequest
    begun: tuple[float, int] | None = None
    shown: float = field(default=-1e9)


class Worker:
    """One process on one device.

    Args:
        name: of this process, never used twice.
        config: of the server.
    """

    def __init__(self, name: str, config: ServeConfig) -> None:
        self.name, self.config = name, config
        self.workspace = Workspace(config.workspace)
        self.workforce = self._open()
        self.kept = KeptCosts(self.workforce.database)
        self.generators: dict[str, Generator] = {}
        self.engine = Engine(self.generator_of, max_batch=config.max_batch)
        self.engine.costs.restore(self.kept.read())
        self.taken: dict[str, Taken] = {}
        self.patience = Patience(config.hang_s)
        self.stopping = threading.Event()

    def _open(self) -> Workforce:
        database = Database(self.workspace.database, durable=False)
        return Workforce(database, attempts=self.config.attempts, lease_s=self.config.lease_s)

    def generator_of(self, request: GenerateRequest) -> Generator:
        """The generator of a request's model, loaded once."""
        found = self.generators.get(request.model)
        if found is None:
            self.patience.load()
            config, loading = self.config, loading_of(self.config, request.model)
            found = Generator.from_pretrained(
                request.model, config.device, config.precision, loading
            )
            self.generators[request.model] = found
        return found

    def warm_up(self) -> None:
        """Load the first model and make one step, so that the first job need not wait for it."""
        request = GenerateRequest(prompt="a star", model=self.config.model[0], steps=1)
        for _ in self.generator_of(request).generate(request):
            pass

    def run(self) -> None:
        """Work until told to stop."""
        device = str(self.config.device)
        self.workforce.hello(self.name, os.getpid(), device, "loading")
        with self._beating():
            self.warm_up()
            device = str(self.generator_of(GenerateRequest(model=self.config.model[0])).device)
            self.workforce.hello(self.name, os.getpid(), device, "ready")
            while not self.stopping.is_set():
                self.turn()
        self.kept.add(self.engine.costs.news())
        self.workforce.release([self.name], crashed=False)

    def turn(self) -> None:
        """Take what is there, drop what is not wanted, make one step."""
        self.patience.step()
        for job in self.workforce.cancelled(self.name):
            self._let_go(job)
            self.workforce.drop(job, self.name)
        for record in self.workforce.claim(self.name, self.config.lookahead):
            self.patience.step()
            self._take(record)
        if not self.engine.busy:
            self.stopping.wait(IDLE_S)
            return
        self.patience.step(self.engine.longest_step)
        for event in self.engine.step():
            taken = self.taken.get(event.job)
            if taken is None:
                continue
            if isinstance(event, Advanced):
                self._advanced(event, taken)
            elif isinstance(event, Finished):
                self._finished(event.result, taken)
            elif isinstance(event.error, SharingError):
                raise event.error  # nothing more is made here; the next worker has new peers
            else:
                self._failed(event, taken)

    def _take(self, record: JobRecord) -> None:
        self._let_go(record.id)  # taken back by its owner and asked for again
        folder = self.workspace.job(record.id)
        try:
            request = read_job(folder / JOB)
            taken = Taken(record, folder, request)
            for old in folder.glob(".result-*"):
                shutil.rmtree(old, ignore_errors=True)
            if (folder / RESULT).is_dir():  # its worker died between the result and saying so
                self._say_done(taken, None)
                return
            submission = Submission(record.id, request, record.deadline, record.created)
            self.engine.admit(submission, folder / WORK)
        except Exception as error:  # nothing that a job brings may take the others down
            if not isinstance(error, FilmgridError):
                log.exception(f"job {record.id} could not be taken")
            self.workforce.fail(record.id, self.name, self._told(error, folder))
            return
        self.taken[record.id] = taken

    def _let_go(self, job: str) -> None:
        if self.taken.pop(job, None) is not None:
            self.engine.cancel(job)

    def _advanced(self, event: Advanced, taken: Taken) -> None:
        now = time.monotonic()
        if taken.begun is None:  # its first step also read files and prompts
            taken.begun = now, event.step
        mine = self.workforce.advanced(
            taken.record.id,
            self.name,
            step=event.step,
            num_steps=event.num_steps,
            sigma=event.sigma,
            eta=self._eta(event, taken, now),
        )
        if not mine:
            self._let_go(taken.record.id)
            return
        if now - taken.shown >= PREVIEW_S and event.step < event.num_steps:
            taken.shown = now
            self._show(event, taken)

    def _eta(self, event: Advanced, taken: Taken, now: float) -> float | None:
        """When a job will be done: by the pace of its own steps, or what they cost alone."""
        assert taken.begun is not None
        began, first = taken.begun
        made = event.step - first
        left = self.engine.seconds_left(event.job, (now - began) / made if made > 0 else None)
        return None if left is None else time.time() + left

    def _show(self, event: Advanced, taken: Taken) -> None:
        try:
            frames = event.preview()[0]
            grid = pack_image(frames, Layout.parse(taken.record.layout))
            if max(grid.shape[:2]) > PREVIEW_SIDE:
                grid = with_longest_side(grid, PREVIEW_SIDE)
            with atomic_path(taken.folder / PREVIEW) as part:
                part.write_bytes(encode_webp(grid[None], 1.0, quality=70))
        except (FilmgridError, MemoryError, RuntimeError) as error:
            log.warning(f"no preview of job {taken.record.id}: {error}")
            return
        self.workforce.previewed(taken.record.id, self.name, event.step)

    def _finished(self, result: Result | None, taken: Taken) -> None:
        del self.taken[taken.record.id]
        part = taken.folder / f".result-{self.name}"
        try:
            if result is None:
                told = self._long_provenance(taken)
                link_result(part, taken.folder / WORK / FRAMES, told, taken.record.fps)
            else:
                asked = {**result.request, "seed": result.seeds[0]}
                asked.pop("best_of", None)  # the seed alone makes this one again
                told = Provenance(
                    layout=str(result.layout),
                    request=unplaced(asked, taken.folder),
                    versions={**current_versions(), "model": result.model_version},
                )
                write_result(part, result.arrays[0], told, result.fps)
        except (FilmgridError, OSError, MemoryError) as error:
            shutil.rmtree(part, ignore_errors=True)
            self.workforce.fail(taken.record.id, self.name, self._told(error, taken.folder))
            return
        self._say_done(taken, part, told.request)

    def _say_done(self, taken: Taken, part: Path | None, resolved: object = None) -> None:
        if part is None:
            told = read_provenance(taken.folder / RESULT / FRAMES)
            resolved = told and told.request

        def publish() -> None:
            if part is not None:
                part.rename(taken.folder / RESULT)
            shutil.rmtree(taken.folder / WORK, ignore_errors=True)

        job = taken.record.id
        size = size_of(taken.folder) - size_of(taken.folder / WORK)
        if not self.workforce.finish(job, self.name, publish, resolved, size):
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
            self.workforce.drop(job, self.name)
        self.kept.add(self.engine.costs.news())

    def _long_provenance(self, taken: Taken) -> Provenance:
        generator = self.generator_of(taken.request)
        facts = generator.backbone.facts
        plan = make_plan(taken.request, facts, describe_files(taken.request))
        return Provenance(
            request=unplaced(generator.resolved(plan, taken.request), taken.folder),
            versions={**current_versions(), "model": generator.version},
        )

    def _failed(self, event: Failed, taken: Taken) -> None:
        del self.taken[taken.record.id]
        if not isinstance(event.error, FilmgridError):
            log.error(f"job {event.job} failed", exc_info=event.error)
        self.workforce.fail(event.job, self.name, self._told(event.error, taken.folder))

    def _told(self, error: Exception, folder: Path) -> str:
        """What a visitor is told of an error: nothing of where the server's folders lie."""
        text = sentence(error)
        for place in (folder / "inputs", folder, self.config.workspace):
            text = text.replace(f"{place}{os.sep}", "")
        return text

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """Tell the store that this process lives and gets on, beside whatever it does.

        Who hangs says nothing more: its lease ends, and the server puts another in its place.
        """
        done = threading.Event()

        def beat() -> None:
            workforce = self._open()
            while not done.wait(self.config.lease_s / 6):
                overdue = self.patience.overdue
                if overdue is None:
                    workforce.beat(self.name)
                    continue
                jobs = ", ".join(self.taken) or "none"
                log.error(f"no step for {overdue:.0f} s, so it hangs; its jobs: {jobs}")
                return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def main() -> None:
    """Serve until the server goes or says stop."""
    told = json.loads(_first_line())
    logging.basicConfig(level=logging.INFO, format=f"{told['name']}: %(message)s")
    for noisy in ("diffusers", "accelerate", "torch", "torchao", "PIL", "httpx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)

    def leave_with_server() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            continue
        os._exit(3)  # its jobs are in the store, and the next server hands them out

    threading.Thread(target=leave_with_server, daemon=True).start()
    if told.get("threads"):
        import torch

        torch.set_num_threads(told["threads"])
    worker = Worker(told["name"], ServeConfig(**told["config"]))

    def stop(_: int, __: FrameType | None) -> None:
        worker.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, meant for the server
    worker.run()
    os._exit(0)  # the thread that reads has nothing to be waited for


def _first_line() -> bytes:
    """A line of standard input, by no buffer that a thread would hold on to at the end."""
    line = b""
    while not line.endswith(b"\n"):
        found = os.read(sys.stdin.fileno(), 1)
        if not found:
            os._exit(3)
        line += found
    return line


if __name__ == "__main__":
    main()
