"""Run the stages of a curriculum, each from where the one before ended."""

import logging
from collections.abc import Callable
from pathlib import Path

from filmgrid.errors import ConfigError
from filmgrid.models.places import FACTS, newest_checkpoint
from filmgrid.training.config import TrainConfig
from filmgrid.training.curriculum_config import CurriculumConfig
from filmgrid.training.run import train
from filmgrid.training.step import StepReport

log = logging.getLogger(__name__)


def train_stages(
    config: CurriculumConfig, on_step: Callable[[int, StepReport], None] | None = None
) -> Path:
    """Train all stages; the same call goes on where it was stopped.

    Args:
        config: of all stages.
        on_step: called after every optimiser step, with the number of the stage.

    Returns:
        The newest checkpoint of the last stage.

    Raises:
        ConfigError: if a stage does not fit the one before.
        DatasetError: if the data of a stage cannot be used.
        CheckpointError: if a checkpoint is damaged or cannot be written.
    """
    before: Path | None = None
    for number in range(1, len(config.stages) + 1):
        stage = config.stage(number)
        if before is not None:
            stage = _going_on(stage, before, number)
        log.info(f"Stage {number} of {len(config.stages)}, in {stage.out}.")
        told = None if on_step is None else _Told(number, on_step)
        train(stage, told)
        before = stage.out
    assert before is not None
    newest = newest_checkpoint(before)
    assert newest is not None
    return newest


class _Told:
    """Tells of a step of one stage."""

    def __init__(self, number: int, on_step: Callable[[int, StepReport], None]) -> None:
        self._number, self._on_step = number, on_step

    def __call__(self, report: StepReport) -> None:
        self._on_step(self._number, report)


def _going_on(stage: TrainConfig, before: Path, number: int) -> TrainConfig:
    """A stage that begins with what the one before has learned."""
    newest = newest_checkpoint(before)
    assert newest is not None
    if (newest / "model" / FACTS).is_file():
        return stage.model_copy(update={"start_from": str(before)})
    if stage.lora is None:
        raise ConfigError(f"Stage {number - 1} trained a LoRA and stage {number} has no lora.")
    lora = stage.lora.model_copy(update={"start_from": str(before)})
    return stage.model_copy(update={"lora": lora})
