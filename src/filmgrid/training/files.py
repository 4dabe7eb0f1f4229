"""Training configurations on disk and by name. Free of torch."""

from pathlib import Path

import yaml

from filmgrid.errors import ConfigError
from filmgrid.training.config import TrainConfig
from filmgrid.training.presets import PRESETS


def load_config(path: Path) -> TrainConfig:
    """Read a configuration from YAML.

    Args:
        path: the file; its keys are the fields of :class:`TrainConfig`.

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
    try:
        return TrainConfig(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def find_config(name: str) -> TrainConfig:
    """A preset by name, or a YAML file.

    Raises:
        ConfigError: if there is neither.
    """
    if name in PRESETS:
        return PRESETS[name]()
    return load_config(Path(name))
