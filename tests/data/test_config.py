import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from filmgrid.data.config import DatasetConfig, Fit
from filmgrid.data.fit import FitMode
from filmgrid.errors import ConfigError
from filmgrid.grid.spec import CellSize, Layout


def config(**values: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"sources": ["clips"], "out": "set", **values})


def refusal(**values: object) -> str:
    with pytest.raises(ConfigError) as caught:
        DatasetConfig(**({"sources": ["clips"], "out": "set"} | values))  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_every_field_has_help_on_one_line():
    for name, field in DatasetConfig.model_fields.items():
        assert field.description, name
        assert "\n" not in field.description, name
        assert len(field.description) <= 100, name


def test_a_misspelled_key_is_refused_with_the_nearest_one():
    assert refusal(layuot="4x4") == "layuot is not a known key. Did you mean layout?"
    assert "not a known key" in refusal(zzz=1)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="out is missing"):
        DatasetConfig(sources=(Path("clips"),))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"sources": []}, "sources: there is none"),
        ({"layout": "4by4"}, "'4by4' is not a layout"),
        ({"layout": "0x4"}, "not a grid"),
        ({"cell": 0}, "not the size of a cell"),
        ({"cell": "64x"}, "not the size of a cell"),
        ({"stride": 0}, "stride: Input should be greater than or equal to 1 (got 0)"),
        ({"step": 0}, "step"),
        ({"tail": "wrap"}, "'drop' or 'back'"),
        ({"fit": "stretch"}, "'crop', 'pad' or 'resize'"),
        ({"mosaic": "6x8", "strip_width": 64}, "cannot be used together"),
        ({"mosaic_gap": 2}, "nothing without mosaic"),
        ({"mosaic_margin": 0}, "nothing without mosaic"),
        ({"group": "("}, "not a regular expression"),
        ({"group": "person"}, "captures 0 groups, not one"),
        ({"group": "(a)(b)"}, "captures 2 groups, not one"),
        ({"group_divide": 8}, "needs group"),
        ({"held_out_fraction": 1.0}, "less than 1"),
        ({"held_out_fraction": 0.1, "held_out_groups": ("3",)}, "cannot be used together"),
        ({"held_out_step": 4}, "nothing is held out"),
        ({"caption_template": "{action}"}, "{action} is not known in a caption. Use {stem}"),
        ({"caption_template": "{"}, "not a template"),
        ({"max_sequences_per_clip": 0}, "max_sequences_per_clip"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(values: dict[str, object], part: str):
    assert part in refusal(**values)


def test_one_source_needs_no_list():
    assert config(sources="clips").sources == (Path("clips"),)
    assert config(sources=Path("clips")).sources == (Path("clips"),)


def test_a_cell_is_square_or_height_by_width():
    assert config(cell=64).cell_size == config(cell="64").cell_size == CellSize(64, 64)
    assert config(cell=" 48×64 ").cell_size == CellSize(48, 64)
    assert config(cell="48x64").cell_size == CellSize(48, 64)


def test_a_mosaic_has_its_gap_around_it_unless_told():
    assert config(mosaic="6X8", mosaic_gap=2).mosaic_layout == Layout(6, 8, 2)
    told = config(mosaic="6x8", mosaic_gap=2, mosaic_margin=0)
    assert told.mosaic_layout == Layout(6, 8, 2, 0)
    assert config().mosaic_layout is None


def test_sequences_follow_each_other_without_overlap_by_default():
    strided = config(layout="2x2", stride=3)
    assert strided.span == 10
    assert strided.window_step == 12
    assert config(layout="2x2", step=5).window_step == 5


def test_held_out_sequences_do_not_overlap_although_trained_ones_do():
    dense = config(layout="2x2", step=1, held_out_fraction=0.5)
    assert dense.for_held_out().window_step == 4
    told = config(layout="2x2", step=1, held_out_fraction=0.5, held_out_step=2)
    assert told.for_held_out().window_step == 2


def test_a_config_survives_json():
    told = config(layout="4X6", cell="48x64", group=r"(\d+)", held_out_groups=("3", "4"))
    assert DatasetConfig.model_validate_json(told.model_dump_json()) == told
    assert told.layout == "4x6"


def test_help_needs_neither_torch_nor_numpy():
    code = (
        "import sys, filmgrid.data.config; "
        "assert not {'torch', 'numpy', 'PIL', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_ways_to_fit_are_those_that_exist():
    assert get_args(Fit) == get_args(FitMode)
