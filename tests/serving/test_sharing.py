"""A worker whose passes two processes share."""

import os
import signal
from pathlib import Path

import pytest

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.data.images import read_image
from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.serving import supervisor
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.supervisor import Place, places_for


def test_gpus_are_given_out_in_groups(monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor, "_count_gpus", lambda: 5)
    config = ServeConfig(workspace=tmp_path, device="cuda", devices=2)
    assert places_for(config) == [Place(gpus=(0, 1)), Place(gpus=(2, 3))]
    one = config.model_copy(update={"workers": 1})
    assert places_for(one) == [Place(gpus=(0, 1))]
    with pytest.raises(ConfigError, match="devices 8 are asked for, and there are 5 GPUs"):
        places_for(config.model_copy(update={"devices": 8}))


def test_one_model_is_shared_and_not_several(tmp_path):
    ServeConfig(workspace=tmp_path, model=("flux-dev", "mini"), devices=2)
    with pytest.raises(ConfigError, match="Serve each by itself"):
        ServeConfig(workspace=tmp_path, model=("flux-dev", "flux-schnell"), devices=2)


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.long
def test_a_shared_worker_makes_what_one_process_makes(tmp_path, own_server):
    folder = tmp_path / "flux"
    save_tiny("flux", folder)
    server = own_server(
        "--model", str(folder), "--devices", "2", "--device", "cpu", "--precision", "fp32"
    )
    server.wait_ready(600)
    words = {"prompt": "a red ball", "layout": "2x2", "cell": 32, "steps": 2, "seed": 1}
    job = server.submit(**words)
    told = server.done(job, 300)
    assert told["num_frames"] == 4
    alone = Generator.from_pretrained(folder, "cpu", "fp32")
    frames = alone("a red ball", layout="2x2", cell=32, num_inference_steps=2, seed=1).arrays[0]
    for number, frame in enumerate(frames):
        path = server.workspace / "jobs" / job / "result" / "frames" / f"{number:05d}.png"
        made = read_image(path)
        assert abs(made.astype(int) - frame.astype(int)).max() <= 1

    [worker] = server.worker_pids()
    [peer] = children(worker)
    job = server.submit(**{**words, "steps": 50})
    server.until(lambda: server.job(job)["step"] >= 2)
    os.kill(worker, signal.SIGKILL)
    server.until(lambda: not Path(f"/proc/{peer}").exists(), 30)  # it goes with its worker
    assert server.done(job, 600)["attempt"] == 2
