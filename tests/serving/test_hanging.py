"""Workers that hang: nothing is mocked; they are stopped, or wait for what never comes."""

import os
import signal

import pytest

from filmgrid.serving.service import Service

WAITS = ("--lease-s", "6", "--hang-s", "8", "--attempts", "2")


@pytest.fixture
def hanging_job(config):
    """A job whose worker waits for ever: its ``job.json`` is a pipe that nobody writes to."""
    service = Service(config)
    job = service.submit({"prompt": "a star", "steps": 2, "layout": "1x1", "seed": 1}).id
    path = service.workspace.job(job) / "job.json"
    path.unlink()
    os.mkfifo(path)
    return job


@pytest.mark.long
def test_a_job_that_hangs_its_workers_is_given_up_and_the_next_is_made(hanging_job, own_server):
    server = own_server(*WAITS)
    told = server.ended(hanging_job, 600)
    assert told["state"] == "failed"
    assert "died or hung 2 times" in told["error"]
    assert told["attempt"] == 2
    server.done(server.submit(prompt="a star", steps=2, layout="1x1"))


@pytest.mark.long
def test_a_worker_that_is_stopped_is_replaced_and_its_job_goes_on(own_server):
    server = own_server("--lease-s", "6")
    server.wait_ready(600)
    job = server.submit(prompt="a star", steps=20)
    server.until(lambda: server.job(job)["step"] >= 2)
    [stopped] = server.worker_pids()
    os.kill(stopped, signal.SIGSTOP)
    server.until(lambda: stopped not in server.worker_pids())  # ended, though it cannot listen
    told = server.done(job, 600)
    assert told["attempt"] == 2
    assert server.worker_pids() != [stopped]
