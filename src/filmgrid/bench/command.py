"""The command: checked before torch is loaded, and kept where a file is named."""

from pathlib import Path

from filmgrid.bench.check import check_subjects
from filmgrid.bench.config import BenchConfig
from filmgrid.bench.results import BenchResult
from filmgrid.data.files import atomic_path, check_place


def bench(config: BenchConfig, out: Path | None = None) -> BenchResult:
    """Run a benchmark, and keep its result where a file is named.

    Args:
        config: what to do.
        out: file for the result in JSON.

    Raises:
        FilmgridError: if a subject cannot be opened or does not run, or the file not be written.
    """
    if out is not None:
        check_place(out)
    check_subjects(config)
    from filmgrid.bench.run import run_bench

    found = run_bench(config)
    if out is not None:
        with atomic_path(out) as part:
            part.write_text(found.model_dump_json(indent=2), encoding="utf-8")
    return found
