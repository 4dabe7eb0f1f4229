"""What a person sees of a run: lines with the time left, and curves in trackers."""

import hashlib
import importlib.util
import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from filmgrid.data.images import read_image
from filmgrid.errors import ConfigError
from filmgrid.training.config import TrainConfig
from filmgrid.training.state import TrainState
from filmgrid.training.step import StepReport
from filmgrid.training.validate import sample_path

log = logging.getLogger(__name__)
PROJECT = "filmgrid"
"""That runs belong to, in trackers which keep several."""


class TrainingLog:
    """Writes progress lines, and curves and sample grids to the trackers of the run.

    Args:
        config: of the run.
        first_step: steps done before.
        quiet: writes nothing, for all processes but the first.

    Raises:
        ConfigError: if a tracker that was asked for does not start.
    """

    def __init__(self, config: TrainConfig, first_step: int, *, quiet: bool) -> None:
        self.config = config
        self.quiet = quiet
        self.first_step = first_step
        self.sequences = 0
        self.started = time.perf_counter()
        self.trackers: list[Any] = []

    def __enter__(self) -> Self:
        if not self.quiet:
            self.trackers = [
                tracker
                for name in self.config.track
                if (tracker := _start_tracker(name, self.config, self.first_step)) is not None
            ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for tracker in self.trackers:
            tracker.finish()

    def begin(self, state: TrainState, *, resumed: bool) -> None:
        """Say what is trained, on what, from where."""
        parameters = sum(parameter.numel() for parameter in state.module.parameters())
        training = sum(parameter.numel() for parameter in state.weights.values())
        part = "" if training == parameters else f", of which {training / 1e6:.2f}M train,"
        self._say(
            f"{self.config.name}: {parameters / 1e6:.2f}M parameters{part} on "
            f"{state.accelerator.device} in {str(state.dtype).removeprefix('torch.')}, "
            f"{state.accelerator.num_processes} process(es), {torch.get_num_threads()} threads."
        )
        if resumed:
            self._say(f"Going on after step {state.progress.step} of {self.config.steps}.")

    def step(self, report: StepReport) -> None:
        """Count a step; now and then, write a line."""
        self.sequences += report.sequences
        done, steps = report.step - self.first_step, self.config.steps
        names = ("base", "temporal", "grad_norm", "lr_factor")
        self._track({f"train/{name}": getattr(report, name) for name in names}, report.step)
        if done != 1 and report.step % self.config.log_every and report.step != steps:
            return
        seconds = time.perf_counter() - self.started
        left = seconds / done * (steps - report.step)
        self._say(
            f"step {report.step}/{steps}  base {report.base:.4f}  temporal {report.temporal:.4f}  "
            f"{self.sequences / seconds:.1f} sequences/s  {_clock(left)} left"
        )

    def validation(self, step: int, numbers: dict[str, float]) -> None:
        """Note the health of sample grids, and show them."""
        if not numbers:
            return
        self._track(numbers, step)
        grid = sample_path(self.config.out, step)
        for tracker in self.trackers:
            if grid.is_file() and hasattr(tracker, "log_images"):  # trackio's has none
                form = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
                tracker.log_images({"samples": read_image(grid)[None]}, step, **form)
        words: list[str] = []
        for name, value in numbers.items():
            of, _, what = name.partition("/")
            real = numbers.get(f"data/{what}")
            if of == "samples":
                beside = "" if real is None else f" (data {real:.3f})"
                words.append(f"{what} {value:.3f}{beside}")
        told = "  ".join(words)
        self._say(f"samples of step {step} in {self.config.out / 'samples'}: {told}")

    def saved(self, folder: Path) -> None:
        """Say where a checkpoint is."""
        self._say(f"saved {folder}")

    def _track(self, values: dict[str, float], step: int) -> None:
        for tracker in self.trackers:
            tracker.log(values, step)

    def _say(self, text: str) -> None:
        if not self.quiet:
            log.info(text)


def check_trackers(config: TrainConfig) -> None:
    """Refuse trackers that are not installed; tensorboard is not missed.

    Raises:
        ConfigError: naming the first.
    """
    for name in config.track:
        if name != "tensorboard" and importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"track names {name}, which is not installed. Run `pip install {name}`, or leave "
                "it out."
            )


def _start_tracker(name: str, config: TrainConfig, first_step: int) -> Any:
    """One of accelerate's trackers; none if it is only missing by default."""
    if importlib.util.find_spec(name) is None:
        log.info("No tensorboard log: pip install 'filmgrid[train]' adds it.")
        return None
    where: dict[str, Any] = {"run_name": PROJECT, "name": config.name, "resume": "allow"}
    if name == "tensorboard":
        # Its folder is logging_dir/run_name.
        where = {"logging_dir": config.out, "run_name": "log", "purge_step": first_step + 1}
    elif name == "wandb":
        # The same run goes on after a stop.
        number = hashlib.sha256(str(config.out.resolve()).encode()).hexdigest()[:16]
        where |= {"id": number, "dir": str(config.out)}
    try:
        tracker = LOGGER_TYPE_TO_CLASS[name](**where)
        tracker.start()
        if name != "tensorboard":
            tracker.store_init_configuration(config.model_dump(mode="json"))
    except Exception as error:  # each has errors of its own
        text = " ".join(str(error).split())[:160]
        raise ConfigError(f"{name}, which track names, does not start: {text}.") from error
    return tracker


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
