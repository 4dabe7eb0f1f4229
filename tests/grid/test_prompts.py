import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgrid.errors import ConfigError
from filmgrid.grid.prompts import Wording, describe_layout
from filmgrid.grid.spec import Layout

PAPER = Layout(4, 6)

# The strings of GRID's paper (Table 4) and release, with its literal 24 and 4x6.
MULTI_VIEW = (
    "A 24-frame sequence arranged in a 4x6 grid. Each frame captures a 3D model of "
    "a white tiger in mid-stride with flowing muscles from a different angle, rotating 360 "
    "degrees. The sequence begins with a front view and progresses through a complete clockwise "
    "rotation"
)
TIME_SERIES = (
    "Multi-frame time series captured, arranged as 4x6 grid layout, 24 sequential frames with "
    "3-frame intervals, individual portrait-oriented frames, composited left-to-right "
    "top-to-bottom"
)
ACTION = (
    "24-frame action sequence in 4x6 grid showing a runner in motion, captured chronologically "
    "from left to right, top to bottom, highlighting key moments of movement and transition"
)


def test_multi_view_is_the_string_of_table_4():
    subject = "a white tiger in mid-stride with flowing muscles"
    assert describe_layout(subject, PAPER, Wording.MULTI_VIEW) == MULTI_VIEW


def test_multi_view_names_the_background_where_the_release_does():
    text = describe_layout("a teapot", PAPER, Wording.MULTI_VIEW, background="a black background")
    assert text.startswith(
        "A 24-frame sequence arranged in a 4x6 grid on a black background. Each frame captures"
    )


def test_time_series_is_the_string_of_the_release_with_the_layout_first():
    text = describe_layout("A street in rain.", PAPER, Wording.TIME_SERIES, interval=3)
    assert text == f"{TIME_SERIES}. A street in rain."


def test_action_is_the_string_of_the_release():
    assert describe_layout("a runner", PAPER, Wording.ACTION) == ACTION


def test_a_full_stop_of_the_prompt_does_not_end_the_template():
    assert describe_layout("a runner.", PAPER, Wording.ACTION) == ACTION


def test_layout_last_is_the_order_of_the_release():
    text = describe_layout(
        "A street in rain.", PAPER, Wording.TIME_SERIES, interval=3, layout_last=True
    )
    assert text == f"A street in rain. {TIME_SERIES}"
    text = describe_layout("A runner at dawn", PAPER, Wording.ACTION, layout_last=True)
    assert text == f"A runner at dawn. {ACTION.replace('a runner', 'the subject')}"


def test_the_prefix_comes_before_any_content():
    assert (
        describe_layout("A red circle moves.", Layout(4, 4))
        == "A 16-frame sequence arranged in a 4x4 grid. A red circle moves."
    )
    assert (
        describe_layout("A red circle moves.", Layout(4, 4), layout_last=True)
        == "A red circle moves. A 16-frame sequence arranged in a 4x4 grid"
    )


def test_no_wording_leaves_the_content_alone():
    assert describe_layout(" a red circle ", Layout(4, 4), Wording.NONE) == "a red circle"


@given(
    rows=st.integers(1, 8), cols=st.integers(1, 8), wording=st.sampled_from(Wording),
    last=st.booleans(),
)  # fmt: skip
def test_counts_follow_the_layout(rows: int, cols: int, wording: Wording, last: bool):
    text = describe_layout("a fox", Layout(rows, cols), wording, layout_last=last)
    if wording != Wording.NONE:
        assert f"{rows}x{cols}" in text
        assert str(rows * cols) in text
    assert "fox" in text


@pytest.mark.parametrize("wording", list(Wording))
def test_an_empty_prompt_is_refused(wording: Wording):
    with pytest.raises(ConfigError, match="The prompt is empty"):
        describe_layout(" ", PAPER, wording)


def test_options_without_a_place_are_refused_rather_than_dropped():
    with pytest.raises(ConfigError, match="no place for a background"):
        describe_layout("a fox", PAPER, Wording.ACTION, background="snow")
    with pytest.raises(ConfigError, match="interval of 3 frames has no place in the action"):
        describe_layout("a fox", PAPER, Wording.ACTION, interval=3)
    with pytest.raises(ConfigError, match="interval of 0"):
        describe_layout("a fox", PAPER, Wording.TIME_SERIES, interval=0)
