"""What filmgrid train does: by a preset, a file, or stage after stage."""

import os
from pathlib import Path
from typing import Any

import tyro

from filmgrid.cli.settings import Words
from filmgrid.errors import ConfigError

TRAIN_USAGE = """usage: filmgrid train PRESET|CONFIG.yaml [--SETTING VALUE ...]

Train a model from scratch, or go on with a run that was stopped: the same command resumes.
Presets: {presets}.

filmgrid train NAME --help  lists all settings with the values that NAME gives them.
"""


def train_by(words: list[str]) -> None:
    """Train by a preset or a file, changed as the other words say."""
    from filmgrid.training.curriculum_config import CurriculumConfig
    from filmgrid.training.files import find_config
    from filmgrid.training.presets import PRESETS
    from filmgrid.training.upscaler_config import UpscalerConfig

    if not words or words[0].startswith("-"):
        usage = TRAIN_USAGE.format(presets=", ".join(PRESETS))
        if words and words[0] in ("-h", "--help"):
            print(usage)
            return
        raise ConfigError("train needs a preset or a YAML file.\n" + usage.rstrip())
    name, *overrides = words
    default = find_config(name)  # before the parser, whose errors would hide its own

    if isinstance(default, CurriculumConfig):
        _train_stages(default, name, overrides)
        return
    kind = type(default)

    class Training(Words, kind):  # pyright: ignore[reportGeneralTypeIssues]  # one of two
        """Settings of a training."""

    config = tyro.cli(
        Training,
        prog=f"filmgrid train {name}",
        description=f"Train with the settings of {name}, changed as said here.",
        default=Training(**dict(default)),
        args=overrides,
        config=(tyro.conf.AvoidSubcommands, tyro.conf.EnumChoicesFromValues),
    )
    asked = kind(**dict(config))
    if isinstance(asked, UpscalerConfig):
        from filmgrid.training.upscaling import train_upscaler

        print(f"The upscaler is in {train_upscaler(asked)}")
        return
    from filmgrid.training.run import train

    _tell_model(train(asked), asked)


def _train_stages(default: Any, name: str, overrides: list[str]) -> None:
    """Train by a curriculum, in its folder or another."""
    from filmgrid.training.curriculum import train_stages

    class Stages(Words):
        """Where a curriculum is trained; its stages are changed in its file."""

        out: Path = default.out
        """Folder of the runs."""

    config = tyro.cli(
        Stages,
        prog=f"filmgrid train {name}",
        description=f"Train the {len(default.stages)} stages of {name}.",
        args=overrides,
    )
    asked = default.model_copy(update={"out": config.out})
    _tell_model(train_stages(asked), asked.stage(len(asked.stages)))


def _tell_model(folder: Path, config: Any) -> None:
    """Say where what was trained is, and how to use it."""
    from filmgrid.models.places import FACTS

    if int(os.environ.get("RANK", "0")):
        return  # one of several processes tells
    print(f"The model is in {folder / 'model'}")
    model = str(config.out)
    if not (folder / "model" / FACTS).is_file():  # a LoRA
        model = f"{config.start_from} --lora {config.out}"
    if getattr(config, "super_resolution", None) is not None:
        print(f"Try it: filmgrid upscale CLIP --by {model} --out larger.mp4")
        return
    print(f'Try it: filmgrid generate "PROMPT" --model {model} --out sequence.mp4')
