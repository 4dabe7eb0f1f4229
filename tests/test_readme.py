"""What README and docs say, run."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

import filmgrid
from filmgrid import cli
from filmgrid.models import places
from filmgrid.models.places import shipped_models
from filmgrid.training.files import load_config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def mini(tiny_model, tmp_path_factory, monkeypatch):
    """What is tested is that the words run; a model of random weights stands in for mini."""
    if "mini" in shipped_models():
        return
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(tiny_model, folder / "mini")
    facts = json.loads((folder / "mini" / "filmgrid.json").read_text())
    (folder / "mini" / "filmgrid.json").write_text(json.dumps({**facts, "layout": "4x4"}))
    monkeypatch.setattr(places, "SHIPPED", folder)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = "\n".join(blocks("")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("filmgrid generate")]


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
