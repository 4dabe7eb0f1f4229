"""Workers kept alive: started, watched, started again, and what they had given back."""

import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from itertools import takewhile

from filmgrid.errors import ConfigError
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.quota import tidy
from filmgrid.serving.store import JobStore
from filmgrid.serving.uploads import UploadStore
from filmgrid.serving.workforce import Workforce

log = logging.getLogger(__name__)
SHORT_LIFE_S = 10.0
"""A worker that dies sooner is started again with a pause, which doubles."""
LONGEST_PAUSE_S = 30.0
STOP_S = 10.0
"""Seconds that a worker has to end its step when it is told to stop."""
LOOK_S = 5.0
"""Seconds between two looks for silent workers and a full workspace, or less with short leases."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs.

    Args:
        gpus: their numbers; several where they share every pass, none on the CPU.
        threads: that it computes with, where several share a CPU.
    """

    gpus: tuple[int, ...] = ()
    threads: int | None = None


def places_for(config: ServeConfig) -> list[Place]:
    """A place for each worker: every GPU or group of them one, or the CPU in equal parts.

    Raises:
        ConfigError: if there are fewer GPUs than are to share a pass.
    """
    gpus = _count_gpus() if config.device in ("auto", "cuda") else 0
    if gpus and gpus < config.devices:
        raise ConfigError(
            f"devices {config.devices} are asked for, and there are {gpus} GPUs. Use fewer."
        )
    groups = gpus // config.devices
    count = config.workers or max(1, groups)
    if groups:
        firsts = [number % groups * config.devices for number in range(count)]
        return [Place(gpus=tuple(range(first, first + config.devices))) for first in firsts]
    processes = count * config.devices
    threads = max(1, (os.cpu_count() or 1) // processes) if processes > 1 else None
    return [Place(threads=threads)] * count


def _count_gpus() -> int:
    """GPUs of the machine, found without importing torch."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        names = takewhile(lambda each: each != "-1", (each.strip() for each in told.split(",")))
        return len([each for each in names if each])  # what follows -1 is not seen
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return done.stdout.count("GPU ")


class Supervisor:
    """Starts the workers of a server and keeps them.

    Args:
        config: of the server.
        store: its jobs.
        workforce: its workers.
        uploads: its uploads.

    Raises:
        ConfigError: if there are too few GPUs.
    """

    def __init__(
        self, config: ServeConfig, store: JobStore, workforce: Workforce, uploads: UploadStore
    ) -> None:
        self.config, self.store, self.workforce, self.uploads = config, store, workforce, uploads
        self.places = places_for(config)
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.restarts = 0
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a worker at every place. Jobs of an earlier server are handed out again."""
        self.workforce.release([worker["id"] for worker in self.workforce.listed()], crashed=False)
        tasks = [(self._keep, (place,)) for place in self.places]
        for run, values in [*tasks, (self._look_around, ())]:
            thread = threading.Thread(target=run, args=values, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let the workers end their step, and give back what they had."""
        self._stopping.set()
        with self._guard:
            processes = dict(self.processes)
        for process in processes.values():
            process.terminate()
        ends = time.monotonic() + STOP_S
        for process in processes.values():
            try:
                process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        for thread in self._threads:
            thread.join(timeout=STOP_S)
        self.workforce.release([worker["id"] for worker in self.workforce.listed()], crashed=False)

    def _keep(self, place: Place) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            began, name = time.monotonic(), f"worker-{secrets.token_hex(4)}"
            process = self._launch(name, place)
            if process is None:
                return
            code = process.wait()
            with self._guard:
                del self.processes[name]
            stopped = self._stopping.is_set()
            back = self.workforce.release([name], crashed=not stopped)
            if stopped:
                return
            self.restarts += 1
            log.warning(f"{name} ended with {code}; {back} of its jobs are in the queue again")
            lived = time.monotonic() - began
            pause = min(LONGEST_PAUSE_S, max(0.5, 2 * pause)) if lived < SHORT_LIFE_S else 0.0

    def _launch(self, name: str, place: Place) -> subprocess.Popen[str] | None:
        environment = dict(os.environ)
        if place.gpus:
            known = environment.get("CUDA_VISIBLE_DEVICES", "")
            names = [each.strip() for each in known.split(",") if each.strip()]
            chosen = [names[gpu] if names else str(gpu) for gpu in place.gpus]
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        with self._guard:
            if self._stopping.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "filmgrid.serving.worker"],
                stdin=subprocess.PIPE,
                text=True,
                env=environment,
            )
            self.processes[name] = process
        told = {"name": name, "threads": place.threads}
        line = json.dumps({**told, "config": self.config.model_dump(mode="json")})
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()  # and stays open, as the sign that this server lives
        except BrokenPipeError:
            log.warning(f"{name} ended before it began")
        return process

    def _look_around(self) -> None:
        """End workers that give no sign though their process is there, and make room."""
        while not self._stopping.wait(min(LOOK_S, self.config.lease_s / 2)):
            for name in self.workforce.silent():
                process = self.processes.get(name)
                if process is not None:
                    log.warning(f"{name} gives no sign and is ended")
                    process.kill()  # its thread gives back what it had
                else:
                    self.workforce.release([name], crashed=True)
            tidy(self.config, self.store, self.uploads)
