"""What the commands do and say, once their words are understood."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from filmgrid.bars.config import BarsConfig
from filmgrid.captioning.config import CaptionConfig
from filmgrid.data import volumes
from filmgrid.data.export import check_output, save_sequence
from filmgrid.data.files import atomic_path, check_place
from filmgrid.data.media import probe, read_clip, read_grid
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.data.provenance import Provenance, read_provenance
from filmgrid.errors import ConfigError
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.grid.spec import Layout
from filmgrid.inputs import describe_files, times_of
from filmgrid.models.places import FACTS, find_model, load_facts
from filmgrid.planning import Plan, make_plan
from filmgrid.request import GenerateRequest
from filmgrid.request.upscale import UpscaleRequest

if TYPE_CHECKING:
    from filmgrid.bars.results import BarsReport
    from filmgrid.captioning.run import CaptionReport
    from filmgrid.evaluation.compare import Difference
    from filmgrid.evaluation.results import Evaluation

log = logging.getLogger(__name__)
DEFAULT_OUT = "sequence.mp4"


class Cells(NamedTuple):
    """How a picture is laid out, as words on the command line say it."""

    layout: str | None
    gap: int
    margin: int | None

    def parse(self) -> Layout | None:
        """The layout, if one was named."""
        return Layout.parse(self.layout, self.gap, self.margin) if self.layout else None


def generate(
    request: GenerateRequest,
    out: str | None,
    scale: int,
    *,
    dry_run: bool,
    as_json: bool,
    resume: bool = False,
    pipelined: Literal["auto", "on", "off"] = "auto",
) -> None:
    """Generate a sequence, write it, and report; or only say what it would cost."""
    out = out or DEFAULT_OUT
    if resume and not request.is_long:
        raise ConfigError("resume goes on with a long sequence. Add --frames, or leave it out.")
    if pipelined != "auto" and not request.is_long:
        raise ConfigError(
            f"pipelined {pipelined} is for sequences made grid after grid. Add --frames, or leave "
            "it out."
        )
    folder = find_model(request.model)
    facts = load_facts(folder, request.model, request.loading.lora_places)
    plan = make_plan(request, facts, describe_files(request))
    if plan.jumps is not None:  # how far they may go hangs on where the walk starts
        from filmgrid.walking import sigmas_of

        sigmas_of(plan, request)
    check_output(
        out,
        num_frames=plan.num_frames,
        fps=plan.fps,
        layout=plan.one_grid,
        scale=scale,
        cell=plan.frame,
        times=times_of(request, plan.num_frames),
    )
    if dry_run:
        from filmgrid.costs import cost_of
        from filmgrid.models.sketch import sketch_model
        from filmgrid.speed import seconds_for
        from filmgrid.walking import sigmas_of

        num_steps = len(sigmas_of(plan, request)) - 1
        sketch = sketch_model(request.model)
        made = plan.all_steps(num_steps)
        cost = cost_of(plan, sketch, made, request.best_of, request.batch)
        told = {
            "task": str(plan.task),
            "model": str(folder),
            "layout": str(plan.layout),
            "cell": list(plan.frame),
            "prompt": plan.prompt,
            "tokens": cost.tokens,
            "frames": plan.num_frames,
            "grids": request.best_of * plan.windows,
            "passes": cost.passes * request.best_of,
            "memory_bytes": cost.memory_bytes,
            "seconds": round(seconds_for(cost.flops, request.device, request.precision), 1),
            "notes": list(plan.notes),
        }
        print(json.dumps(told, indent=2) if as_json else _cost_in_words(told))
        return
    if request.is_long:
        from filmgrid.longrun import check_work

        check_work(Path(out), resume=resume)
    for note in plan.notes:
        log.info(note)
    if facts.is_pretrained:
        log.info(facts.licence_sentence)
    started = time.perf_counter()
    from filmgrid.costs import fitted
    from filmgrid.generator import Generator
    from filmgrid.result import Result

    loading = fitted(request.loading, plan, request.model)
    generator = Generator.from_pretrained(request.model, request.device, request.precision, loading)
    loaded = time.perf_counter()
    if request.is_long:
        from filmgrid.longrun import generate_long

        with _progress() as show:
            written = generate_long(
                generator,
                request,
                out,
                scale=scale,
                resume=resume,
                on_step=show,
                pipelined=pipelined,
            )
        _report_long(
            written, plan, request, loaded - started, time.perf_counter() - loaded, as_json
        )
        return
    result: Result | None = None
    with _progress() as show:
        for event in generator.generate(request):
            if isinstance(event, Result):
                result = event
            else:
                show(event.step, event.num_steps)
    assert result is not None
    sampled = time.perf_counter()
    written = result.save(out, scale=scale)
    report = {
        "files": [str(path) for path in written],
        "task": str(plan.task),
        "frames": result.layout.num_cells,
        "seed": result.seeds[0],
        "health": {**asdict(result.health[0]), "score": result.health[0].score},
        "candidates": [
            {"seed": seed, "score": health.score}
            for seed, health in zip(result.seeds, result.health, strict=True)
        ],
        "seconds": {"load": loaded - started, "sample": sampled - loaded},
    }
    if as_json:
        print(json.dumps(report, indent=2))
        return
    best = f", the best of {request.best_of}" if request.best_of > 1 else ""
    print(
        f"{written[0]}: {result.layout.num_cells} frames, seed {result.seeds[0]}{best}, sampled "
        f"in {sampled - loaded:.1f} s (loading took {loaded - started:.1f} s)"
    )


def _report_long(
    written: list[Path],
    plan: Plan,
    request: GenerateRequest,
    load_seconds: float,
    seconds: float,
    as_json: bool,
) -> None:
    report = {
        "files": [str(path) for path in written],
        "task": str(plan.task),
        "frames": plan.num_frames,
        "grids": plan.windows,
        "seed": request.seed,
        "seconds": {"load": load_seconds, "sample": seconds},
    }
    if as_json:
        print(json.dumps(report, indent=2))
        return
    print(
        f"{written[0]}: {plan.num_frames} frames in {plan.windows} grids, seed {request.seed}, "
        f"made in {seconds:.1f} s (loading took {load_seconds:.1f} s)"
    )


def describe(path: Path) -> dict[str, Any]:
    """What a file, a folder of frames or a model holds, and how it came to be.

    Raises:
        MediaError: if it cannot be read.
    """
    if (path / FACTS).is_file() or (path / "checkpoints").is_dir():
        facts = load_facts(find_model(str(path)))
        return {"kind": "model", **facts.model_dump(mode="json")}
    info = probe(path)
    told: dict[str, Any] = {
        "file": str(path),
        "kind": info.kind,
        "size": f"{info.height}x{info.width}",
        "frames": info.num_frames,
        "fps": info.fps,
        "codec": info.codec,
    }
    if info.provenance is not None:
        told["made_by"] = info.provenance.model_dump(mode="json", exclude_none=True)
    return told


def split(
    grid: Path, out: str, cells: tuple[str, int, int | None] | None, fps: float | None
) -> list[Path]:
    """Cut a grid picture into its frames.

    Raises:
        MediaError: if it cannot be read, or does not say its layout and none is named.
        ShapeError: if it does not divide into the cells.
    """
    layout = Cells(*cells).parse() if cells else None
    told = read_provenance(grid)
    clip = read_grid(grid, layout)
    used = layout or (told.grid if told else None)
    assert used is not None
    provenance = Provenance(layout=str(used), request=told.request if told else None)
    return save_sequence(
        clip.frames, out, fps=fps or clip.fps or 8.0, provenance=provenance, layout=used
    )


def pack(
    source: Path, out: Path, cells: tuple[str | None, int, int | None], *, start: int, stride: int
) -> list[Path]:
    """Lay frames out as one grid picture.

    Raises:
        ConfigError: if no layout is named and the source does not say one.
        MediaError: if it cannot be read, or the picture not be written.
        ShapeError: if the frames do not fill the layout.
    """
    told = read_provenance(source)
    named = Cells(*cells)
    if named.layout is None and told is not None and told.layout is not None:
        named = named._replace(layout=told.layout)
    layout = named.parse()
    if layout is None:
        raise ConfigError(
            f"{source} does not say how it was laid out. Name it with --layout ROWSxCOLS, for "
            "example --layout 4x4."
        )
    if out.suffix.lower() not in (".png", ".json"):
        raise ConfigError(
            f"{out.name} is no grid picture. Use a name that ends with .png, or .json for a "
            "sprite sheet."
        )
    stop = start + (layout.num_cells - 1) * stride + 1
    clip = read_clip(source, start=start, stop=stop, stride=stride)
    provenance = Provenance(
        layout=str(layout),
        gap=layout.gap,
        margin=layout.margin,
        request=told.request if told else None,
    )
    fps = clip.fps or 8.0
    return save_sequence(clip.frames, out, fps=fps, provenance=provenance, layout=layout)


def cut_volume(
    source: Path, out: str, plane: volumes.Plane, window: str, index: int = 0
) -> list[Path]:
    """Write the slices of a volume as frames that tell how they were cut.

    Raises:
        ConfigError: if the window cannot be read, or SimpleITK is not installed.
        MediaError: if the volume cannot be read, or the frames not be written.
    """
    asked = volumes.parse_window(window)
    volume = volumes.read_volume(source, index)
    frames, used = volumes.slices(volume, plane, asked)
    told = {"source": source.name, "plane": plane, "window": list(used)}
    return save_sequence(frames, out, provenance=Provenance(request={"slices": told}))


def assemble_volume(
    source: Path,
    like: Path,
    out: Path,
    *,
    plane: volumes.Plane | None = None,
    window: str | None = None,
    spacing: float | None = None,
) -> Path:
    """Write frames as a volume.

    Raises:
        ConfigError: if no window is named and the frames tell none, or SimpleITK is not installed.
        MediaError: if something cannot be read or written.
    """
    info = probe(source)
    told = volumes.told_window(info.provenance and info.provenance.request)
    used = told[1] if told else None
    if window is not None and window != "auto":
        used = volumes.parse_window(window)
    if used is None:
        raise ConfigError(
            f"{source} does not tell which values black and white stand for. Name them with "
            "--window, such as soft or -160,240."
        )
    kind = info.provenance.kind if info.provenance is not None else None
    clip = read_grid(source) if kind == "grid" else read_clip(source)
    plane = plane or (told[0] if told else "axial")
    made = volumes.assembled(clip.frames, volumes.read_volume(like), plane, used, spacing)
    return volumes.write_volume(made, out)


def thin_volume(
    request: GenerateRequest, out: Path, plane: volumes.Plane, window: str, index: int = 0
) -> Path:
    """Make slices between those of the volume that a request names as its video.

    Raises:
        ConfigError: if the request cannot be carried out, or SimpleITK is not installed.
        MediaError: if the volume cannot be read or written.
    """
    assert request.video is not None
    asked = volumes.parse_window(window)
    volumes.check_name(out)
    volume = volumes.read_volume(request.video, index)
    from filmgrid.generator import Generator
    from filmgrid.thinning import thinned

    generator = Generator.from_pretrained(request.model, request.device, request.precision)
    with _progress() as show:
        made = thinned(generator, volume, request, plane, asked, show)
    return volumes.write_volume(made, out)


def caption(config: CaptionConfig, *, dry_run: bool) -> "CaptionReport":
    """Caption a dataset, with a bar."""
    from filmgrid.captioning.run import caption_dataset

    with _progress("captioning", "sequence") as show:
        return caption_dataset(config, dry_run=dry_run, on_answer=show)


def render(config: RenderConfig) -> list[Path]:
    """Render turntables of meshes, with a bar."""
    from filmgrid.data.meshes.render import render_meshes

    with _progress("rendering", "mesh") as show:
        return render_meshes(config, show)


def upscale(request: UpscaleRequest) -> list[Path]:
    """Enlarge a clip, with a bar."""
    from filmgrid.upscaling import upscale_clip

    with _progress("enlarging", "frame") as show:
        return upscale_clip(request, show)


def evaluate(config: EvaluateConfig, out: Path | None, report: Path | None) -> "Evaluation":
    """Measure made clips against real ones; keep and report where files are named.

    Raises:
        FilmgridError: if there is nothing to measure, or a file cannot be written.
    """
    if out is not None:
        if out.suffix.lower() != ".json":
            raise ConfigError(
                f"{out.name} is no name of an evaluation to keep. Use --out with a name that ends "
                "with .json, and --report for .html or .md."
            )
        if report is not None and out.resolve() == report.resolve():
            raise ConfigError(
                f"--out and --report both name {out}, and one would replace the other. Name two "
                "files, as --out mine.json --report mine.html."
            )
        check_place(out)
    if report is not None:
        from filmgrid.evaluation.report import check_report

        check_report(report)
    from filmgrid.evaluation.measure import evaluate as measure

    with _progress("measuring", "clip") as show:
        found = measure(config, show)
    if out is not None:
        with atomic_path(out) as part:
            part.write_text(found.model_dump_json(indent=2), encoding="utf-8")
    if report is not None:
        from filmgrid.evaluation.report import write_report

        write_report(found, report)
    return found


def measure_bars(config: BarsConfig, out: Path | None) -> "BarsReport":
    """Measure a model on the world, and keep the table where a file is named.

    Raises:
        FilmgridError: if there is no such model or figure, or a file cannot be written.
    """
    if out is not None:
        check_place(out)
    from filmgrid.bars.run import measure_bars as measure

    with _progress("judging", "sequence") as show:
        found = measure(config, show)
    if out is not None:
        with atomic_path(out) as part:
            part.write_text(found.model_dump_json(indent=2), encoding="utf-8")
    return found


def compare(first: Path, second: Path, report: Path | None) -> "dict[str, Difference]":
    """Paired differences between two evaluations, by metric.

    Raises:
        ConfigError: if they cannot be compared.
    """
    from filmgrid.evaluation.compare import compare_runs
    from filmgrid.evaluation.results import read_evaluation

    if report is not None:
        from filmgrid.evaluation.report import check_report

        check_report(report)
    both = read_evaluation(first), read_evaluation(second)
    found = compare_runs(*both)
    if report is not None:
        from filmgrid.evaluation.report import write_comparison

        write_comparison(*both, found, report)
    return found


def _cost_in_words(told: dict[str, Any]) -> str:
    lines = [
        f"task      {told['task']}, {told['layout']} cells of "
        f"{told['cell'][0]}x{told['cell'][1]} px, model {told['model']}",
        f"prompt    {told['prompt'] or '(none)'}",
        f"tokens    {told['tokens']:,} in each of {told['passes']} passes",
        f"memory    about {told['memory_bytes'] / 2**30:.1f} GiB",
        f"time      about {told['seconds']:.1f} s on this machine, besides loading",
    ]
    return "\n".join([*lines, *told["notes"]])


@contextmanager
def _progress(doing: str = "sampling", unit: str = "step") -> Iterator[Any]:
    """A bar on a terminal, else a line now and then, on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(unit).show
        return
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(doing)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class _Lines:
    """Prints the first, the last and about five lines between."""

    def __init__(self, unit: str) -> None:
        self.unit, self.told = unit, 0

    def show(self, done: int, total: int) -> None:
        if done == 1 or done == total or done >= self.told + max(1, total // 5):
            self.told = done
            print(f"{self.unit} {done}/{total}", file=sys.stderr, flush=True)
