import subprocess
import sys

import pytest

from filmgrid.bench.check import check_subjects
from filmgrid.bench.config import PEERS, BenchConfig, ClipSize, Ours, Theirs, parse_subject
from filmgrid.bench.peers.table import BY_NAME
from filmgrid.errors import ConfigError, FilmgridError
from filmgrid.grid.spec import Layout
from filmgrid.request import Task


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mini", ("mini", Task.TEXT, None)),
        ("mini:image", ("mini", Task.IMAGE, None)),
        ("mini:interpolate", ("mini", Task.KEYFRAMES, None)),
        ("mini:4x8", ("mini", Task.TEXT, Layout(4, 8))),
        ("runs/mine:extend:4x8", ("runs/mine", Task.EXTEND, Layout(4, 8))),
        (r"C:\runs\mine:edit", (r"C:\runs\mine", Task.EDIT, None)),
        ("runs/lr=2:edit", ("runs/lr=2", Task.EDIT, None)),
    ],
)
def test_our_subjects_name_model_task_and_layout(text, wanted):
    assert parse_subject(text) == Ours(text, *wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "weights"),
    [
        ("flux=tiny", ("flux", "tiny", None), "tiny"),
        ("wan=random@9x64x96", ("wan", "random", ClipSize(9, 64, 96)), "random"),
        ("svd=owner/name", ("svd", "owner/name", None), "trained"),
        ("ltx=some@where/x@1x2x3", ("ltx", "some@where/x", ClipSize(1, 2, 3)), "trained"),
    ],
)
def test_peers_name_weights_and_size(text, wanted, weights):
    found = parse_subject(text)
    assert found == Theirs(text, *wanted)
    assert found.weights == weights


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mini:fly", "'fly' in mini:fly is neither a task nor a layout"),
        ("mini:4x4:image", "'image' in mini:4x4:image is neither"),
        (":text", "names no model"),
        ("flux", "flux needs weights. Write flux=HUB_ID_OR_FOLDER"),
        (
            "fluks=tiny",
            "'fluks' in fluks=tiny is no pipeline that can be timed. Did you mean flux?",
        ),
        ("flux=", "names no weights"),
        ("flux=tiny@64", "'64' is not FRAMESxHEIGHTxWIDTH"),
    ],
)
def test_a_subject_that_cannot_be_read_gets_one_sentence(text, sentence):
    with pytest.raises(ConfigError) as refusal:
        BenchConfig(subjects=(text,))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"subjects": ()}, "name at least one"),
        ({"subjects": ("mini", "mini")}, "mini is named twice"),
        ({"rounds": 0}, "rounds: Input should be greater than or equal to 1"),
        ({"warmup": -1}, "warmup"),
        ({"steps": 0}, "steps"),
        ({"layout": "4"}, "'4' is not a layout"),
        ({"cell": "x"}, "cell"),
    ],
)
def test_a_setting_that_does_not_fit_gets_one_sentence(settings, sentence):
    with pytest.raises(ConfigError) as refusal:
        BenchConfig(**{"subjects": ("mini",), **settings})
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nosuch:text", "There is no model 'nosuch'"),
        ("mini:image:1x1", "a 1x1 grid has no room for others"),
        ("flux=tiny@4x64x64", "flux makes one image"),
        ("flux=nosuch", "nosuch is neither a folder nor a Hub id"),
        ("flux={folder}", "holds no pipeline: it has no model_index.json"),
        ("wan={folder}/other", "holds a FluxPipeline, and wan is timed as a WanPipeline"),
    ],
)
def test_what_cannot_be_opened_is_refused_before_weights_load(text, sentence, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(FilmgridError) as refusal:
        check_subjects(BenchConfig(subjects=(text.format(folder=tmp_path),)))
    assert sentence in str(refusal.value)


def test_cells_that_do_not_fit_the_model_are_refused():
    with pytest.raises(FilmgridError, match="nearest is 32x32"):
        check_subjects(BenchConfig(subjects=("mini",), cell=33))


def test_every_peer_that_can_be_named_is_there():
    assert tuple(BY_NAME) == PEERS


def test_checking_loads_neither_torch_nor_diffusers():
    program = (
        "import sys; from filmgrid.bench.command import bench; "
        "from filmgrid.bench.check import check_subjects; from filmgrid.bench.config import *; "
        "check_subjects(BenchConfig(subjects=('mini:image', 'flux=tiny', 'wan=owner/name'))); "
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
