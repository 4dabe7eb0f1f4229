"""Measure a model figure by figure; what was judged before is not made again."""

from collections.abc import Callable, Sequence
from typing import Any

from filmgrid.bars.config import BarsConfig
from filmgrid.bars.figure import Figure, Setup
from filmgrid.bars.figures import find_figures
from filmgrid.bars.keeping import Judged, Kept, weights_of
from filmgrid.bars.results import UNTRAINED, BarResult, BarsReport, below_base, sum_up
from filmgrid.bars.stills import BASE_ROW, STILLS
from filmgrid.data.provenance import current_versions
from filmgrid.errors import ConfigError
from filmgrid.models.places import find_model, load_facts

Show = Callable[[int, int], None]
NUM_TIMES = 3
"""Repeats of the times, which differ less than sequences do."""


def measure_bars(
    config: BarsConfig,
    show: Show = lambda done, total: None,
    open_generator: Callable[[str], Any] | None = None,
) -> BarsReport:
    """Measure a model on the world and put each figure beside its bars.

    Args:
        config: which model, and how.
        show: told how many sequences are judged, and of how many.
        open_generator: loads a model by name, in place of
            :meth:`~filmgrid.generator.Generator.from_pretrained`; what it gives is called like one.

    Raises:
        ConfigError: if there is no such figure, or the base does not make stills.
        CheckpointError: if there is no such model.
        MediaError: if the work folder cannot be written.
    """
    figures = find_figures(config.only)
    if config.base is not None and STILLS not in figures:
        raise ConfigError("base is compared by stills. Add stills to --only, or leave base out.")
    setup, kept = _open(config, config.model, open_generator)
    base = None if config.base is None else _open(config, config.base, open_generator)
    if base is not None:
        unfit = STILLS.unfit(base[0].facts) or STILLS.unfit(setup.facts)
        if unfit:
            raise ConfigError(f"Stills cannot be compared: {unfit}")
    fit = [figure for figure in figures if not figure.unfit(setup.facts)]
    total = sum(_count(config, figure) for figure in fit)
    total += _count(config, STILLS) if base is not None else 0
    done = 0

    def judged(figure: Figure, setup: Setup, kept: Kept) -> list[Judged]:
        nonlocal done
        found = []
        for number in range(_count(config, figure)):
            one = kept.find(figure, setup, number)
            if one is None:
                one = Judged(*figure.run(setup, number))
                kept.add(figure, setup, number, one)
            found.append(one)
            done += 1
            show(done, total)
        return found

    rows: list[BarResult] = []
    for figure in figures:
        unfit = figure.unfit(setup.facts)
        if unfit:
            rows += [_untrained(figure, unfit)]
            continue
        found = judged(figure, setup, kept)
        made, real = [one.made for one in found], [one.real for one in found]
        rows += [sum_up(figure.name, row, made, real) for row in figure.rows]
        if figure is STILLS and base is not None:
            others = [one.made for one in judged(STILLS, *base)]
            rows.append(below_base(figure.name, BASE_ROW, made, others))
    return BarsReport(
        model=config.model,
        weights=kept.weights,
        cell=str(setup.cell),
        settings=config.model_dump(mode="json", exclude={"work"}, exclude_none=True),
        rows=rows,
        notes=_notes(config, setup, figures),
        versions=current_versions(),
    )


def _open(
    config: BarsConfig, model: str, open_generator: Callable[[str], Any] | None
) -> tuple[Setup, Kept]:
    folder = find_model(model)
    facts = load_facts(folder)

    def opened() -> Any:
        if open_generator is not None:
            return open_generator(model)
        from filmgrid.generator import Generator

        return Generator.from_pretrained(model, config.device, config.precision)

    return Setup(config, facts, opened, model), Kept(config.work, weights_of(folder))


def _count(config: BarsConfig, figure: Figure) -> int:
    if figure.name == "speed":
        return min(NUM_TIMES, config.count_of(figure.full))
    return config.count_of(figure.full)


def _untrained(figure: Figure, unfit: str) -> BarResult:
    row = figure.rows[0]
    return BarResult(
        figure=figure.name,
        reading=row.reading,
        what=row.what.split(":")[0],
        unit=row.unit,
        how=row.how,
        at_most=row.at_most,
        value=None,
        gpu=row.gpu,
        cpu=row.cpu,
        note=UNTRAINED + unfit,
    )


def _notes(config: BarsConfig, setup: Setup, figures: Sequence[Figure]) -> list[str]:
    notes = [
        "Intervals of 95 % over sequences: Wilson for shares, bootstrap for the rest. A bar that "
        "lies in its interval has a question mark. Beside each value is what the judge reads of "
        "the true frames.",
        f"Cells of {setup.cell} px; paths are told in px of cells of 64.",
    ]
    names = [figure.name for figure in figures]
    if "stills" in names and config.base is None:
        notes.append("The stills-only base was not measured. Name one with --base MODEL.")
    if "longer" in names and "4x8" in setup.facts.trained_layouts:
        notes.append(f"{setup.facts.name} was trained on 4x8, which is no longer grid for it.")
    if "speed" in names and setup.cell.height != 64:
        notes.append(f"Times are of cells of {setup.cell} px, and the bars are for 64 px.")
    return notes
