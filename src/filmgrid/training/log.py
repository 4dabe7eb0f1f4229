"""What a person sees of a run: lines with the time left, and a tensorboard log."""

import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from filmgrid.training.config import TrainConfig
from filmgrid.training.state import TrainState
from filmgrid.training.step import StepReport

log = logging.getLogger(__name__)


class TrainingLog:
    """Writes progress lines, and a tensorboard log where tensorboard is installed.

    Args:
        config: of the run.
        first_step: steps done before.
        quiet: writes nothing, for all processes but the first.
    """

    def __init__(self, config: TrainConfig, first_step: int, *, quiet: bool) -> None:
        self.config = config
        self.quiet = quiet
        self.first_step = first_step
        self.sequences = 0
        self.started = time.perf_counter()
        self.board: Any = None

    def __enter__(self) -> Self:
        if not self.quiet:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                log.info("No tensorboard log: pip install 'filmgrid[train]' adds it.")
            else:
                self.board = SummaryWriter(self.config.out / "log", purge_step=self.first_step + 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.board is not None:
            self.board.close()

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
        if self.board is not None:
            for name in ("base", "temporal", "grad_norm", "lr_factor"):
                self.board.add_scalar(f"train/{name}", getattr(report, name), report.step)
        if done != 1 and report.step % self.config.log_every and report.step != steps:
            return
        seconds = time.perf_counter() - self.started
        left = seconds / done * (steps - report.step)
        self._say(
            f"step {report.step}/{steps}  base {report.base:.4f}  temporal {report.temporal:.4f}  "
            f"{self.sequences / seconds:.1f} sequences/s  {_clock(left)} left"
        )

    def validation(self, step: int, numbers: dict[str, float]) -> None:
        """Note the health of sample grids."""
        if not numbers:
            return
        if self.board is not None:
            for name, value in numbers.items():
                self.board.add_scalar(name, value, step)
        told = "  ".join(
            f"{name.removeprefix('samples/')} {value:.3f} (data {numbers[f'data/{key}']:.3f})"
            for name, value in numbers.items()
            if name.startswith("samples/") and (key := name.split("/")[1])
        )
        self._say(f"samples of step {step} in {self.config.out / 'samples'}: {told}")

    def saved(self, folder: Path) -> None:
        """Say where a checkpoint is."""
        self._say(f"saved {folder}")

    def _say(self, text: str) -> None:
        if not self.quiet:
            log.info(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
