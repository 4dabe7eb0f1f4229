"""The command line: a subcommand becomes a configuration, then one library call. No tensors.

Heavy imports wait until a command runs, so that ``--help`` and mistakes answer at once.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from pydantic import Field

from filmgrid.bars.config import BarsConfig
from filmgrid.bench.config import BenchConfig
from filmgrid.data.config import DatasetConfig
from filmgrid.errors import ConfigError, FilmgridError
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.request import GenerateRequest
from filmgrid.settings import Settings

DESCRIPTION = "Image sequences (video, turntables, time-lapse) from image models, as one grid."
TRAIN_USAGE = """usage: filmgrid train PRESET|CONFIG.yaml [--SETTING VALUE ...]

Train a model from scratch, or go on with a run that was stopped: the same command resumes.
Presets: {presets}.

filmgrid train NAME --help  lists all settings with the values that NAME gives them.
"""


class Words(Settings):
    """Settings from the command line: a wrong one is our sentence, not the parser's box."""

    if not TYPE_CHECKING:  # type checkers see the fields as arguments

        def __init__(self, **values):
            try:
                super().__init__(**values)
            except ConfigError as error:  # the parser swallows ValueErrors, which this one is
                raise FilmgridError(str(error)) from error


class Generate(Words, GenerateRequest):
    """Generate a sequence from words, images or another sequence."""

    prompt: tyro.conf.Positional[str] = ""
    """What the sequence shows."""
    out: str | None = None
    """File to write: .mp4 .mkv .mov .webm .gif .webp, .png for a grid, .json for a sprite sheet,
    or NAME/ for numbered PNG frames. By default sequence.mp4."""
    keyframe: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """CELL=FILE: an image that stays at this cell, counted from 0 in reading order; repeat it."""
    scale: int = 1
    """Enlarge the written frames so many times without smoothing, to look at small ones."""
    dry_run: bool = False
    """Say what it would cost, and generate nothing."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Train(Words):
    """Train a model from scratch, or go on with a run that was stopped."""


class Dataset(Words):
    """Build, preview and measure datasets: dataset build|preview|stats."""


class Build(Words, DatasetConfig):
    """Cut videos, folders of frames, strips or mosaics into sequences to train on."""

    sources: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """Videos, folders of frames, strips, or folders that hold any of these at any depth."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Preview(Words):
    """Draw exactly what is trained on: grids with frame numbers, captions and sources."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    out: Path | None = None
    """Folder for the pictures; by default preview/ beside the dataset."""
    limit: int = 8
    """Number of sequences to draw."""
    split: Literal["train", "held_out"] | None = None
    """Side to draw from: train or held_out; by default both."""


class Stats(Words):
    """Count and measure the sequences of a dataset."""

    dataset: tyro.conf.Positional[Path]
    """Folder of the dataset."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Info(Words):
    """Show what a file holds and how it came to be."""

    file: tyro.conf.Positional[Path]
    """Video, picture, folder of frames, or model."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Split(Words):
    """Cut a grid picture into its frames."""

    grid: tyro.conf.Positional[Path]
    """Picture of a grid; one that filmgrid made says itself how it is laid out."""
    out: str
    """NAME/ for numbered PNG frames, or a video or animation file."""
    layout: str | None = None
    """ROWSxCOLS, for pictures that do not say it."""
    gap: int = 0
    """Pixels between the cells."""
    margin: int | None = None
    """Pixels around the cells; by default as the gap."""
    fps: float | None = None
    """Frames per second, for videos."""


class Pack(Words):
    """Lay the frames of a video or folder out as one grid picture."""

    source: tyro.conf.Positional[Path]
    """Video, animation or folder of frames."""
    out: Path
    """Picture to write, .png."""
    layout: str | None = None
    """ROWSxCOLS; by default what the frames say they were made as."""
    gap: int = 0
    """Pixels between the cells."""
    margin: int | None = None
    """Pixels around the cells; by default as the gap."""
    start: int = 0
    """First frame."""
    stride: int = 1
    """Frames from one cell to the next."""


class Evaluate(Words, EvaluateConfig):
    """Compare made clips with real ones, and say how much of each number is noise.

    filmgrid evaluate MODEL measures a model on the world: filmgrid evaluate mini --help.
    """

    floor: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True  # shown as --no-floor
    """Leave out the floor, real clips measured against real clips, which takes half of them;
    Fréchet distances of fewer than 2,048 clips are then refused."""
    out: Path | None = None
    """File to keep the evaluation in, .json, for filmgrid compare and filmgrid report."""
    report: Path | None = None
    """Report to write with pictures of the clips: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Bars(Words, BarsConfig):
    """Measure a model on the procedural world: each figure beside its bars."""

    model: tyro.conf.Positional[str]
    """Name of a shipped model, or the folder of a trained one."""
    out: Path | None = None
    """File to keep the table in, .json."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Report(Words):
    """Write the report of an evaluation: tables, plots and moving clips, worst ones first."""

    evaluation: tyro.conf.Positional[Path]
    """What filmgrid evaluate --out wrote."""
    out: Path
    """.html in one file, or .md with its pictures beside it."""


class Metrics(Words):
    """List the metrics of filmgrid evaluate: what each is and what it needs."""

    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Protocol(Words):
    """Evaluate as a paper did: say what to download and where to put it, check it, measure."""

    name: tyro.conf.Positional[str] = ""
    """Name of the protocol; without one, all are listed."""
    data: Path | None = None
    """Folder that holds the datasets, and trained weights in weights/."""
    generated: Path | None = None
    """Made clips; with them, what is there is measured."""
    metrics: tuple[str, ...] = ()
    """Measure these instead of the protocol's."""
    frames: int | None = None
    """Use so many frames instead of the protocol's."""
    clips: int | None = None
    """Use at most so many made clips instead of the protocol's."""
    real_stride: int | None = None
    """Frames of a real clip from one used frame to the next."""
    real_list: Path | None = None
    """Use only real clips that this file names, one a line, as trainlist01.txt of UCF-101."""
    weights: tuple[str, ...] = ()
    """NAME=PLACE of weights that do not lie in weights/ of the data folder; random:0 tries the way
    without any."""
    sha256: tuple[str, ...] = ()
    """NAME=HEX: what the SHA-256 of a file of weights must be."""
    repeats: int | None = None
    """Random draws behind every distance and every real-vs-real floor."""
    seed: int | None = None
    """Of all random draws."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run; auto is CUDA, else MPS, else the CPU."""
    workers: int | None = None
    """Threads that score clips; by default as many as there are cores."""
    out: Path | None = None
    """File to keep the evaluation in, .json, for filmgrid compare and filmgrid report."""
    report: Path | None = None
    """Report to write with pictures of the clips: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output; without made clips it has the prompts to make them."""


class Compare(Words):
    """Say whether one run is better than another, clip by clip."""

    first: tyro.conf.Positional[Path]
    """Evaluation of the one run, from filmgrid evaluate --out."""
    second: tyro.conf.Positional[Path]
    """Evaluation of the other run, against the same real clips."""
    report: Path | None = None
    """Report to write: .html in one file, or .md."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Bench(Words, BenchConfig):
    """Time and weigh tasks, models and pipelines of diffusers side by side in one run."""

    subjects: tyro.conf.Positional[tuple[str, ...]] = ()
    """What is timed. Ours: MODEL:TASK[:LAYOUT], as mini:image or mini:extend:4x8. Pipelines of
    diffusers: NAME=HUB_ID_OR_FOLDER, NAME=random or NAME=tiny, and @FRAMESxHEIGHTxWIDTH for another
    size; NAME is flux, flux2-klein, cogvideox, animatediff, svd, ltx or wan. All are compared with
    the first."""
    memory: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True  # shown as --no-memory
    """Leave out the memory, whose measurement on the CPU takes a process of its own for each
    subject."""
    out: Path | None = None
    """File to keep the result in, .json."""
    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


class Models(Words):
    """List the models inside the package."""

    json_output: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Report as JSON on standard output."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; exits with 2 after a user's mistake, which it explains in one line."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # its retries are not ours to tell
    for noisy in ("diffusers", "accelerate", "torch", "PIL", "httpx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        try:
            run(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on, as after `| head`
        if debug:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        raise SystemExit(1) from None
    except FilmgridError as error:
        if debug:
            raise
        print(f"filmgrid: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        if debug:
            raise
        print("filmgrid: stopped. What was finished is kept.", file=sys.stderr)
        raise SystemExit(130) from None
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        full = isinstance(error, MemoryError) or "memory" in text or "numel" in text
        if debug or not full:
            raise
        print(
            "filmgrid: the memory is full. Use a smaller --layout, --cell or --batch; "
            "--dry-run says how much each needs.",
            file=sys.stderr,
        )
        raise SystemExit(2) from None


def run(words: list[str]) -> None:
    """Find the command and carry it out."""
    match words:
        case ["train", *rest]:
            _train(rest)
        case ["dataset", *rest]:
            _dataset(rest)
        case ["evaluate", model, *_] if not model.startswith("-"):
            _bars(words[1:])
        case ["--version"]:
            from filmgrid import __version__

            print(f"filmgrid {__version__}")
        case _:
            _dispatch(COMMANDS, words, "filmgrid", DESCRIPTION)


def _dispatch(
    commands: dict[str, tuple[type[Settings], Callable[[Any], None]]],
    words: list[str],
    prog: str,
    description: str,
) -> None:
    config = tyro.extras.subcommand_cli_from_dict(
        {name: settings for name, (settings, _) in commands.items()},
        prog=prog,
        description=description,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.EnumChoicesFromValues),
    )
    actions = {settings: action for settings, action in commands.values()}
    actions[type(config)](config)


def _generate(config: Generate) -> None:
    from filmgrid.commands import generate

    names = set(GenerateRequest.model_fields)
    request = GenerateRequest(**{name: getattr(config, name) for name in names})
    generate(request, config.out, config.scale, dry_run=config.dry_run, as_json=config.json_output)


def _train(words: list[str]) -> None:
    from filmgrid.training.config import UpscalerConfig
    from filmgrid.training.files import find_config
    from filmgrid.training.presets import PRESETS

    if not words or words[0].startswith("-"):
        usage = TRAIN_USAGE.format(presets=", ".join(PRESETS))
        if words and words[0] in ("-h", "--help"):
            print(usage)
            return
        raise ConfigError("train needs a preset or a YAML file.\n" + usage.rstrip())
    name, *overrides = words
    default = find_config(name)  # before the parser, whose errors would hide its own

    kind = type(default)

    class Training(Words, kind):  # pyright: ignore[reportGeneralTypeIssues]  # one of two
        """Settings of a training."""

    config = tyro.cli(
        Training,
        prog=f"filmgrid train {name}",
        description=f"Train with the settings of {name}, changed as said here.",
        default=Training(**dict(default)),
        args=overrides,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.EnumChoicesFromValues),
    )
    asked = kind(**dict(config))
    if isinstance(asked, UpscalerConfig):
        from filmgrid.training.upscaling import train_upscaler

        print(f"The upscaler is in {train_upscaler(asked)}")
        return
    from filmgrid.training.run import train

    folder = train(asked)
    if int(os.environ.get("RANK", "0")):
        return  # one of several processes tells
    print(f"The model is in {folder / 'model'}")
    print(f'Try it: filmgrid generate "PROMPT" --model {config.out} --out sequence.mp4')


def _dataset(words: list[str]) -> None:
    _dispatch(DATASET_COMMANDS, words, "filmgrid dataset", "Make and inspect datasets.")


def _build(config: Build) -> None:
    from filmgrid.data.build import build_dataset

    names = set(DatasetConfig.model_fields)
    report = build_dataset(DatasetConfig(**{name: getattr(config, name) for name in names}))
    print(report.model_dump_json(indent=2) if config.json_output else report.text())


def _preview(config: Preview) -> None:
    from filmgrid.data.preview import draw_preview

    out = config.out or config.dataset.with_name(f"{config.dataset.name}-preview")
    for page in draw_preview(config.dataset, out, limit=config.limit, split=config.split):
        print(page)


def _stats(config: Stats) -> None:
    from filmgrid.data.stats import dataset_stats

    stats = dataset_stats(config.dataset)
    print(stats.model_dump_json(indent=2) if config.json_output else stats.text())


def _info(config: Info) -> None:
    from filmgrid.commands import describe

    facts = describe(config.file)
    if config.json_output:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        text = json.dumps(value) if isinstance(value, (dict, list)) else value
        print(f"{name:<12} {text}")


def _split(config: Split) -> None:
    from filmgrid.commands import split

    if config.layout is None and (config.gap or config.margin is not None):
        raise ConfigError("gap and margin belong to a layout. Add --layout ROWSxCOLS.")
    layout = config.layout and (config.layout, config.gap, config.margin)
    for path in split(config.grid, config.out, layout or None, config.fps):
        print(path)


def _pack(config: Pack) -> None:
    from filmgrid.commands import pack

    for path in pack(
        config.source,
        config.out,
        (config.layout, config.gap, config.margin),
        start=config.start,
        stride=config.stride,
    ):
        print(path)


def _evaluate(config: Evaluate) -> None:
    from filmgrid.commands import evaluate

    names = set(EvaluateConfig.model_fields)
    settings = EvaluateConfig(**{name: getattr(config, name) for name in names})
    told = evaluate(settings, config.out, config.report)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _bars(words: list[str]) -> None:
    config = tyro.cli(
        Bars,
        prog="filmgrid evaluate",
        description=Bars.__doc__,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.EnumChoicesFromValues),
    )
    from filmgrid.commands import measure_bars

    names = set(BarsConfig.model_fields)
    told = measure_bars(BarsConfig(**{name: getattr(config, name) for name in names}), config.out)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _report(config: Report) -> None:
    from filmgrid.evaluation.report import write_report
    from filmgrid.evaluation.results import read_evaluation

    print(write_report(read_evaluation(config.evaluation), config.out))


def _metrics(config: Metrics) -> None:
    from dataclasses import asdict

    from filmgrid.evaluation.catalogue import CATALOGUE, in_words

    listed = [asdict(metric) for metric in CATALOGUE.values()]
    print(json.dumps(listed, indent=2) if config.json_output else in_words())


def _protocol(config: Protocol) -> None:
    from filmgrid.commands import evaluate
    from filmgrid.evaluation.protocol_words import as_record, described, in_words
    from filmgrid.evaluation.protocols import (
        PROTOCOLS,
        check_protocol,
        find_protocol,
        protocol_config,
    )

    if not config.name:
        records = [as_record(each) for each in PROTOCOLS.values()]
        print(json.dumps(records, indent=2) if config.json_output else in_words())
        return
    protocol = find_protocol(config.name)
    if config.generated is not None:
        if config.data is None:
            raise ConfigError("Made clips are held against real ones. Name them with --data DIR.")
        names = set(Protocol.model_fields) & set(EvaluateConfig.model_fields) - {"generated"}
        asked = {name: getattr(config, name) for name in names}
        settings = protocol_config(protocol, config.data, config.generated, **asked)
        told = evaluate(settings, config.out, config.report)
        print(told.model_dump_json(indent=2) if config.json_output else told.text())
        return
    if config.out or config.report:
        raise ConfigError("Nothing is measured without made clips. Name them with --generated.")
    state = None
    if config.data is not None:
        state = check_protocol(protocol, config.data, weights=config.weights, frames=config.frames)
    if config.json_output:
        print(json.dumps(as_record(protocol) | (state.as_record() if state else {}), indent=2))
    else:
        print(described(protocol, config.data or Path("DATA")))
        print(f"\n{state.text()}" if state else "\nSee what is there with --data DIR.")
    if state and not state.is_there:
        raise SystemExit(2)


def _compare(config: Compare) -> None:
    from filmgrid.commands import compare

    told = compare(config.first, config.second, config.report)
    if config.json_output:
        print(json.dumps([each.model_dump(mode="json") for each in told.values()], indent=2))
    else:
        print("\n".join(each.text() for each in told.values()))


def _bench(config: Bench) -> None:
    from filmgrid.bench.command import bench

    names = set(BenchConfig.model_fields)
    found = bench(BenchConfig(**{name: getattr(config, name) for name in names}), config.out)
    print(found.model_dump_json(indent=2) if config.json_output else found.text())


def _models(config: Models) -> None:
    from filmgrid.models.places import find_model, load_facts, shipped_models

    facts = [load_facts(find_model(name)) for name in shipped_models()]
    if config.json_output:
        print(json.dumps([fact.model_dump(mode="json") for fact in facts], indent=2))
        return
    for fact in facts:
        print(
            f"{fact.name}: {fact.layout} of {fact.default_cell} px, trained on "
            f"{', '.join(fact.trained_layouts)}, {fact.licence}"
        )


COMMANDS: dict[str, tuple[type[Settings], Callable[[Any], None]]] = {
    "generate": (Generate, _generate),
    "train": (Train, lambda _: _train([])),
    "dataset": (Dataset, lambda _: _dataset(["--help"])),
    "info": (Info, _info),
    "split": (Split, _split),
    "pack": (Pack, _pack),
    "evaluate": (Evaluate, _evaluate),
    "compare": (Compare, _compare),
    "report": (Report, _report),
    "metrics": (Metrics, _metrics),
    "protocol": (Protocol, _protocol),
    "bench": (Bench, _bench),
    "models": (Models, _models),
}
DATASET_COMMANDS: dict[str, tuple[type[Settings], Callable[[Any], None]]] = {
    "build": (Build, _build),
    "preview": (Preview, _preview),
    "stats": (Stats, _stats),
}
