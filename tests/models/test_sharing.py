"""Two real processes, gloo between them, against one."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.errors import ConfigError, SharingError
from filmgrid.generator import Generator, Progress, Result
from filmgrid.loading import Loading
from filmgrid.request import GenerateRequest


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("tiny"), {}

    def find(name):
        if name not in made:
            save_tiny(name, root / name)
            made[name] = root / name
        return made[name]

    return find


@pytest.fixture
def shared(tiny):
    """A generator whose passes two processes share."""
    opened = []

    def open_shared(name):
        made = Generator.from_pretrained(tiny(name), "cpu", "fp32", Loading(devices=2))
        opened.append(made.backbone.module.peers)
        return made

    yield open_shared
    for each in opened:
        each.close()


def made_by(generator, **words):
    """Latents after every step, and the frames."""
    request = {"prompt": "a red ball", "layout": "2x2", "cell": 32, "steps": 2, "seed": 1, **words}
    events = list(generator.generate(GenerateRequest(model=generator.name, **request)))
    latents = [each.latents for each in events if isinstance(each, Progress)]
    [result] = [each for each in events if isinstance(each, Result)]
    return torch.stack(latents), result.arrays.astype(int)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flux", {}),
        pytest.param("flux", {"layout": "1x3", "best_of": 2}, marks=pytest.mark.long),
        pytest.param("flux2-klein", {"guidance": 4.0}, marks=pytest.mark.long),
    ],
)
def test_two_processes_make_what_one_makes(tiny, shared, name, words):
    """Latents to 1e-5 of the largest, frames to 1 of 255 levels, in 32 bits."""
    alone = Generator.from_pretrained(tiny(name), "cpu", "fp32")
    latents, frames = made_by(alone, **words)
    generator = shared(name)
    together, frames_together = made_by(generator, **words)
    largest = float(latents.abs().max())
    assert largest > 1
    assert float((together - latents).abs().max()) < 1e-5 * largest
    assert np.abs(frames_together - frames).max() <= 1
    assert frames.std() > 1
    [peer] = generator.backbone.module.peers.processes
    assert peer.poll() is None  # it was there to the end


@pytest.mark.long
def test_tokens_that_cannot_be_shared_are_refused_and_others_then_made(shared):
    generator = shared("flux")
    with pytest.raises(ConfigError, match="3 tokens are not shared by 2"):
        made_by(generator, layout="1x3", cell=16)
    _, frames = made_by(generator)
    assert frames.shape[1] == 4


@pytest.mark.long
def test_a_peer_that_dies_is_said_and_leaves_nothing_behind(shared):
    generator = shared("flux")
    made_by(generator, steps=1)
    [peer] = generator.backbone.module.peers.processes
    peer.kill()
    with pytest.raises(SharingError, match="ended with -9"):
        made_by(generator)


@pytest.mark.long
def test_a_pass_that_breaks_ends_the_sharing_instead_of_hanging_the_next(shared):
    generator = shared("flux")
    made_by(generator, steps=1)
    block = generator.backbone.module.network.transformer_blocks[0]
    kept = block.forward
    block.forward = lambda *_, **__: (_ for _ in ()).throw(RuntimeError("out of memory"))
    with pytest.raises(SharingError, match="share failed: out of memory"):
        made_by(generator)
    block.forward = kept
    with pytest.raises(SharingError):
        made_by(generator)


@pytest.mark.long
def test_the_shell_shares_a_generation(tiny, tmp_path):
    words = ["generate", "a red ball", "--model", str(tiny("flux")), "--layout", "2x2", "--cell"]
    words += ["32", "--steps", "2", "--device", "cpu", "--precision", "fp32", "--devices", "2"]
    command = [sys.executable, "-m", "filmgrid", *words, "--out", str(tmp_path / "made")]
    subprocess.run(command, check=True, timeout=600)
    assert len(list((tmp_path / "made").glob("*.png"))) == 4


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("z-image", {}, "no context parallel"),
        ("flux", {"offload": "model"}, "offload and devices 2"),
        ("flux", {"step_cache": 0.1}, "step_cache and devices 2"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_it_is_loaded(tiny, name, words, said):
    with pytest.raises(ConfigError, match=said):
        Generator.from_pretrained(tiny(name), "cpu", "fp32", Loading(devices=2, **words))


def test_mini_is_not_shared():
    with pytest.raises(ConfigError, match="devices is for pretrained"):
        Generator.from_pretrained("mini", "cpu", "fp32", Loading(devices=2))
