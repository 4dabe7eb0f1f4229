"""A training run from its first step, or its last checkpoint, to its end."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import yaml
from torch.utils.data import DataLoader, Sampler

from filmgrid.data.files import atomic_path
from filmgrid.errors import ConfigError
from filmgrid.models.places import newest_checkpoint
from filmgrid.training.batches import Batch, Batches, check_sources, open_sources
from filmgrid.training.caches import fill_caches
from filmgrid.training.card import push
from filmgrid.training.config import TrainConfig
from filmgrid.training.files import check_same, load_config
from filmgrid.training.log import TrainingLog, check_trackers
from filmgrid.training.state import TrainState, resume, save_checkpoint, start_state
from filmgrid.training.step import StepReport, train_step
from filmgrid.training.validate import validate

log = logging.getLogger(__name__)

MAY_CHANGE = frozenset(
    [
        "out",
        "cache",
        "caching",
        "compile",
        "gradient_checkpointing",
        "workers",
        "device",
        "log_every",
        "push_private",
        "push_to",
        "save_every",
        "keep_checkpoints",
        "track",
        "validate_every",
        "validation_prompts",
    ]
)
"""Settings that a resumed run may change, since they do not change what is learned."""


def train(config: TrainConfig, on_step: Callable[[StepReport], None] | None = None) -> Path:
    """Train from scratch, or go on from the newest checkpoint in ``config.out``.

    The same configuration run again resumes; a finished run returns at once. Stopping at any
    moment loses at most the steps since the last checkpoint.

    Args:
        config: of the run.
        on_step: called after every optimiser step.

    Returns:
        The folder of the newest checkpoint; ``model`` in it can be sampled.

    Raises:
        ConfigError: if the folder holds a run with other settings.
        DatasetError: if the data cannot be used.
        CheckpointError: if a checkpoint is damaged or cannot be written.
    """
    check_same_run(config)
    check_trackers(config)
    sources = open_sources(config)
    state = start_state(config, has_text=any(source.has_captions for source in sources))
    check_sources(config, sources, state.backbone)
    looked_at = open_sources(config, held_out=True)
    resumed = resume(state)
    main = state.accelerator.is_main_process
    if main:
        _save_config(config)
    fill_caches(state, [*sources, *looked_at])
    facts = state.backbone.facts
    numbered = Batches(config, sources, state.accelerator.num_processes, facts)
    with TrainingLog(config, state.progress.step, quiet=not main) as book:
        book.begin(state, resumed=resumed)
        started, before = time.perf_counter(), state.progress.seconds
        for batches in _step_batches(state, numbered):
            report = train_step(state, batches)
            check_finite(report)
            state.progress.seconds = before + time.perf_counter() - started
            book.step(report)
            if on_step is not None:
                on_step(report)
            finished = report.step == config.steps
            due = config.validate_every and _due(report.step, config.validate_every, config)
            if due and (main or config.shard):  # a network that is shared out runs in all at once
                seen = validate(state, looked_at)
                if main:
                    book.validation(report.step, seen)
            if finished or report.step % config.save_every == 0:
                book.saved(save_checkpoint(state))
    newest = newest_checkpoint(config.out)
    assert newest is not None
    if config.push_to is not None and main and (place := push(config, newest)):
        log.info(f"pushed to {place}")
    state.accelerator.end_training()
    return newest


def check_finite(report: StepReport) -> None:
    """Stop a training whose numbers are lost, before a checkpoint of it replaces a good one.

    Raises:
        ConfigError: if a loss or the gradient is not a number.
    """
    if not math.isfinite(report.base + report.temporal + report.grad_norm):
        raise ConfigError(
            f"The training diverged at step {report.step}: its loss is {report.base}. Lower "
            "optim.adamw_lr and optim.muon_lr and begin again; earlier checkpoints are kept."
        )


def check_same_run(config: TrainConfig) -> None:
    """Refuse to go on with other settings than the run in the folder began with.

    Raises:
        ConfigError: naming what differs.
    """
    if newest_checkpoint(config.out) is None:
        return
    check_same(load_config(config.out / "config.yaml"), config, MAY_CHANGE)


def _due(step: int, every: int, config: TrainConfig) -> bool:
    return step == config.steps or step % every == 0


def _save_config(config: TrainConfig) -> None:
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    with atomic_path(config.out / "config.yaml") as part:
        part.write_text(text, encoding="utf-8")


class _Numbers(Sampler[int]):
    """The batch numbers that this process has left to do, in order."""

    def __init__(self, state: TrainState) -> None:
        self.config, self.step = state.config, state.progress.step
        self.processes = state.accelerator.num_processes
        self.rank = state.accelerator.process_index

    def __iter__(self) -> Iterator[int]:
        accumulation = self.config.accumulation
        first, end = self.step * accumulation, self.config.steps * accumulation
        return (number * self.processes + self.rank for number in range(first, end))


def _step_batches(state: TrainState, batches: Batches) -> Iterator[list[Batch]]:
    """The batches of each step that is left."""
    workers = state.config.workers
    loader: DataLoader[Batch] = DataLoader(
        batches,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=_Numbers(state),
        num_workers=workers,
        generator=torch.Generator(),  # else the loader draws its seed from the global one
        prefetch_factor=4 if workers else None,
        collate_fn=_as_it_is,  # pyright: ignore[reportArgumentType]
    )
    group: list[Batch] = []
    for batch in loader:
        group.append(batch)
        if len(group) == state.config.accumulation:
            yield group
            group = []


def _as_it_is(batch: Batch) -> Batch:
    return batch
