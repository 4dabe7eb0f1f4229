"""What README and docs say, run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import filmgrid
from filmgrid import cli
from filmgrid.models.places import SHIPPED, load_facts, shipped_models
from filmgrid.training.files import load_config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = "\n".join(blocks("")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("filmgrid generate")]


def test_the_shipped_weights_are_whole_and_small():
    assert shipped_models() == ["mini"]
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 32 * 2**20
    assert all(path.stat().st_size <= 15 * 2**20 for path in files)
    facts = load_facts(SHIPPED / "mini")
    assert facts.licence == "Apache-2.0"
    assert facts.training["config"]["name"] == "mini"
    assert facts.training["config"]["seed"] == 9
    assert (SHIPPED / "mini" / "README.md").is_file()


def test_mini_paints_a_red_thing_that_moves_to_the_right():
    made = filmgrid.Generator.from_pretrained("mini")(
        "a red circle moving right quickly on a black background", seed=0
    )
    frames = made.arrays[0].astype(int)
    red = (frames[..., 0] > 120) & (frames[..., 1:] < 110).all(axis=-1)
    dark = (frames < 70).all(axis=-1)
    assert (red | dark).mean() > 0.85
    assert (red.sum(axis=(1, 2)) > 40).all()
    places = [np.nonzero(frame)[1].mean() for frame in red]
    assert np.polyfit(range(16), places, 1)[0] > 0.3


@pytest.mark.parametrize("program", blocks("python"))
def test_the_python_of_the_readme_runs(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})
    assert (tmp_path / "circle.mp4").is_file()


def test_the_generate_commands_of_the_readme_run_in_their_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["generate", "a red circle moving right", "--steps", "2", "--out", "frames/"])
    for name, frame in (("first", 0), ("a", 0), ("b", 15)):
        (tmp_path / f"{name}.png").write_bytes(
            (tmp_path / "frames" / f"{frame:05d}.png").read_bytes()
        )
    for command in commands():
        if "--model runs/" in command:
            continue
        words = shlex.split(command)[1:]
        cli.main([*words, "--steps", "2"])
        if "--out" in words:
            assert (tmp_path / words[words.index("--out") + 1]).exists(), command


def test_the_configuration_of_the_readme_is_valid(tmp_path):
    (text,) = blocks("yaml")
    (tmp_path / "config.yaml").write_text(text)
    assert load_config(tmp_path / "config.yaml").steps == 1500


def test_the_examples_are_valid():
    for path in (ROOT / "examples").rglob("*.yaml"):
        load_config(path)


def test_every_public_name_can_be_had():
    for name in filmgrid.__all__:
        assert getattr(filmgrid, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = filmgrid.nothing
