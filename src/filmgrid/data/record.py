"""What a dataset's folder holds beside its sequences, and whether a new one may stand there."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from filmgrid.data.config import DatasetConfig
from filmgrid.data.files import is_empty
from filmgrid.data.manifest import MANIFEST
from filmgrid.data.provenance import current_versions
from filmgrid.errors import DatasetError
from filmgrid.settings import explain

SEQUENCES = "sequences"
CONFIG = "dataset.json"
REPORT = "report.json"


class DatasetRecord(BaseModel):
    """What ``dataset.json`` keeps: enough to build the dataset again."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    config: DatasetConfig
    """What was asked for."""
    versions: dict[str, str] = Field(default_factory=current_versions)
    """Versions of what built it."""


def load_record(folder: Path) -> DatasetRecord:
    """The configuration that a dataset was built with.

    Raises:
        DatasetError: if it is missing or damaged.
    """
    path = folder / CONFIG
    try:
        return DatasetRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DatasetError(f"{path} is damaged: {explain(error)}") from error
    except OSError as error:
        raise DatasetError(
            f"{folder} is not a dataset: it has no {CONFIG} that can be read."
        ) from error


def check_out(config: DatasetConfig) -> None:
    """Refuse an output folder that would mix with other files or take sources with it.

    Raises:
        DatasetError: naming what is in the way.
    """
    out = config.out.resolve()
    for source in config.sources:
        if source.resolve().is_relative_to(out):
            raise DatasetError(
                f"{config.out} holds the source {source}, which the dataset would replace. "
                "Name another output folder."
            )
    if not out.exists():
        return
    if not out.is_dir():
        raise DatasetError(f"{config.out} is a file. Name a folder for the dataset.")
    if is_empty(out):
        return
    if not config.overwrite:
        raise DatasetError(
            f"{config.out} is not empty. Name a new folder, or set overwrite to replace the "
            "dataset in it."
        )
    if not is_dataset(out):
        raise DatasetError(
            f"{config.out} is not a dataset, so overwrite does not replace it. Name a new folder."
        )


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a dataset that filmgrid built."""
    return (folder / MANIFEST).is_file() and (folder / CONFIG).is_file()
