"""Workers and servers that are killed: nothing is lost, doubled or half there."""

import os
import signal
import time
from collections import Counter

import pytest

from filmgrid.data.media import probe
from filmgrid.data.provenance import read_provenance

PROMPT = "a red circle moving right on a navy background"


def frames_of(server, job):
    folder = server.workspace / "jobs" / job / "result" / "frames"
    return [path.read_bytes() for path in sorted(folder.glob("*.png"))]


def test_jobs_go_on_when_workers_and_servers_die(own_server):
    """One server, killed in every way, so that it need not start for each."""
    server = own_server("--max-batch", "1")
    server.wait_ready()
    long = {"prompt": PROMPT, "layout": "2x2", "steps": 5, "frames": 14}
    whole = server.submit(**long)
    server.done(whole)

    # a worker, in the middle of a short job
    short = server.submit(prompt=PROMPT, steps=12, seed=1)
    server.until(lambda: server.job(short)["step"] >= 2)
    server.kill_worker()
    told = server.done(short)
    assert told["attempt"] == 2

    # a worker, in the third window of a long one, which goes on from there
    job = server.submit(**long)
    server.until(lambda: server.job(job)["step"] >= 11)
    server.kill_worker()
    server.until(lambda: server.job(job)["attempt"] == 2)
    first = server.until(lambda: (step := server.job(job)["step"]) and step)
    assert first > 10  # the first windows were not made again
    server.done(job)
    assert frames_of(server, job) == frames_of(server, whole)

    # the server, while one job runs and another waits
    runs = server.submit("a key", prompt=PROMPT, steps=12, seed=2)
    waits = server.submit(prompt=PROMPT, steps=2, seed=3)
    server.until(lambda: server.job(runs)["step"] >= 2)
    workers = server.worker_pids()
    server.kill()
    ends = time.monotonic() + 20
    while any(_lives(pid) for pid in workers):  # they leave with it
        assert time.monotonic() < ends
        time.sleep(0.05)
    server.start()
    assert server.submit("a key", prompt=PROMPT, steps=12, seed=2) == runs
    assert server.job(runs)["state"] in ("queued", "running")
    assert server.done(runs)["attempt"] >= 2
    server.done(waits)

    # the server, told to stop: at once, and without blaming anybody
    runs = server.submit(prompt=PROMPT, steps=40, seed=4)
    server.until(lambda: server.job(runs)["step"] >= 1)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    assert time.monotonic() - began < 12
    server.start()
    assert server.job(runs)["state"] == "queued"
    server.client.post(f"/api/jobs/{runs}/cancel")
    assert server.ended(runs)["state"] == "cancelled"


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as told:
        return told.read().rpartition(")")[2].split()[0] != "Z"


def storm(server, count, kills, restarts, seed=0):
    """Submit many at once, kill on, and look whether each is there once and whole."""
    layouts = ("1x1", "2x2", "2x4", "4x4")
    asked = {}
    for number in range(count):
        request = {"prompt": "a star", "seed": number, "steps": 1 + number % 2}
        request["layout"] = layouts[number % len(layouts)]
        if number % 17 == 5:
            request = {**request, "layout": "2x2", "frames": 6}
        asked[f"key-{number}"] = request
    jobs = {key: server.submit(key, **request) for key, request in asked.items()}
    assert len(set(jobs.values())) == count
    events = ["worker"] * kills + ["server"] * restarts
    events = sorted(events, key=lambda each: hash((each, seed)))
    for number, event in enumerate(events, start=1):
        goal = count * number // (len(events) + 1)
        server.until(lambda goal=goal: _count_done(server) >= goal, 1200)
        if event == "worker":
            server.kill_worker()
            continue
        server.kill()
        server.start()
        for key, request in asked.items():  # clients that do not know what became of theirs
            assert server.submit(key, **request) == jobs[key]
    server.until(lambda: _count_open(server) == 0, 1800)
    told = [job for state in ("done", "failed", "cancelled") for job in _listed(server, state)]
    assert Counter(job["state"] for job in told) == {"done": count}, [
        job["error"] for job in told if job["error"]
    ]
    assert {job["id"] for job in told} == set(jobs.values())
    folders = list((server.workspace / "jobs").iterdir())
    assert {folder.name for folder in folders} == set(jobs.values())
    for job in told:
        folder = server.workspace / "jobs" / job["id"]
        info, provenance = (
            probe(folder / "result" / "frames"),
            read_provenance(folder / "result" / "frames"),
        )
        assert info.num_frames == job["num_frames"]
        assert provenance and provenance.request
        assert provenance.request.get("seed", 0) == job["request"].get("seed", 0)
        for path in sorted((folder / "result" / "frames").glob("*.png")):
            assert probe(path).height == 64
        left = {path.name for path in folder.iterdir()}
        assert left <= {"inputs", "job.json", "preview.webp", "result", "exports"}, left


def _listed(server, state):
    found, before = [], None
    while True:
        params = {"state": state, "limit": 200, **({"before": before} if before else {})}
        page = server.client.get("/api/jobs", params=params).json()
        found += page["jobs"]
        before = page["next"]
        if before is None:
            return found


def _count_done(server):
    return _count(server, "done")


def _count_open(server):
    return _count(server, "queued") + _count(server, "running")


def _count(server, state):
    text = server.client.get("/metrics").text
    line = next(
        each for each in text.splitlines() if each.startswith(f'filmgrid_jobs{{state="{state}"')
    )
    return int(float(line.rpartition(" ")[2]))


def test_a_small_storm_loses_nothing(own_server):
    server = own_server()
    server.wait_ready()
    storm(server, count=12, kills=1, restarts=1)


@pytest.mark.long
def test_a_storm_of_200_jobs_loses_nothing(own_server):
    server = own_server()
    server.wait_ready()
    storm(server, count=200, kills=10, restarts=2)
