"""Train and score every arm, seed by seed; what is done is not done again."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ablation.arms import ARMS, Arm
from benchmarks.ablation.score import Scores, score
from filmgrid.data.files import atomic_path
from filmgrid.generator import Generator
from filmgrid.models.places import load_facts, newest_checkpoint
from filmgrid.training.config import TrainConfig
from filmgrid.training.run import train

RESULTS = Path(__file__).parent / "results"


def run(
    work: Path,
    results: Path,
    seeds: Sequence[int],
    names: Sequence[str] = (),
    minutes: float | None = None,
    share: float = 1.0,
) -> None:
    """Do what is missing, all arms of a seed before the next seed.

    Args:
        work: where trainings are kept; they may be deleted once scored.
        results: where scores are kept, a file for each arm.
        seeds: to do.
        names: of arms; by default all. What they start from is done as well.
        minutes: after which nothing new is begun.
        share: of the steps and scenes, to try it out; its results mean nothing.
    """
    wanted = _with_bases(names)
    started = time.monotonic()
    for seed in seeds:
        for arm in wanted:
            if minutes is not None and time.monotonic() - started > 60 * minutes:
                return
            if not _is_done(arm, work, results, seed):
                began = time.monotonic()
                _do(arm, work, results, seed, share)
                print(f"{arm.name} seed {seed}: {time.monotonic() - began:.0f} s", flush=True)


def _with_bases(names: Sequence[str]) -> list[Arm]:
    """The arms of these names, each after the one it starts from."""
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise SystemExit(f"There is no arm {unknown[0]}. There are {', '.join(ARMS)}.")
    wanted: dict[str, Arm] = {}

    def add(arm: Arm) -> None:
        base = arm.after or arm.trained_as
        if base is not None:
            add(ARMS[base])
        wanted[arm.name] = arm

    for name in names or ARMS:
        add(ARMS[name])
    return list(wanted.values())


def _is_done(arm: Arm, work: Path, results: Path, seed: int) -> bool:
    if arm.scores:
        return str(seed) in read(results, arm.name)
    return _is_trained(arm.config(work, seed))


def _is_trained(config: TrainConfig) -> bool:
    newest = newest_checkpoint(config.out)
    return newest is not None and newest.name == f"step-{config.steps:08d}"


def _do(arm: Arm, work: Path, results: Path, seed: int, share: float) -> None:
    trained = arm if arm.trained_as is None else ARMS[arm.trained_as]
    config = trained.config(work, seed)
    if share < 1:
        config = config.model_copy(update={"steps": max(2, round(share * config.steps))})
    if not _is_trained(config):
        train(config)
    if not arm.scores:
        return
    generator = Generator.from_pretrained(config.out)
    scores: Scores = {}
    for what in arm.scores:
        scores |= score(generator, what, arm.layout, arm.conditioning, share)
    newest = newest_checkpoint(config.out)
    assert newest is not None
    progress = load_facts(newest / "model").training["progress"]
    told = {
        "steps": config.steps,
        "seconds": round(progress["seconds"], 1),
        "parameters": sum(each.numel() for each in generator.backbone.module.parameters()),
        "scores": scores,
    }
    everything = {**read(results, arm.name), str(seed): told}
    with atomic_path(results / f"{arm.name}.json") as part:
        part.write_text(_lines(everything), encoding="utf-8")


def read(results: Path, name: str) -> dict[str, Any]:
    """Results of an arm by seed, none if there are none."""
    try:
        return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _lines(results: dict[str, Any]) -> str:
    """JSON with the scenes of a reading on one line, so that a change shows what changed."""
    text = json.dumps(results, indent=1)
    return re.sub(r"\[[^\]]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"
