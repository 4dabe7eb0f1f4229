"""A benchmark from its configuration to its result."""

import logging
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from filmgrid.bench.config import BenchConfig, Ours, Theirs
from filmgrid.bench.flops import Count, count_run
from filmgrid.bench.measure import Times, time_in_turn
from filmgrid.bench.memory import COUNTS, cuda_peak, process_peak
from filmgrid.bench.ours import open_ours
from filmgrid.bench.peak import ImpossibleError, matrix_probe, share_of_peak
from filmgrid.bench.results import BenchResult, Machine, Row, Spread
from filmgrid.bench.subjects import Subject
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.speed import synchronize

log = logging.getLogger(__name__)


def run_bench(config: BenchConfig) -> BenchResult:
    """Open, count, weigh and time all subjects.

    Counting is each one's first run; then come memory, warm-up and the rounds. What can be refused
    without opening anything, :func:`~filmgrid.bench.check.check_subjects` refuses.

    Args:
        config: what to do.

    Raises:
        FilmgridError: if a subject cannot be opened or does not run.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    weighed: list[int | None] = [None] * len(config.subjects)
    if config.memory and device.type == "cpu":  # before the subjects take the memory here
        for place, text in enumerate(config.subjects):
            log.info("memory of %s, in a process of its own", text)
            weighed[place] = process_peak(config, text)
    subjects = open_subjects(config)
    log.info("first runs, counting")
    counts = [count_run(subject) for subject in subjects]
    if config.memory and device.type == "cuda":
        weighed = [cuda_peak(subject, device) for subject in subjects]
    times = time_in_turn(
        [subject.run for subject in subjects],
        config.rounds,
        config.warmup,
        matrix_probe(device, dtype),
        wait=lambda: synchronize(device),
        show=lambda number: log.info("round %d of %d", number, config.rounds),
    )
    measured = config.memory and device.type in COUNTS
    return BenchResult(
        machine=describe_machine(device),
        dtype=str(dtype).removeprefix("torch."),
        num_rounds=config.rounds,
        warmup=config.warmup + 1,
        probe=Spread.of(times.probes),
        memory_counts=COUNTS[device.type if measured else "none"],
        rows=make_rows(subjects, counts, times, weighed),
    )


def open_subjects(config: BenchConfig) -> list[Subject]:
    """Load or build all subjects, in their order.

    Raises:
        FilmgridError: if one cannot be.
    """
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    return [_open(spec, config, device, dtype) for spec in config.parsed]


def make_rows(
    subjects: Sequence[Subject],
    counts: Sequence[Count],
    times: Times,
    memory: Sequence[int | None],
) -> tuple[Row, ...]:
    """One row per subject. A run above the matrix peak has no times, nor a ratio to it.

    Args:
        subjects: in the order of all other arguments.
        counts: what each did.
        times: how long it took.
        memory: in bytes, where it was measured.
    """
    shares: list[float | None] = []
    why: list[str | None] = []
    for subject, count, seconds in zip(subjects, counts, times.seconds, strict=True):
        try:
            share_of_peak(count.flops, min(seconds), times.peak, subject.name)
            median = Spread.of(seconds).median
            shares.append(share_of_peak(count.flops, median, times.peak, subject.name))
            why.append(None)
        except ImpossibleError as error:
            log.warning("%s", error)
            shares.append(None)
            why.append(str(error))
    rows: list[Row] = []
    for place, (subject, count) in enumerate(zip(subjects, counts, strict=True)):
        seconds = times.seconds[place] if why[place] is None else ()
        paired = bool(seconds) and why[0] is None
        rows.append(
            Row(
                subject=subject.name,
                weights=subject.weights,
                source=subject.source,
                frames=count.made.clip.frames,
                height=count.made.clip.height,
                width=count.made.clip.width,
                steps=count.made.steps,
                passes=count.passes,
                tokens=count.tokens,
                flops=count.flops,
                pass_flops=count.pass_flops,
                seconds=Spread.of(seconds) if seconds else None,
                rounds=seconds,
                ratio=Spread.of(times.ratios(place)) if paired else None,
                share=shares[place],
                memory_bytes=memory[place],
                refused=why[place],
            )
        )
    return tuple(rows)


def describe_machine(device: torch.device) -> Machine:
    """What results depend on besides the subjects."""
    hardware = f"{_processor()} ({torch.backends.cpu.get_cpu_capability()})"
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    names = ("torch", "diffusers", "transformers", "filmgrid")
    return Machine(
        device=device.type,
        hardware=hardware,
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.machine()}",
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
    )


def _open(
    spec: Ours | Theirs, config: BenchConfig, device: torch.device, dtype: torch.dtype
) -> Subject:
    log.info("opening %s", spec.text)
    if isinstance(spec, Ours):
        return open_ours(spec, config)
    from filmgrid.bench.peers.opening import open_peer

    return open_peer(spec, config, device, dtype)


def _processor() -> str:
    """Name of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
