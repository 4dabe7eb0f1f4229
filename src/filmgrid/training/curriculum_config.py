"""What a curriculum is, and all that ``filmgrid train`` can be asked for. Free of torch."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.settings import Settings
from filmgrid.training.config import TrainConfig
from filmgrid.training.upscaler_config import UpscalerConfig


class CurriculumConfig(Settings):
    """Trainings one after the other, each going on from what the one before has learned.

    GRID has two: a coarse stage of many sequences, low resolution and automatic captions, and a
    fine one of few sequences, high resolution and precise captions (section 3.3).
    """

    kind: Literal["curriculum"] = "curriculum"
    out: Path
    """Folder of the runs: ``stage-1``, ``stage-2`` and so on."""
    base: dict[str, Any] = Field(default={})
    """Settings of a training that all stages share."""
    stages: tuple[dict[str, Any], ...] = Field(min_length=1)
    """Settings of each, over those of base; within optim, loss and the like only what is named
    changes."""

    @model_validator(mode="after")
    def _every_stage_can_be_trained(self) -> Self:
        for number in range(1, len(self.stages) + 1):
            self.stage(number)
        return self

    def stage(self, number: int) -> TrainConfig:
        """Settings of a stage, counted from 1; where it begins is not known before it does."""
        for key in ("out", "kind"):
            if key in self.base or key in self.stages[number - 1]:
                raise ValueError(f"stage {number} sets {key}, which belongs to the curriculum.")
        try:
            settings = _merged(self.base, self.stages[number - 1])
            return TrainConfig(out=self.out / f"stage-{number}", **settings)
        except (ConfigError, ShapeError) as error:
            raise ValueError(f"stage {number}: {error}") from error


AnyConfig = TrainConfig | UpscalerConfig | CurriculumConfig
"""What ``filmgrid train`` can be asked for."""


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with changes; tables of both are merged, all else is replaced."""
    both = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **changes, **both}
