import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from filmgrid import cli
from filmgrid.data.media import probe, read_clip
from filmgrid.models.places import newest_checkpoint

ABSENT = "cuda" if sys.platform == "darwin" else "mps"


def run(*words):
    cli.main([str(word) for word in words])


def refused(capsys, *words):
    """The sentence that a mistake gets; it exits with 2."""
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return told


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture
def clip(tiny_model, tmp_path):
    run("generate", "a star", "--model", tiny_model, "--out", tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


# ---- what works ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.gif", "a.webp", "a.png", "a.json"])
def test_generate_writes_the_format_of_the_name(tiny_model, tmp_path, name, capsys):
    run("generate", "a star", "--model", tiny_model, "--out", tmp_path / name)
    assert (tmp_path / name).is_file()
    assert "4 frames, seed 0" in capsys.readouterr().out


def test_a_name_that_ends_with_a_slash_is_a_folder_of_numbered_frames(tiny_model, tmp_path):
    run("generate", "a star", "--model", tiny_model, "--out", f"{tmp_path}/frames/")
    names = sorted(path.name for path in (tmp_path / "frames").glob("*.png"))
    assert names == [f"{number:05d}.png" for number in range(4)]


def test_info_shows_how_a_file_came_to_be(tiny_model, clip, capsys):
    capsys.readouterr()
    run("info", clip, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["codec"] == "h264"
    assert told["made_by"]["layout"] == "2x2"
    assert told["made_by"]["request"]["prompt"] == "a star"
    assert "torch" in told["made_by"]["versions"]


def test_a_generated_file_is_enough_to_make_it_again(tiny_model, tmp_path, capsys):
    run("generate", "a star", "--model", tiny_model, "--seed", 4, "--out", tmp_path / "a.png")
    capsys.readouterr()
    run("info", tmp_path / "a.png", "--json")
    request = json.loads(capsys.readouterr().out)["made_by"]["request"]
    words = [request.pop("prompt")]
    for name, value in request.items():
        words += [f"--{name}", value]
    run("generate", *words, "--out", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_info_describes_a_model(tiny_model, capsys):
    run("info", tiny_model)
    assert "tiny" in capsys.readouterr().out


def test_evaluate_with_a_model_first_puts_it_beside_its_bars(tiny_model, tmp_path, capsys):
    asked = ("--only", "stills", "text", "--count", 2, "--work", tmp_path / "work")
    run("evaluate", tiny_model, *asked, "--out", tmp_path / "bars.json")
    told = capsys.readouterr().out
    assert "stills: colours and shape or kind right" in told
    assert "Not trained for: tiny was trained on 2x2, 1x1 and not on 4x4." in told
    run("evaluate", tiny_model, *asked, "--json")
    again = json.loads(capsys.readouterr().out)
    assert again == json.loads((tmp_path / "bars.json").read_text())


def test_evaluate_refuses_a_model_or_figure_that_is_not_there(tiny_model, capsys):
    assert "There is no model 'mimi'" in refused(capsys, "evaluate", "mimi")
    told = refused(capsys, "evaluate", tiny_model, "--only", "interpolate")
    assert "Did you mean interpolation?" in told
    assert "Give one of them" in refused(capsys, "evaluate", tiny_model, "--quick", "--full")


def test_pack_undoes_split_without_a_layout(tiny_model, tmp_path):
    run("generate", "a star", "--model", tiny_model, "--out", tmp_path / "grid.png")
    run("split", tmp_path / "grid.png", "--out", f"{tmp_path}/frames/")
    run("pack", tmp_path / "frames", "--out", tmp_path / "again.png")
    first, second = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in ("grid", "again"))
    assert (first == second).all()


def test_a_foreign_grid_is_split_with_its_gap(tmp_path):
    grid = np.zeros((2 + 2 * 10, 2 + 3 * 12, 3), np.uint8)
    for row in range(2):
        for col in range(3):
            grid[2 + row * 10 : 10 + row * 10, 2 + col * 12 : 12 + col * 12] = 10 * (row * 3 + col)
    Image.fromarray(grid).save(tmp_path / "grid.png")
    options = ("--layout", "2x3", "--gap", 2, "--out", f"{tmp_path}/frames/")
    run("split", tmp_path / "grid.png", *options)
    frames = read_clip(tmp_path / "frames").frames
    assert frames[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    run("pack", tmp_path / "frames", "--layout", "2x3", "--gap", 2, "--out", tmp_path / "b.png")
    assert (np.asarray(Image.open(tmp_path / "b.png")) == grid).all()


def test_the_task_is_inferred_from_what_is_given(tiny_model, tmp_path, picture, clip, capsys):
    capsys.readouterr()
    cases = {
        "text": [],
        "image": ["--image", picture],
        "keyframes": ["--keyframe", f"1={picture}", "--keyframe", f"3={picture}"],
        "edit": ["--video", clip],
        "redraw": ["--video", clip, "--redraw", "1,2"],
    }
    for task, words in cases.items():
        run("generate", "a star", "--model", tiny_model, *words, "--dry-run", "--json")
        assert json.loads(capsys.readouterr().out)["task"] == task


def test_a_dry_run_says_the_cost_and_makes_nothing(tiny_model, tmp_path, capsys):
    out = tmp_path / "a.mp4"
    run("generate", "a star", "--model", tiny_model, "--dry-run", "--out", out)
    told = capsys.readouterr().out
    assert "tokens    16 in each of 6 passes" in told
    assert "GiB" in told
    assert "time      about" in told
    assert not out.exists()


def test_upscaled_frames_are_larger_and_a_dry_run_says_so_before(tiny_model, tmp_path, capsys):
    words = ("generate", "a star", "--model", tiny_model, "--layout", "1x2", "--upscale", 4)
    out = tmp_path / "frames.png"
    run(*words, "--dry-run")
    told = capsys.readouterr().out
    run(*words, "--out", out)
    with Image.open(out) as made:
        width, height = made.size
    assert width == 2 * height and height % 4 == 0
    assert f"{height}x{height} px" in told


def test_a_dry_run_counts_the_steps_that_are_left(tiny_model, clip, capsys):
    passes = []
    for sigma in (1, 0.4):
        capsys.readouterr()
        run(
            *("generate", "a star", "--model", tiny_model, "--video", clip, "--sigma", sigma),
            *("--steps", 10, "--dry-run", "--json"),
        )
        passes.append(json.loads(capsys.readouterr().out)["passes"])
    assert passes[0] > passes[1] > 0


def test_the_report_of_several_lists_every_candidate(tiny_model, tmp_path, capsys):
    words = ("generate", "a star", "--model", tiny_model, "--best-of", 3, "--json")
    run(*words, "--out", tmp_path / "a.gif")
    told = json.loads(capsys.readouterr().out)
    assert len(told["candidates"]) == 3
    assert told["candidates"][0]["score"] == told["health"]["score"]


def test_progress_is_plain_lines_where_there_is_no_terminal(tiny_model, tmp_path, capsys):
    run("generate", "a star", "--model", tiny_model, "--out", tmp_path / "a.gif")
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("step")] == [
        "step 1/3",
        "step 2/3",
        "step 3/3",
    ]


def test_a_preset_trains_previews_and_generates(tmp_path, capsys):
    out = tmp_path / "run"
    run("train", "tiny", "--out", out, "--steps", 2, "--save-every", 1, "--validate-every", 0)
    assert "Try it: filmgrid generate" in capsys.readouterr().out
    run("generate", "a star", "--model", out, "--out", tmp_path / "a.gif", "--steps", 2)
    assert probe(tmp_path / "a.gif").num_frames == 4


def test_training_from_a_file_takes_overrides(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "out: elsewhere\nsteps: 1\ncell: 16\nbatch: 2\ncompile: false\nworkers: 0\n"
        "validate_every: 0\nlayouts: [{layout: 1x2}]\n"
        "model: {dim: 64, depth: 1, head_dim: 32}\n"
    )
    run("train", config, "--out", tmp_path / "run")
    assert newest_checkpoint(tmp_path / "run").name == "step-00000001"


@pytest.mark.parametrize(("words", "has_text"), [([], False), (["--caption-template", "x"], True)])
def test_a_model_has_text_if_its_data_has_captions(words, has_text, tmp_path, clip, capsys):
    run("dataset", "build", clip, "--layout", "2x2", "--cell", 32, "--out", tmp_path / "d", *words)
    config = tmp_path / "config.yaml"
    config.write_text(
        f"out: {tmp_path / 'run'}\ndata: [{{kind: folder, folder: {tmp_path / 'd'}}}]\n"
        "steps: 1\nbatch: 2\ncompile: false\nworkers: 0\nvalidate_every: 1\nnum_steps: 2\n"
        "layouts: [{layout: 2x2}]\nmodel: {dim: 64, depth: 1, head_dim: 32}\n"
    )
    run("train", config)
    capsys.readouterr()
    run("info", tmp_path / "run", "--json")
    assert json.loads(capsys.readouterr().out)["has_text"] is has_text


def test_a_dataset_is_built_drawn_and_measured(tmp_path, clip, capsys):
    data = tmp_path / "data"
    run("dataset", "build", clip, "--layout", "2x2", "--cell", 32, "--out", data)
    run("dataset", "preview", data)
    assert (tmp_path / "data-preview" / "preview-0.png").is_file()
    capsys.readouterr()
    run("dataset", "stats", data, "--json")
    assert json.loads(capsys.readouterr().out)


def test_models_lists_what_is_shipped(capsys):
    run("models", "--json")
    assert isinstance(json.loads(capsys.readouterr().out), list)


# ---- mistakes ------------------------------------------------------------------------------

MISTAKES = {
    "no such file": (["--image", "{tmp}/nothing.png"], "nothing.png"),
    "an empty video": (["--video", "{tmp}/empty.mp4"], "empty.mp4"),
    "a truncated video": (["--video", "{tmp}/cut.mp4"], "cut.mp4"),
    "a text file named mp4": (["--video", "{tmp}/text.mp4"], "text.mp4"),
    "an empty folder of frames": (["--video", "{tmp}/folder"], "folder"),
    "mixed sizes": (["--video", "{tmp}/mixed"], "mixes sizes"),
    "too short a video": (["--video", "{tmp}/clip.mp4", "--layout", "4x4"], "4x4 grid needs 16"),
    "an image bomb": (["--image", "{tmp}/bomb.png"], "bomb.png"),
    "a text file named png": (["--image", "{tmp}/text.png"], "text.png"),
    "another size without fit": (["--image", "{tmp}/wide.png"], "--fit crop|pad|resize"),
    "a wrong layout": (["--layout", "4by4"], "for example 4x6"),
    "an empty layout": (["--layout", "0x4"], "0 rows x 4 columns"),
    "a cell off the stride": (["--cell", "60"], "nearest is 64x64"),
    "no size": (["--cell", "big"], "not the size of a cell"),
    "a keyframe without a cell": (["--keyframe", "{tmp}/picture.png"], "CELL=FILE"),
    "a keyframe off the grid": (["--keyframe", "9={tmp}/picture.png"], "no cell 9"),
    "two first frames": (
        ["--image", "{tmp}/picture.png", "--keyframe", "0={tmp}/picture.png"],
        "both the first frame",
    ),
    "a redraw without video": (["--redraw", "1"], "Add --video"),
    "frames of no video": (["--video-stride", "2"], "Add --video"),
    "nothing to fit": (["--fit", "crop"], "nothing to fit"),
    "cells that are none": (["--video", "{tmp}/clip.mp4", "--redraw", "a-b"], "5,6 or 4-7,12"),
    "sigma above 1": (["--sigma", "1.5"], "less than or equal to 1"),
    "sigma and strength": (["--sigma", "0.5", "--strength", "0.5"], "both set the start"),
    "no steps": (["--steps", "0"], "greater than or equal to 1"),
    "a task without its input": (["--task", "edit"], "--video FILE"),
    "an unknown suffix": (["--out", "{tmp}/a.xyz"], "suffix"),
    "an out that is in the way": (["--out", "{tmp}/mixed/"], "mixed"),
    "no such model": (["--model", "{tmp}/nowhere"], "no model"),
    "a folder that is no model": (["--model", "{tmp}/mixed"], "holds no model"),
    "too long a prompt": (["PROMPT" * 80], "Shorten it"),
    "no such device": (["--device", ABSENT], f"no {ABSENT} device"),
}


@pytest.fixture(scope="module")
def mess(tmp_path_factory, tiny_model):
    """A folder with one of everything that can be wrong."""
    folder = tmp_path_factory.mktemp("mess")
    run("generate", "a star", "--model", tiny_model, "--out", folder / "clip.mp4")
    whole = (folder / "clip.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (folder / "empty.mp4").touch()
    for name in ("text.mp4", "text.png"):
        (folder / name).write_text("these are words")
    (folder / "folder").mkdir()
    (folder / "mixed").mkdir()
    for number, side in enumerate((32, 32, 48, 32)):
        Image.new("RGB", (side, side)).save(folder / "mixed" / f"{number}.png")
    Image.new("RGB", (32, 32)).save(folder / "picture.png")
    Image.new("RGB", (64, 32)).save(folder / "wide.png")
    Image.new("1", (40_000, 40_000)).save(folder / "bomb.png")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_clear_sentence_and_loses_nothing(
    mistake, mess, tiny_model, capsys, tmp_path
):
    words, message = MISTAKES[mistake]
    words = [word.replace("{tmp}", str(mess)) for word in words]
    prompt = [] if words[0].startswith("PROMPT") else ["a star"]
    out = tmp_path / "kept.mp4"
    out.write_bytes(b"what was there before")
    given = {word for word in words if word.startswith("--")}
    defaults = [] if "--model" in given else ["--model", tiny_model]
    defaults += [] if "--out" in given else ["--out", out]
    before = sorted(path for path in mess.rglob("*"))
    told = refused(capsys, "generate", *prompt, *words, *defaults)
    sentence = told.strip().splitlines()[-1]
    assert sentence.startswith("filmgrid: ")
    assert message in sentence
    assert out.read_bytes() == b"what was there before"
    assert sorted(path for path in mess.rglob("*")) == before


def test_a_mistyped_flag_is_answered_with_the_nearest(tiny_model, capsys):
    with pytest.raises(SystemExit) as stop:
        run("generate", "a star", "--layuot", "4x4")
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert "--layout" in captured.err + captured.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out: x\nstepz: 3\n", "stepz is not a known key. Did you mean steps?"),
        ("out: x\nmodel: {width: 64}\n", "width is not a known key"),
        ("out: x\nsteps: many\n", "steps"),
        ("out: x\ncell: 60\n", "nearest is 64x64"),
        ("out: x\nmodel: {dim: 100}\n", "dim 100 is not a multiple"),
        ("out: [\n", "is not YAML"),
        ("just words\n", "holds no settings"),
        ("steps: 3\n", "out is missing"),
        ("out: x\ndata: [{kind: folder, folder: nowhere}]\n", "nowhere is not a dataset"),
        ("out: x\ndata: [{kind: films}]\n", "films"),
    ],
)
def test_a_wrong_configuration_is_refused_before_training(
    text, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert message in refused(capsys, "train", config)
    assert not (tmp_path / "x").exists()


def test_training_without_a_configuration_names_the_presets(capsys):
    assert "mini" in refused(capsys, "train")
    assert "mini" in refused(capsys, "train", "nowhere.yaml")


def test_debug_shows_where_a_mistake_was_found(tiny_model):
    with pytest.raises(Exception, match="no model"):
        run("generate", "a star", "--model", "nowhere", "--debug")


def test_a_full_disk_is_said_and_keeps_what_was_there(tiny_model, tmp_path):
    """A real limit on the size of files, in a process of its own."""
    out = tmp_path / "a.webp"
    out.write_bytes(b"before")
    program = (
        "import resource, sys; from filmgrid import cli; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)); cli.main(sys.argv[1:])"
    )
    words = ["generate", "a star", "--model", str(tiny_model), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == b"before"


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said_before_sampling(tiny_model, tmp_path, capsys):
    tmp_path.chmod(0o500)
    told = refused(capsys, "generate", "x", "--model", tiny_model, "--out", tmp_path / "a.gif")
    assert "read-only" in told


def test_a_killed_generate_leaves_no_file_under_the_final_name(tiny_model, tmp_path):
    out = tmp_path / "a.mp4"
    words = ["generate", "a star", "--model", str(tiny_model), "--out", str(out)]
    command = [sys.executable, "-m", "filmgrid", *words, "--steps", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 1/"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()


# ---- cold start ----------------------------------------------------------------------------


def python(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_importing_filmgrid_loads_neither_torch_nor_diffusers():
    program = "import sys, filmgrid; print([m for m in ('torch', 'diffusers') if m in sys.modules])"
    assert python(program).strip() == "[]"


@pytest.mark.parametrize(
    "words", [["--help"], ["generate", "--help"], ["dataset", "build", "--help"], ["--version"]]
)
def test_help_and_version_load_no_torch(words):
    program = (
        "import sys; from filmgrid import cli\n"
        f"try: cli.main({words!r})\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    assert python(program).splitlines()[-1] == "False False"


@pytest.mark.parametrize("given", [["evaluate", "mini"], ["info", "clip.mp4"]])
def test_help_names_what_was_given_already(given, capsys):
    with pytest.raises(SystemExit):
        run(*given, "--help")
    usage = capsys.readouterr().out.splitlines()[0]
    assert usage.startswith(f"usage: filmgrid {given[0]} ")
    assert {"evaluate": " MODEL", "info": " PATH"}[given[0]] in usage


@pytest.mark.parametrize("words", [["metrics"], ["evaluate", "--help"]])
def test_a_reader_that_stops_early_gets_no_traceback(words):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "filmgrid", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("command", "flag"), [("evaluate", "floor"), ("bench", "memory")])
def test_flags_that_leave_something_out_say_so(command, flag, capsys):
    with pytest.raises(SystemExit):
        run(command, "--help")
    told = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    assert f"--no-{flag} Leave out the {flag}," in told


def test_help_answers_within_half_a_second():
    """The least of five, since a busy machine only adds to it."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "filmgrid", "--help"], capture_output=True, check=True
        )
        times.append(time.perf_counter() - started)
    assert min(times) < 0.5


def test_every_command_has_its_sentence_and_its_action():
    from filmgrid.cli import COMMANDS, DATASET_COMMANDS
    from filmgrid.cli.actions import ACTIONS

    of_dataset = {f"dataset {name}" for name in DATASET_COMMANDS}
    assert {*ACTIONS, "train", "dataset"} == {*COMMANDS, *of_dataset, "measure"}
