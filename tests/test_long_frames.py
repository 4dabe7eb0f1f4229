"""Frames that are finished beside the next grid are the same, and nothing is said too early."""

import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from safetensors import safe_open

from filmgrid.cli import main
from filmgrid.errors import ConfigError, MediaError
from filmgrid.generator import Generator
from filmgrid.inputs import gather
from filmgrid.loading import Loading
from filmgrid.long import stream
from filmgrid.long_frames import Checkpoint, Finishing, Memory, Stretch, runs_beside
from filmgrid.longrun import FRAMES, MEMORY, asking_long, generate_long, work_folder
from filmgrid.request import GenerateRequest
from filmgrid.sampling.guidance import answered
from filmgrid.walking import Progress


@pytest.fixture(scope="module")
def generator(tiny_model):
    return Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")


def asked(generator, frames, **words):
    return GenerateRequest(prompt="a star", model=generator.name, frames=frames, **words)


def threads():
    return [each for each in threading.enumerate() if each.name.startswith("filmgrid")]


@pytest.mark.parametrize(
    "words",
    [{}, {"spread": 3}, {"colour_lock": 0.5, "loop": True}, {"video": "array", "task": "extend"}],
)
def test_frames_and_checkpoints_are_the_same_beside_the_next_grid(generator, words):
    clip = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)
    inputs = gather({}, clip) if "video" in words else None
    request, told = asked(generator, 12, steps=1, upscale=2, **words), {}
    for pipelined in ("off", "on"):
        events = list(stream(generator, request, inputs, seeds=[1, 2], pipelined=pipelined))
        told[pipelined] = [each for each in events if not isinstance(each, Progress)]
        assert not threads()
    assert len(told["on"]) == len(told["off"]) > 3
    for here, there in zip(told["off"], told["on"], strict=True):
        assert type(here) is type(there)
        if isinstance(here, Stretch):
            assert here.first == there.first and (here.arrays == there.arrays).all()
            continue
        assert (here.memory.windows, here.memory.written) == (
            there.memory.windows,
            there.memory.written,
        )
        for before, after in (
            (here.memory.latents, there.memory.latents),
            (here.memory.pixels, there.memory.pixels),
        ):
            assert before.keys() == after.keys()
            assert all((before[frame] == after[frame]).all() for frame in before)


def test_a_checkpoint_does_not_change_with_what_follows(generator):
    request = asked(generator, 12, steps=1, spread=3)
    events = list(stream(generator, request, pipelined="on"))
    marks = [each.memory for each in events if isinstance(each, Checkpoint)]
    assert [each.windows for each in marks] == list(range(1, len(marks) + 1))
    rest = list(stream(generator, request, memory=marks[1], pipelined="on"))
    whole = [each for each in events if isinstance(each, Stretch)]
    again = [each for each in rest if isinstance(each, Stretch)]
    assert again[0].first == marks[1].written
    assert sum(each.arrays.shape[1] for each in again) == 12 - marks[1].written
    frames = np.concatenate([each.arrays for each in whole], axis=1)[0, marks[1].written :]
    assert (np.concatenate([each.arrays for each in again], axis=1)[0] == frames).all()


def test_who_stops_asking_ends_the_thread(generator):
    events = stream(generator, asked(generator, 40, steps=1), pipelined="on")
    while not isinstance(next(events), Stretch):
        pass
    assert threads()
    events.close()
    assert not threads()


def test_what_breaks_beside_is_told_in_its_place():
    def breaks():
        raise MediaError("The disk is full.")

    finishing = Finishing(None, torch.device("cpu"), {}, beside=True)
    shown = np.zeros((1, 2, 4, 4, 3), np.uint8)
    finishing.take(lambda: shown, [0, 1])
    finishing.give(0, [None, None], 1)
    finishing.take(breaks, [2])
    finishing.mark(Memory(2, 2))
    events = finishing.done(wait=True)
    assert next(events).arrays.shape == (1, 2, 4, 4, 3)
    with pytest.raises(MediaError, match="The disk is full"):
        next(events)
    assert list(finishing.done(wait=True)) == []  # nothing is marked after it
    finishing.close()


def test_what_cannot_be_written_is_told_and_not_remembered_as_written(generator, tmp_path):
    request, out = asked(generator, 40, steps=1), tmp_path / "a.mp4"
    frames = work_folder(out) / FRAMES

    def spoil(done, _):
        if done == 5:
            shutil.rmtree(frames)
            frames.write_text("in the way")

    with pytest.raises(MediaError, match=r"png could not be written: a part of this") as told:
        generate_long(generator, request, out, on_step=spoil, pipelined="on")
    assert not threads()
    failed = int(re.search(r"(\d{5})\.png", str(told.value))[1])
    with safe_open(work_folder(out) / MEMORY, "pt") as memory:
        assert int(memory.metadata()["written"]) <= failed


@pytest.mark.parametrize("after", range(1, 13, 2))
def test_a_run_stopped_at_any_step_has_what_it_says_and_goes_on(generator, tmp_path, after):
    request = asked(generator, 12, steps=3, spread=3)

    def stop(done, _):
        if done == after:
            raise KeyboardInterrupt

    out = tmp_path / "long.mkv"
    with pytest.raises(KeyboardInterrupt):
        generate_long(generator, request, out, on_step=stop, pipelined="on")
    assert not threads()
    generate_long(generator, request, out, resume=True, pipelined="on")
    generate_long(generator, request, tmp_path / "whole.mkv")
    assert out.read_bytes()[-2000:] == (tmp_path / "whole.mkv").read_bytes()[-2000:]


def test_a_killed_pipelined_command_goes_on_to_the_same_frames(tiny_model, tmp_path):
    out, whole = tmp_path / "frames", tmp_path / "whole"
    words = ["generate", "a star", "--model", str(tiny_model), "--frames", "40", "--steps", "1"]
    words += ["--device", "cpu", "--upscale", "2", "--pipelined", "on"]
    process = subprocess.Popen([sys.executable, "-m", "filmgrid", *words, "--out", str(out)])
    memory, deadline = work_folder(out) / MEMORY, time.time() + 300
    while not memory.exists() and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert memory.exists()
    main([*words, "--out", str(out), "--resume"])
    main([*words[:-1], "off", "--out", str(whole)])
    made = sorted(path.name for path in whole.glob("*.png"))
    assert len(made) == 40
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in made)


def test_a_service_makes_long_ones_so_too(generator, tmp_path, monkeypatch):
    request = asked(generator, 9, steps=1)
    monkeypatch.setattr("filmgrid.longrun.runs_beside", lambda *_: True)
    seen = []
    for each in answered(asking_long(generator, request, tmp_path / "work"), generator.answer):
        seen += [each.step] if isinstance(each, Progress) else []
    assert seen == [1, 2, 3, 4]
    assert len(list((tmp_path / "work" / FRAMES).iterdir())) == 9


def test_it_is_off_where_it_does_not_pay_and_refused_without_a_length(generator, tmp_path):
    assert not runs_beside(generator, "auto") and runs_beside(generator, "on")
    moved = Generator(generator.backbone, generator.codec, torch.device("cuda"), torch.float32)
    assert runs_beside(moved, "auto") and not runs_beside(moved, "off")
    moved.loading = Loading(offload="model")
    assert not runs_beside(moved, "on")
    with pytest.raises(SystemExit):
        main(["generate", "a star", "--pipelined", "on", "--out", str(tmp_path / "a.mp4")])
    with pytest.raises(ConfigError, match="Add --frames"):
        from filmgrid.commands import generate

        generate(GenerateRequest(), None, 1, dry_run=True, as_json=False, pipelined="off")
