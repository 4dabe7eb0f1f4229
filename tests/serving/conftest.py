"""A server with real workers on mini, and a service without any."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from filmgrid.data.export import save_image, save_sequence
from filmgrid.data.provenance import Provenance
from filmgrid.serving.api import make_app
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.service import Service

HERE = "http://127.0.0.1"
OPEN = ("queued", "running")


class Server:
    """``filmgrid serve`` as a process of its own."""

    def __init__(self, workspace: Path, *words: str) -> None:
        self.workspace, self.words = workspace, words
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "filmgrid", "serve", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--workspace", str(self.workspace), *self.words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://[^/]+:(\d+)/(?:\?token=(\S+))?", line)
        assert found, f"the server said {line!r}"
        self.client = httpx2.Client(base_url=f"{HERE}:{found[1]}", timeout=60)
        self.token = found[2]
        if self.token:
            self.client.headers["authorization"] = f"Bearer {self.token}"

    def wait_ready(self, seconds: float = 120) -> None:
        self.until(lambda: self.client.get("/healthz").status_code == 200, seconds)

    def until(self, done, seconds: float = 120):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = done()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s")

    def worker_pids(self) -> list[int]:
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        )
        text = told.read_text() if told.exists() and told.read_text() else listed.stdout
        return [int(each) for each in text.split()]

    def kill_worker(self) -> None:
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def submit(self, key: str | None = None, **request):
        headers = {} if key is None else {"idempotency-key": key}
        answer = self.client.post("/api/jobs", json={"request": request}, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job: str) -> dict:
        answer = self.client.get(f"/api/jobs/{job}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, job: str, seconds: float = 180) -> dict:
        return self.until(lambda: (told := self.job(job))["state"] not in OPEN and told, seconds)

    def done(self, job: str, seconds: float = 180) -> dict:
        told = self.ended(job, seconds)
        assert told["state"] == "done", told["error"]
        return told

    def frame(self, job: str, number: int) -> bytes:
        answer = self.client.get(f"/api/jobs/{job}/frames/{number}.png")
        assert answer.status_code == 200, answer.text
        return answer.content

    def upload(self, *paths: Path) -> dict:
        files = [("file", (path.name, path.read_bytes())) for path in paths]
        answer = self.client.post("/api/uploads", files=files)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("served") / "workspace")
    started.wait_ready()
    yield started
    started.stop()


@pytest.fixture
def own_server(tmp_path):
    """Starts servers that a test may kill."""
    started: list[Server] = []

    def start(*words: str) -> Server:
        made = Server(tmp_path / "workspace", *words)
        started.append(made)
        return made

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def config(tmp_path):
    return ServeConfig(workspace=tmp_path / "workspace", upload_mb=2, max_frames=256)


@pytest.fixture
def service(config):
    return Service(config)


@pytest.fixture
def client(service):
    """The API without workers: what is submitted waits."""
    with TestClient(make_app(service), base_url=HERE, raise_server_exceptions=False) as made:
        yield made


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "first.png"
    return save_image(noise(64, 64), path, Provenance())


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    frames = np.repeat(noise(16, 8, 8), 8, axis=1).repeat(8, axis=2)
    save_sequence(frames, path, fps=8, provenance=Provenance())
    return path


def events(text: str) -> list[tuple[str, dict]]:
    """Name and data of server-sent events."""
    found = re.findall(r"event: (\w+)\ndata: (.*)\n", text)
    return [(name, json.loads(data)) for name, data in found]
