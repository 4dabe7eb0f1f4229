"""``filmgrid repro``: a sequence made again from what its file, or its job, tells."""

from pathlib import Path
from typing import Any

from filmgrid.commands import generate
from filmgrid.data.provenance import read_provenance
from filmgrid.errors import ConfigError, MediaError
from filmgrid.request import GenerateRequest
from filmgrid.request.text import parse_keyframe
from filmgrid.serving.jobs import JOB, placed, read_job


def repeat(
    file: Path,
    out: str | None,
    scale: int,
    *,
    device: str | None = None,
    precision: str | None = None,
    as_json: bool = False,
) -> None:
    """Make a sequence again, by the usual way.

    Args:
        file: that filmgrid made, or a ``job.json``, or its folder.
        out: as of ``filmgrid generate``.
        scale: enlargement of the written frames.
        device: instead of the one that is told.
        precision: instead of the one that is told.
        as_json: whether the report is JSON.

    Raises:
        FilmgridError: if the file tells no request, or one that cannot be carried out here.
    """
    other = {"device": device, "precision": precision}
    request = request_of(file, {name: value for name, value in other.items() if value})
    generate(request, out, scale, dry_run=False, as_json=as_json)


def request_of(file: Path, other: dict[str, Any] | None = None) -> GenerateRequest:
    """The request that a file tells, its own files found from there.

    Args:
        file: that filmgrid made, or a ``job.json``, or its folder.
        other: fields to replace.

    Raises:
        ConfigError: if it cannot be read by this version.
        MediaError: if it tells none, or a file that it was made from is not here.
    """
    path = file / JOB if (file / JOB).is_file() else file
    if path.name == JOB or (path.suffix.lower() == ".json" and read_provenance(path) is None):
        request = read_job(path)
    else:
        told = read_provenance(path)
        if told is None or told.request is None or "slices" in told.request:
            raise MediaError(
                f"{file} tells no request: filmgrid did not generate it, or another program wrote "
                "it again. Give the file as it was made, or the job.json of its job."
            )
        asked: dict[str, Any] = dict(told.request)
        _check_no_arrays(file, asked)
        here = placed(asked, path.parent)
        request = GenerateRequest(**(here if _are_there(here) else asked))
    missing = [each for each in _files(request) if not each.exists()]
    if missing:
        raise MediaError(
            f"{file} was made from {missing[0]}, which is not here. Put that file there, or make "
            "it again from the job.json of its job, whose folder holds its inputs."
        )
    return request.model_copy(update=other or {})


def _files(request: GenerateRequest) -> list[Path]:
    return [*request.keyframes.values(), *([request.video] if request.video else [])]


def _are_there(asked: dict[str, Any]) -> bool:
    """Whether the files of a request are there."""
    named = [asked.get("image"), asked.get("video")]
    named += [parse_keyframe(str(text))[1] for text in asked.get("keyframe", ())]
    return all(Path(str(each)).exists() for each in named if each)


def _check_no_arrays(file: Path, asked: dict[str, Any]) -> None:
    if "array" in (asked.get("image"), asked.get("video")) or any(
        str(text).endswith("=array") for text in asked.get("keyframe", ())
    ):
        raise ConfigError(
            f"{file} was made in Python from pictures in memory, which it does not hold. Make it "
            "again there."
        )
