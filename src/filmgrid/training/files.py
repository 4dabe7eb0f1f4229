"""Training configurations on disk and by name. Free of torch."""

from collections.abc import Collection
from pathlib import Path

import yaml

from filmgrid.errors import ConfigError
from filmgrid.training.config import TrainConfig
from filmgrid.training.curriculum_config import AnyConfig, CurriculumConfig
from filmgrid.training.presets import PRESETS
from filmgrid.training.upscaler_config import UpscalerConfig


def load_config(path: Path) -> AnyConfig:
    """Read a configuration from YAML.

    Args:
        path: the file; its keys are the fields of :class:`TrainConfig`, or with ``kind:
            upscaler`` those of :class:`UpscalerConfig`, with ``kind: curriculum`` those of
            :class:`CurriculumConfig`.

    Raises:
        ConfigError: if the file cannot be read, is not YAML, or has an unknown or wrong value.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The configuration {path} cannot be read: {error.strerror or error}. "
            f"Name a YAML file, or a preset: {', '.join(PRESETS)}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} holds no settings. Write one `key: value` a line.")
    kinds = {"upscaler": UpscalerConfig, "curriculum": CurriculumConfig}
    try:
        return kinds.get(str(values.get("kind")), TrainConfig)(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def find_config(name: str) -> AnyConfig:
    """A preset by name, or a YAML file.

    Raises:
        ConfigError: if there is neither.
    """
    if name in PRESETS:
        return PRESETS[name]()
    return load_config(Path(name))


def check_same(
    before: AnyConfig,
    now: AnyConfig,
    may_change: Collection[str],
) -> None:
    """Refuse to go on with other settings than a run began with.

    Args:
        before: what the run in the folder was asked for.
        now: what is asked for.
        may_change: settings that do not change what is learned.

    Raises:
        ConfigError: naming what differs.
    """
    was, wanted = before.model_dump(mode="json"), now.model_dump(mode="json")
    changed = [key for key in wanted if key not in may_change and wanted[key] != was.get(key)]
    if changed:
        key = changed[0]
        all_of_them = f" ({len(changed)} settings differ)" if len(changed) > 1 else ""
        raise ConfigError(
            f"{now.out} holds a run with other settings: {key} was {was.get(key)!r} and is "
            f"{wanted[key]!r} now{all_of_them}. Name another --out, or give the same settings to "
            "resume."
        )
