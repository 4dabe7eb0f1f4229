"""The clips that a report shows, read again from where they were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from filmgrid.errors import FilmgridError
from filmgrid.evaluation.clips import ClipSet
from filmgrid.evaluation.compare import Difference
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.measure import clip_sets
from filmgrid.evaluation.report_cases import Case, differing_cases, usual_cases, worst_cases
from filmgrid.evaluation.report_sheets import Panel, Sheet, draw_sheet
from filmgrid.evaluation.report_words import sentence
from filmgrid.evaluation.results import Evaluation

PICTURE_BYTES = 5_400_000
"""Of all pictures in a report; an HTML file then stays below 8 MiB."""
SHEET_BYTES = 700_000
"""Of one clip's pictures at most."""
USUAL = 4
"""One in so many of the clips shown is a usual one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A clip with its pictures, or a sentence on why there are none."""

    number: int
    case: Case
    sheet: Sheet | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that are shown for the same reason."""

    title: str
    about: str
    clips: list[Shown]


@dataclass(frozen=True, slots=True)
class Gallery:
    """All clips of a report, by reason, or a sentence on why there are none."""

    groups: list[Group]
    note: str = ""


def evaluation_gallery(evaluation: Evaluation, count: int) -> Gallery:
    """The worst clips of an evaluation, then usual ones.

    Where no metric scores single clips: some spread evenly over the set. Where no generated clip
    has a real one of its name: some real ones too.
    """
    try:
        real, made = _sets(evaluation)
    except (FilmgridError, ValueError) as error:
        return Gallery([], _gone(error))
    groups = _chosen(evaluation, made, count)
    lone_real: list[Case] = []
    if count and not evaluation.pairs:
        lone_real = [Case(name) for name in _spread(real.names, max(1, count // USUAL))]
    shown = sum(len(cases) for _, _, cases in groups) + len(lone_real)
    drawing = _Drawing(shown)
    found = [
        Group(title, about, [drawing.of_evaluation(case, evaluation, real, made) for case in cases])
        for title, about, cases in groups
    ]
    if lone_real:
        about = "No generated clip has a real one of its name; these are spread over the set."
        clips = [drawing.show(case, [("real", real, case.name)]) for case in lone_real]
        found.append(Group("Real clips", about, clips))
    return Gallery(found, "" if found else "No clip was asked for.")


def comparison_gallery(
    first: Evaluation, second: Evaluation, differences: Mapping[str, Difference], count: int
) -> Gallery:
    """The clips on which two runs differ most, or some of them where no metric scores clips."""
    try:
        (real, one), (_, other) = _sets(first), _sets(second)
    except (FilmgridError, ValueError) as error:
        return Gallery([], _gone(error))
    cases = list(islice(differing_cases(first, second, differences), count))
    title, about = "Where they differ most", "Largest change of a score first."
    if not cases:
        shared = [name for name in one.names if name in set(other.names)]
        cases = [Case(name) for name in _spread(shared, count)]
        title, about = "Clips of both runs", "No metric scores single clips; spread over the set."
    drawing = _Drawing(len(cases))
    clips: list[Shown] = []
    for case in cases:
        partner = first.pairs.get(case.name)
        sides = [] if partner is None else [("real", real, partner)]
        sides += [("first", one, case.name), ("second", other, case.name)]
        clips.append(drawing.show(case, sides))
    return Gallery([Group(title, about, clips)] if clips else [], "" if clips else "No clip.")


def _sets(evaluation: Evaluation) -> tuple[ClipSet, ClipSet]:
    """The clips as they were measured.

    Raises:
        FilmgridError: if they cannot be read.
        ValueError: if the settings are those of another version.
    """
    paths = {"real": evaluation.real.path, "generated": evaluation.generated.path}
    return clip_sets(EvaluateConfig.model_validate({**evaluation.settings, **paths}))


def _chosen(evaluation: Evaluation, made: ClipSet, count: int) -> list[tuple[str, str, list[Case]]]:
    """Titles, explanations and clips, so many in all."""
    num_worst = min(count - count // USUAL, -(-len(made) // 2))
    first = list(islice(worst_cases(evaluation), num_worst))
    if not first:
        about = "No metric scores single clips; these are spread evenly over the set."
        return [("Generated clips", about, [Case(name) for name in _spread(made.names, count)])]
    taken = {case.name for case in first}
    usual = [case for case in usual_cases(evaluation) if case.name not in taken][
        : count - len(first)
    ]
    groups = [
        (
            "Worst clips",
            "What each metric scores worst; each clip once, with the scores that are to blame.",
            first,
        ),
        ("Usual clips", "Near the middle of most metrics.", usual),
    ]
    return [group for group in groups if group[2]]


def _spread(names: Sequence[str], count: int) -> list[str]:
    count = min(count, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def _gone(error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"Clips cannot be shown. {sentence(reason[:300])}"


class _Drawing:
    """Draws clips one after the other, with bytes for so many."""

    def __init__(self, count: int) -> None:
        self.max_bytes = min(SHEET_BYTES, PICTURE_BYTES // max(1, count))
        self.number = 0

    def of_evaluation(
        self, case: Case, evaluation: Evaluation, real: ClipSet, made: ClipSet
    ) -> Shown:
        """A generated clip, after the real one of its name where there is one."""
        partner = evaluation.pairs.get(case.name)
        if partner is None:
            note = "It has no real clip of its name." if evaluation.pairs else ""
            return self.show(case, [("generated", made, case.name)], note)
        return self.show(case, [("real", real, partner), ("generated", made, case.name)])

    def show(self, case: Case, sides: Sequence[tuple[str, ClipSet, str]], note: str = "") -> Shown:
        """Clips by label, set and name; those that cannot be read are told in a sentence."""
        self.number += 1
        panels: list[Panel] = []
        notes = [note] if note else []
        for label, clips, name in sides:
            try:
                panels.append(Panel(label, clips[name].frames))
            except KeyError:
                notes.append(f"{name} is no longer in {clips.path}.")
            except FilmgridError as error:
                notes.append(sentence(" ".join(str(error).split())))
        sheet = draw_sheet(panels, self.max_bytes) if panels else None
        return Shown(self.number, case, sheet, " ".join(notes))
