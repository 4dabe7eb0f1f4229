"""Carry out an evaluation: every metric with its interval, and its floor where it has one."""

import hashlib
import json
import shlex
import time
from dataclasses import replace
from typing import Any

import numpy as np

from filmgrid.data.provenance import current_versions
from filmgrid.errors import ConfigError, ShapeError
from filmgrid.evaluation.catalogue import Metric
from filmgrid.evaluation.clips import ClipSet, partners
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.instruments import Instruments
from filmgrid.evaluation.passes import Progress, Side, check_partners, measure_clips, try_metric
from filmgrid.evaluation.results import ClipSetFacts, Evaluation
from filmgrid.evaluation.scores import Context
from filmgrid.evaluation.selection import Selection
from filmgrid.evaluation.summaries import is_unbiased, summarise
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.metrics.floors import FVD_SAMPLE, check_fvd_sample

LEAST_CLIPS = 4
"""Clips on the real side from which on there is a floor: two against two others."""
PIXELS = {"frames", "start", "real_stride", "size", "fit", "kept", "layout"}
"""Settings that decide which pixels are looked at."""


def evaluate(config: EvaluateConfig, on_progress: Progress | None = None) -> Evaluation:
    """Measure made clips against real ones.

    Args:
        config: what is measured, and how.
        on_progress: told after every batch how many clips are done.

    Raises:
        DatasetError: if one side has no clips.
        ShapeError: if clips that are compared differ in size or length.
        ConfigError: if there are too few clips for a metric, or no names in common.
        CheckpointError: if weights are missing or damaged.
        MediaError: if a clip cannot be read.
    """
    started = time.perf_counter()
    real, made = clip_sets(config)
    sides = Side(real), Side(made)
    pairs = partners(real, made)
    metrics, notes = _measurable(config, real, made, pairs)
    layout = _layout(config, made)
    instruments = Instruments.load((name for m in metrics for name in m.instruments), config)
    context = Context(instruments, layout, config.kept)
    if len(config.is_asked_by_name) < len(metrics):
        metrics = _tried(metrics, sides, pairs, context, config, notes)
    measure_clips(sides, pairs, metrics, context, config.workers, on_progress)
    results = [summarise(metric, sides, pairs, instruments, config) for metric in metrics]
    statements = [instruments.statement(name) for m in metrics for name in m.instruments]
    used = {statement.fingerprint: statement for statement in statements}
    return Evaluation(
        real=_facts(sides[0]),
        generated=_facts(sides[1]),
        settings=config.model_dump(mode="json"),
        command=command_of(config),
        metrics=results,
        instruments=used,
        preprocessing=_preprocessing(config, list(used)),
        pairs=pairs,
        notes=[
            *config.notes,
            *real.notes,
            *made.notes,
            *notes,
            *(n for side in sides for n in _lengths(side)),
        ],
        versions=current_versions(
            "numpy", "av", "pillow", "opencv-python-headless", "transformers"
        ),
        seconds=round(time.perf_counter() - started, 2),
    )


def _tried(
    metrics: list[Metric],
    sides: tuple[Side, Side],
    pairs: dict[str, str],
    context: Context,
    config: EvaluateConfig,
    notes: list[str],
) -> list[Metric]:
    """The metrics, less those of ``all-offline`` that are not defined on clips like the first."""
    name = sides[1].clips.names[0]
    made = sides[1].clips[name]
    real = sides[0].clips[pairs.get(name, sides[0].clips.names[0])]
    left: list[Metric] = []
    for metric in metrics:
        try:
            if metric.name not in config.is_asked_by_name:
                try_metric(metric, real, made, context)
        except (ShapeError, ConfigError) as error:
            notes.append(f"{metric.name} is left out: {error}")
        else:
            left.append(metric)
    needed = {name for metric in left for name in metric.instruments}
    context.instruments.keep(needed)
    return left


def command_of(config: EvaluateConfig) -> str:
    """The evaluation as a line for a shell, with what differs from the usual."""
    words = ["filmgrid", "evaluate"]
    usual = EvaluateConfig.model_fields
    for name, value in config.model_dump(mode="json").items():
        if usual[name].is_required() or value != _plain(usual[name].default):
            flag = "--" + name.replace("_", "-")
            if isinstance(value, bool):
                words.append(flag if value else f"--no-{flag[2:]}")
            elif isinstance(value, list):
                words += [flag, *map(str, value)]
            else:
                words += [flag, str(value)]
    return shlex.join(words)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def clip_sets(config: EvaluateConfig) -> tuple[ClipSet, ClipSet]:
    """The real and the made clips that an evaluation looks at.

    Raises:
        DatasetError: if one side has no clips.
        ConfigError: if it has fewer than are asked for, there is no split, or clips with a
            partner would be left out.
    """
    size = None if config.size is None else CellSize.parse(config.size)
    layout = None if config.layout is None else Layout.parse(config.layout)
    whole = [side for side in (config.real, config.generated) if not ClipSet.is_dataset(side)]
    if config.split is not None and len(whole) == 2:
        raise ConfigError(
            f"Neither {config.real} nor {config.generated} is a dataset, so there is no split "
            f"{config.split}. Leave --split out."
        )
    asked = Selection(start=config.start, seed=config.seed)
    asked_of_real = replace(
        asked,
        stride=config.real_stride,
        names=config.real_names,
        pictures=config.real_pictures,
        listed=config.real_list,
        skip_short=config.skip_short,
    )
    real, made = (
        ClipSet(
            path,
            None if path in whole else config.split,
            config.frames,
            size,
            config.fit,
            layout,
            grids=config.grids,
            select=select,
        )
        for path, select in ((config.real, asked_of_real), (config.generated, asked))
    )
    if config.split is not None:
        made.notes += [f"{path} has no split and is used whole." for path in whole]
    if config.clips is not None:
        made.choose(_drawn(made, made.names, config.clips, config.seed))
    count = config.clips
    if config.real_clips is not None:
        count = min(config.real_clips, len(real))
    if count is not None:
        known = set(made.names)
        shared = [name for name in real.names if name in known]
        others = [name for name in real.names if name not in known]
        if count < len(shared):
            raise ConfigError(
                f"{len(shared)} made clips have a real clip of their name, and --real-clips "
                f"{count} leaves some of these out. Use --real-clips {len(shared)} or more, or as "
                "few --clips."
            )
        real.choose([*shared, *_drawn(real, others, count - len(shared), config.seed)])
    return real, made


def _drawn(clips: ClipSet, names: list[str], count: int, seed: int) -> list[str]:
    """Names of so many clips, drawn by the seed, in their order."""
    if len(names) < count:
        found = len(clips)
        fix = f"Use --clips {found} or fewer, or leave it out." if found > 1 else "Leave it out."
        raise ConfigError(
            f"{clips.path} has {found} clip{'s' if found > 1 else ''}, which is not enough for "
            f"--clips. {fix}"
        )
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return [names[index] for index in sorted(chosen)]


def _measurable(
    config: EvaluateConfig, real: ClipSet, made: ClipSet, pairs: dict[str, str]
) -> tuple[list[Metric], list[str]]:
    """What can be measured of these sets, and sentences on what is left out.

    Raises:
        ConfigError: if a metric that was asked for by name cannot be.
    """
    notes: list[str] = []
    left_out: set[str] = set()
    metrics = list(config.measured)
    optional = [metric for metric in metrics if metric.name not in config.is_asked_by_name]
    if len(pairs) < len(made):
        left_out = {metric.name for metric in optional if metric.kind == "pair"}
        if left_out:
            notes.append(
                f"{len(made) - len(pairs)} of {len(made)} made clips have no real clip of their "
                "name: metrics that compare clip by clip are left out."
            )
    if _layout(config, made) is None and any(metric.name == "seams" for metric in metrics):
        sentence = "The layout of the grids is not known: name it with --layout ROWSxCOLS"
        if "seams" in config.is_asked_by_name:
            raise ConfigError(f"{sentence}, or leave seams out.")
        notes.append(f"{sentence} to measure seams.")
        left_out.add("seams")
    bare = made.without_caption() if any(m.name == "clip-text" for m in metrics) else None
    if bare is not None:
        raise ConfigError(
            f"{bare} in {made.path} has no caption for clip-text. Write {bare}.txt beside the "
            "clip, or a metadata.jsonl, or leave that metric out."
        )
    metrics = [metric for metric in metrics if metric.name not in left_out]
    few = [metric for metric in metrics if metric.kind == "distance" and metric in optional]
    if few and config.floor and (len(real) < LEAST_CLIPS or len(made) < 2):
        notes.append(
            f"{len(real)} real and {len(made)} made clips are too few for distances between sets, "
            f"which are left out: {LEAST_CLIPS} and 2 are needed."
        )
        metrics = [metric for metric in metrics if metric not in few]
    notes += check_partners(real, made, pairs, metrics)
    _check_counts(metrics, len(real), len(made), config)
    biased = any(m.kind == "distance" and not is_unbiased(m.name) for m in metrics)
    used = min(len(made), len(real) // 2 if config.floor else len(real))
    if biased and used < FVD_SAMPLE:
        notes.append(
            f"Fréchet distances are from {used} clips on each side, fewer than {FVD_SAMPLE:,}: "
            "mostly an effect of that number. Read them beside their floors and the MMD, which has "
            "no such bias."
        )
    return metrics, notes


def _layout(config: EvaluateConfig, made: ClipSet) -> Layout | None:
    """The layout that was named, or that the first made clip tells."""
    return Layout.parse(config.layout) if config.layout else made.told()[0]


def _check_counts(
    metrics: list[Metric], num_real: int, num_made: int, config: EvaluateConfig
) -> None:
    """Refuse distances of sets that are too small, before any clip is read.

    Raises:
        ConfigError: if there is no floor, or a Fréchet distance would have to stand without one.
    """
    for metric in metrics:
        if metric.kind != "distance":
            continue
        if not config.floor:
            if not is_unbiased(metric.name):
                check_fvd_sample(num_real, num_made)
        elif num_real < LEAST_CLIPS or num_made < 2:
            raise ConfigError(
                f"{metric.name} needs at least {LEAST_CLIPS} real clips and 2 made ones, "
                f"and there are {num_real} and {num_made}. Give more, or leave that "
                "metric out."
            )


def _facts(side: Side) -> ClipSetFacts:
    lengths = sorted({shape[0] for shape in side.shapes.values()})
    sizes = sorted({CellSize(*shape[1:]) for shape in side.shapes.values()})
    return ClipSetFacts(
        path=str(side.clips.path),
        num_clips=len(side.clips),
        frames=str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}",
        size=", ".join(map(str, sizes)),
        sha256=side.sha256(),
    )


def _lengths(side: Side) -> list[str]:
    lengths = {shape[0] for shape in side.shapes.values()}
    if len(lengths) < 2:
        return []
    return [
        f"The clips of {side.clips.path} have {min(lengths)} to {max(lengths)} frames, and each "
        f"was measured as it is. Use --frames {min(lengths)} for equal lengths."
    ]


def _preprocessing(config: EvaluateConfig, fingerprints: list[str]) -> str:
    """SHA-256 over what decides which pixels are looked at, and with what."""
    facts = config.model_dump(mode="json", include=PIXELS)
    facts["instruments"] = sorted(fingerprints)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
