"""What each command does: one library call, and what is printed of it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from filmgrid.bars.config import BarsConfig
from filmgrid.bench.config import BenchConfig
from filmgrid.captioning.config import CaptionConfig
from filmgrid.cli.settings import (
    Bars,
    Bench,
    Build,
    Caption,
    Compare,
    Evaluate,
    Generate,
    ImportDit,
    Info,
    Metrics,
    Models,
    Pack,
    Plan,
    Preview,
    Probe,
    Protocol,
    Render,
    Report,
    Repro,
    Serve,
    Slices,
    Split,
    Stats,
    Thin,
    Upscale,
    VerifyLora,
    Volume,
    Words,
)
from filmgrid.data.config import DatasetConfig
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.errors import ConfigError
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.request import (
    GenerateRequest,
    PlanRequest,
    ProbeRequest,
    UpscaleRequest,
    VerifyRequest,
)
from filmgrid.settings import Settings

TRAIN_USAGE = """usage: filmgrid train PRESET|CONFIG.yaml [--SETTING VALUE ...]

Train a model from scratch, or go on with a run that was stopped: the same command resumes.
Presets: {presets}.

filmgrid train NAME --help  lists all settings with the values that NAME gives them.
"""


def carry_out(name: str, sentence: str, words: list[str]) -> None:
    """Read the words of a command and carry it out; ``sentence`` says in its help what it does."""
    if name == "train":
        _train(words)
        return
    settings, action = ACTIONS[name]
    config = tyro.cli(
        settings,
        prog=f"filmgrid {'evaluate' if name == 'measure' else name}",
        description=sentence,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.EnumChoicesFromValues),
    )
    action(config)


def _generate(config: Generate) -> None:
    from filmgrid.commands import generate

    names = set(GenerateRequest.model_fields)
    request = GenerateRequest(**{name: getattr(config, name) for name in names})
    generate(
        request,
        config.out,
        config.scale,
        dry_run=config.dry_run,
        as_json=config.json_output,
        resume=config.resume,
    )


def _plan(config: Plan) -> None:
    from filmgrid.planned import plan_generation

    request = PlanRequest(**{name: getattr(config, name) for name in PlanRequest.model_fields})
    plan_generation(request, as_json=config.json_output)


def _verify_lora(config: VerifyLora) -> None:
    from filmgrid.verifying import verify_lora

    names = set(VerifyRequest.model_fields)
    told = verify_lora(VerifyRequest(**{name: getattr(config, name) for name in names}))
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _probe(config: Probe) -> None:
    from filmgrid.probing import probe_model

    names = set(ProbeRequest.model_fields)
    told = probe_model(ProbeRequest(**{name: getattr(config, name) for name in names}))
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _train(words: list[str]) -> None:
    """Train by a preset or a file, changed as the other words say."""
    from filmgrid.training.curriculum_config import CurriculumConfig
    from filmgrid.training.files import find_config
    from filmgrid.training.presets import PRESETS
    from filmgrid.training.upscaler_config import UpscalerConfig

    if not words or words[0].startswith("-"):
        usage = TRAIN_USAGE.format(presets=", ".join(PRESETS))
        if words and words[0] in ("-h", "--help"):
            print(usage)
            return
        raise ConfigError("train needs a preset or a YAML file.\n" + usage.rstrip())
    name, *overrides = words
    default = find_config(name)  # before the parser, whose errors would hide its own

    if isinstance(default, CurriculumConfig):
        _train_stages(default, name, overrides)
        return
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

    _tell_model(train(asked), asked)


def _train_stages(default: Any, name: str, overrides: list[str]) -> None:
    """Train by a curriculum, in its folder or another."""
    from filmgrid.training.curriculum import train_stages

    class Stages(Words):
        """Where a curriculum is trained; its stages are changed in its file."""

        out: Path = default.out
        """Folder of the runs."""

    config = tyro.cli(
        Stages,
        prog=f"filmgrid train {name}",
        description=f"Train the {len(default.stages)} stages of {name}.",
        args=overrides,
    )
    asked = default.model_copy(update={"out": config.out})
    _tell_model(train_stages(asked), asked.stage(len(asked.stages)))


def _tell_model(folder: Path, config: Any) -> None:
    """Say where what was trained is, and how to use it."""
    from filmgrid.models.places import FACTS

    if int(os.environ.get("RANK", "0")):
        return  # one of several processes tells
    print(f"The model is in {folder / 'model'}")
    model = str(config.out)
    if not (folder / "model" / FACTS).is_file():  # a LoRA
        model = f"{config.start_from} --lora {config.out}"
    if getattr(config, "super_resolution", None) is not None:
        print(f"Try it: filmgrid upscale CLIP --by {model} --out larger.mp4")
        return
    print(f'Try it: filmgrid generate "PROMPT" --model {model} --out sequence.mp4')


def _build(config: Build) -> None:
    from filmgrid.data.build import build_dataset

    names = set(DatasetConfig.model_fields)
    report = build_dataset(DatasetConfig(**{name: getattr(config, name) for name in names}))
    print(report.model_dump_json(indent=2) if config.json_output else report.text())


def _caption(config: Caption) -> None:
    from filmgrid.commands import caption

    names = set(CaptionConfig.model_fields)
    asked = CaptionConfig(**{name: getattr(config, name) for name in names})
    told = caption(asked, dry_run=config.dry_run)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())
    if told.failed:
        raise SystemExit(1)


def _render(config: Render) -> None:
    from filmgrid.commands import render

    names = RenderConfig.model_fields
    for folder in render(RenderConfig(**{name: getattr(config, name) for name in names})):
        print(folder)


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


def _import_dit(config: ImportDit) -> None:
    from filmgrid.importing import import_dit

    names = ("positions", "layout", "weights")
    facts = import_dit(
        config.file, config.vae, config.out, **{name: getattr(config, name) for name in names}
    )
    print(f"{config.out}: {facts.licence_sentence}")


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


def _slices(config: Slices) -> None:
    from filmgrid.commands import cut_volume

    for path in cut_volume(config.source, config.out, config.plane, config.window, config.index):
        print(path)


def _upscale(config: Upscale) -> None:
    from filmgrid.commands import upscale

    for path in upscale(UpscaleRequest(**dict(config))):
        print(path)


def _volume(config: Volume) -> None:
    from filmgrid.commands import assemble_volume

    print(
        assemble_volume(
            config.source,
            config.like,
            config.out,
            plane=config.plane,
            window=config.window,
            spacing=config.spacing,
        )
    )


def _thin(config: Thin) -> None:
    from filmgrid.commands import thin_volume

    names = ("between", "model", "cell", "prompt", "layout", "steps", "guidance", "seed", "device")
    asked = {name: getattr(config, name) for name in names}
    request = GenerateRequest(video=config.source, **asked)
    print(thin_volume(request, config.out, config.plane, config.window, config.index))


def _evaluate(config: Evaluate) -> None:
    from filmgrid.commands import evaluate

    names = set(EvaluateConfig.model_fields)
    settings = EvaluateConfig(**{name: getattr(config, name) for name in names})
    told = evaluate(settings, config.out, config.report)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())


def _measure(config: Bars) -> None:
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


def _serve(config: Serve) -> None:
    from filmgrid.serving.config import ServeConfig
    from filmgrid.serving.extra import check_extra

    check_extra()
    from filmgrid.serving.server import serve

    serve(ServeConfig(**{name: getattr(config, name) for name in ServeConfig.model_fields}))


def _repro(config: Repro) -> None:
    from filmgrid.repeating import repeat

    repeat(
        config.file,
        config.out,
        config.scale,
        device=config.device,
        precision=config.precision,
        as_json=config.json_output,
    )


ACTIONS: dict[str, tuple[type[Settings], Callable[[Any], None]]] = {
    "generate": (Generate, _generate),
    "plan": (Plan, _plan),
    "verify-lora": (VerifyLora, _verify_lora),
    "probe": (Probe, _probe),
    "dataset build": (Build, _build),
    "dataset caption": (Caption, _caption),
    "dataset render": (Render, _render),
    "dataset preview": (Preview, _preview),
    "dataset stats": (Stats, _stats),
    "info": (Info, _info),
    "import-dit": (ImportDit, _import_dit),
    "split": (Split, _split),
    "pack": (Pack, _pack),
    "slices": (Slices, _slices),
    "volume": (Volume, _volume),
    "upscale": (Upscale, _upscale),
    "thin": (Thin, _thin),
    "evaluate": (Evaluate, _evaluate),
    "measure": (Bars, _measure),
    "compare": (Compare, _compare),
    "report": (Report, _report),
    "metrics": (Metrics, _metrics),
    "protocol": (Protocol, _protocol),
    "bench": (Bench, _bench),
    "models": (Models, _models),
    "serve": (Serve, _serve),
    "repro": (Repro, _repro),
}
