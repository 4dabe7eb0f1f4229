"""Reports of evaluations: one HTML file that needs nothing else, Markdown, or JSON. Torch-free."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from filmgrid.data.files import atomic_folder, atomic_path, check_folder, check_place
from filmgrid.errors import ConfigError
from filmgrid.evaluation import report_words as words
from filmgrid.evaluation.compare import Difference
from filmgrid.evaluation.report_clips import Gallery, comparison_gallery, evaluation_gallery
from filmgrid.evaluation.report_plots import (
    STYLE,
    Row,
    interval_plot,
    standalone,
    strip_plot,
)
from filmgrid.evaluation.results import Evaluation, MetricResult

SHEETS = 8
"""Clips that a report shows."""
MAX_SHEETS = 64
_SUFFIXES = (".html", ".md", ".json")
_OURS = re.compile(r"(clip|plot)-\d+-\w+\.(webp|svg)")

KINDS = {
    "clip": (
        "By itself",
        "Each clip alone, generated and real. In brackets: bootstrap intervals of means over "
        "clips, drawn by clip.",
    ),
    "pair": (
        "Against its real clip",
        "Each generated clip against the real one of its name. In brackets: bootstrap intervals "
        "of means over clips, drawn by clip.",
    ),
    "distance": (
        "Between the sets",
        "All generated clips against all real ones, by features, in draws of n clips. In brackets: "
        "for generated clips an interval from halves of the draws; for the floor the range over "
        "draws of real clips against other real clips.",
    ),
    "score": ("By a classifier", "The generated clips alone."),
}
"""Title of each table, and what its numbers and brackets are."""


@dataclass(frozen=True, slots=True)
class Plots:
    """Of one metric, as SVG; empty where there is nothing finite to draw."""

    interval: str
    paired: str = ""
    clips: str = ""


@dataclass(slots=True)
class _Files:
    """Pictures that lie beside a Markdown file."""

    folder: str
    content: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, data: bytes) -> str:
        """Keep a file, and give its address."""
        self.content[name] = data
        return f"{quote(self.folder)}/{name}"


def check_report(path: Path) -> None:
    """Refuse a name under which no report can be written, before anything is measured.

    Raises:
        ConfigError: if the suffix is none of a report.
        MediaError: if the place cannot be written, or other files are in the way.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(
            f"{path.name} is no name of a report. Use .html for one file that opens anywhere, "
            ".md for Markdown with its pictures beside it, or .json for the numbers."
        )
    check_place(path)
    if path.suffix.lower() == ".md":
        check_folder(_folder_of(path), _holds_only_ours)


def write_report(evaluation: Evaluation, path: Path, sheets: int = SHEETS) -> Path:
    """Write what an evaluation found: words, clips, tables, plots, and how to repeat it.

    Clips are read again from where they were measured; where they are gone, a sentence stands in
    their place.

    Args:
        evaluation: what is reported.
        path: ``.html`` is one file without any link to outside; ``.md`` has its pictures in
            ``NAME_files`` beside it; ``.json`` is the evaluation itself.
        sheets: clips to show, 0 to 64; about a quarter of them usual ones, the others the worst.

    Returns:
        The file written.

    Raises:
        ConfigError: if the suffix is none of these, or that many clips cannot be shown.
        MediaError: if the place cannot be written.
    """
    _check(path, sheets)
    if path.suffix.lower() == ".json":
        return _write(path, evaluation.model_dump_json(indent=2))
    return _render(
        path,
        "evaluation",
        evaluation=evaluation,
        headline=words.headline(evaluation),
        verdicts=words.verdicts(evaluation),
        warnings=words.warnings(evaluation),
        reading=words.reading(evaluation),
        notes=words.notes(evaluation),
        gallery=evaluation_gallery(evaluation, sheets),
        tables=_tables(evaluation),
        plots={metric.name: _plots(metric) for metric in evaluation.metrics},
        settings={name: json.dumps(value) for name, value in evaluation.settings.items()},
    )


def write_comparison(
    first: Evaluation,
    second: Evaluation,
    differences: Mapping[str, Difference],
    path: Path,
    sheets: int = SHEETS,
) -> Path:
    """Write how two runs differ: words, the clips that differ most, paired differences.

    Args:
        first: evaluation of the one run.
        second: of the other, against the same real clips.
        differences: what ``compare_runs`` says of them.
        path: as for :func:`write_report`; ``.json`` is the differences.
        sheets: clips to show, 0 to 64.

    Returns:
        The file written.

    Raises:
        ConfigError: if the suffix is none of these, or that many clips cannot be shown.
        MediaError: if the place cannot be written.
    """
    _check(path, sheets)
    if path.suffix.lower() == ".json":
        found = [each.model_dump(mode="json") for each in differences.values()]
        return _write(path, json.dumps(found, indent=2))
    return _render(
        path,
        "comparison",
        first=first,
        second=second,
        differences=differences,
        headline=words.comparison_headline(differences),
        gallery=comparison_gallery(first, second, differences, sheets),
        plots={name: _difference_plot(each) for name, each in differences.items()},
    )


def _check(path: Path, sheets: int) -> None:
    check_report(path)
    if not 0 <= sheets <= MAX_SHEETS:
        raise ConfigError(
            f"{sheets} clips cannot be shown in one report. Use 0 to {MAX_SHEETS} sheets."
        )


def _tables(evaluation: Evaluation) -> list[tuple[str, str, str, list[MetricResult]]]:
    """Kind, title, what it says, and metrics of each table."""
    return [
        (kind, *told, rows)
        for kind, told in KINDS.items()
        if (rows := [metric for metric in evaluation.metrics if metric.kind == kind])
    ]


def _plots(metric: MetricResult) -> Plots:
    if metric.made is None:
        return Plots("")
    reference = "floor" if metric.kind == "distance" else "real"
    rows = [Row("generated", "made", metric.made)]
    about = f"{metric.name}: generated {metric.made}"
    if metric.real is not None:
        rows.append(Row(reference, "real", metric.real))
        about += f", {reference} {metric.real}"
    if metric.full is not None:
        rows.append(Row("all clips", "made", metric.full))
        about += f", all clips {metric.full}"
    paired = ""
    if metric.paired is not None:
        told = f"{metric.name}: generated minus its real clip {metric.paired}"
        paired = interval_plot([Row("minus real", "made", metric.paired)], told, zero=True)
    sets = [("generated", "made", list(metric.clips.values()))] if metric.clips else []
    if metric.real_clips:
        sets.append(("real", "real", list(metric.real_clips.values())))
    return Plots(
        interval_plot(rows, about, zero=metric.kind == "distance"),
        paired,
        strip_plot(sets, f"{metric.name} of every clip") if sets else "",
    )


def _difference_plot(each: Difference) -> Plots:
    about = f"{each.name}: second minus first {each.difference}"
    return Plots(interval_plot([Row("2nd - 1st", "made", each.difference)], about, zero=True))


def _render(path: Path, template: str, *, gallery: Gallery, **facts: object) -> Path:
    facts |= {"gallery": gallery, "words": words}
    if path.suffix.lower() == ".html":
        page = _environment().get_template(f"{template}.html.jinja")
        return _write(path, page.render(facts, plot_style=Markup(STYLE)))
    files = _Files(_folder_of(path).name)
    page = _environment(files).get_template(f"{template}.md.jinja")
    text = re.sub(r"\n{3,}", "\n\n", page.render(facts))
    with atomic_folder(_folder_of(path), _holds_only_ours) as part:
        for name, data in files.content.items():
            (part / name).write_bytes(data)
    return _write(path, text)


def _write(path: Path, text: str) -> Path:
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return path


def _folder_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_files")


def _holds_only_ours(folder: Path) -> bool:
    return all(_OURS.fullmatch(file.name) for file in folder.iterdir())


def _environment(files: _Files | None = None) -> Environment:
    """Templates of one format; whatever they are given is escaped for it."""
    environment = Environment(
        loader=PackageLoader("filmgrid.evaluation", "templates"),
        autoescape=files is None,
        finalize=None if files is None else _in_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": words.number, "brackets": words.brackets}
    if files is None:
        environment.filters["picture"] = _data_address
        environment.filters["plot"] = Markup
    else:
        environment.filters["picture"] = lambda data, name: Markup(files.add(name, data))
        environment.filters["plot"] = lambda svg, name: Markup(
            files.add(name, standalone(svg).encode())
        )
        environment.filters["code"] = _code_block
    return environment


def _data_address(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _in_markdown(value: object) -> object:
    """Text in which no sign means anything to Markdown or HTML."""
    if isinstance(value, Markup) or value is None:
        return value or ""
    text = " ".join(str(value).split())
    return Markup(re.sub(r"([\\`*_\[\]<>|~#&])", r"\\\1", text))


def _code_block(text: str) -> Markup:
    """A block of code, fenced by more ticks than the text has in a row."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{text}\n{fence}")
