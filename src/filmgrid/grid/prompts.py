"""Wording that tells a text-to-image model about the grid. Free of torch.

Source: GRID, arXiv:2412.10718, Table 4 (multi-view), and the caption and sampling scripts of its
release for the other two. There the number of frames and the grid are literals, 24 and 4x6;
here they follow the layout, and with 4x6 the strings are the release's own.
"""

from enum import StrEnum

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout


class Wording(StrEnum):
    """How a prompt describes its layout."""

    MULTI_VIEW = "multi-view"
    """Views around one subject, from GRID's Table 4."""
    TIME_SERIES = "time-series"
    """Frames of a clip with an interval, from GRID's release."""
    ACTION = "action"
    """A subject in motion, from GRID's release."""
    PREFIX = "prefix"
    """Number of frames and grid only, then the content: fits anything."""
    NONE = "none"
    """The content alone, for models that know their layout otherwise."""


def wording_for(layout: Layout, wording: Wording) -> Wording:
    """The wording that a model is used to, for this layout: one image has no layout to describe."""
    return Wording.NONE if layout.num_cells == 1 else wording


def describe_layout(
    content: str,
    layout: Layout,
    wording: Wording = Wording.PREFIX,
    *,
    interval: int = 1,
    background: str | None = None,
    layout_last: bool = False,
) -> str:
    """Put the layout into words, around or before the content of a prompt.

    Multi-view and action name the content as their subject, so write ``a white tiger`` rather
    than a sentence. The others put the layout first, as the paper says, and then the content.

    Args:
        content: what the sequence shows.
        layout: rows and columns; a gap is not described.
        wording: which of the templates.
        interval: frames of the source from one cell to the next, at least 1; time-series only.
        background: such as ``a black background``; multi-view only.
        layout_last: the order of GRID's release, ``<caption>. <template>``. Subject templates
            then speak of "the subject", as the release does when it knows no name for it.

    Raises:
        ConfigError: if there is no content, or an option has no place in this wording.
    """
    content = content.strip()
    if not content:
        raise ConfigError("The prompt is empty. Say what the sequence shows: 'a white tiger'.")
    if background is not None and wording != Wording.MULTI_VIEW:
        raise ConfigError(
            f"The {wording} wording has no place for a background. "
            "Describe it in the prompt itself, or use the multi-view wording."
        )
    if interval < 1 or (interval != 1 and wording != Wording.TIME_SERIES):
        raise ConfigError(
            f"An interval of {interval} frames has no place in the {wording} wording. "
            "Use an interval of at least 1 with the time-series wording, or leave it out."
        )
    named_inside = wording in {Wording.MULTI_VIEW, Wording.ACTION} and not layout_last
    subject = content.rstrip(".") if named_inside else "the subject"
    match wording:
        case Wording.NONE:
            return content
        case Wording.PREFIX:
            template = f"A {layout.num_cells}-frame sequence arranged in a {layout} grid"
        case Wording.MULTI_VIEW:
            template = _multi_view(subject, layout, background)
        case Wording.TIME_SERIES:
            template = _time_series(layout, interval)
        case Wording.ACTION:
            template = _action(subject, layout)
    if named_inside:
        return template
    first, last = (content, template) if layout_last else (template, content)
    return f"{first.rstrip('.')}. {last}"


def _multi_view(subject: str, layout: Layout, background: str | None) -> str:
    where = f" on {background}" if background else ""
    return (
        f"A {layout.num_cells}-frame sequence arranged in a {layout} grid{where}. "
        f"Each frame captures a 3D model of {subject} from a different angle, "
        "rotating 360 degrees. The sequence begins with a front view and progresses "
        "through a complete clockwise rotation"
    )


def _time_series(layout: Layout, interval: int) -> str:
    return (
        f"Multi-frame time series captured, arranged as {layout} grid layout, "
        f"{layout.num_cells} sequential frames with {interval}-frame intervals, "
        "individual portrait-oriented frames, composited left-to-right top-to-bottom"
    )


def _action(subject: str, layout: Layout) -> str:
    return (
        f"{layout.num_cells}-frame action sequence in {layout} grid showing {subject} in motion, "
        "captured chronologically from left to right, top to bottom, "
        "highlighting key moments of movement and transition"
    )
