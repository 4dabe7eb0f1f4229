"""What the server does for a visitor, whatever words it was asked in."""

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filmgrid.data.gate import check_numbers
from filmgrid.data.images import MAX_IMAGE_PIXELS
from filmgrid.errors import ConfigError, FilmgridError, MediaError
from filmgrid.loading import Loading
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import find_model, load_facts
from filmgrid.planning import Plan, make_plan
from filmgrid.request import START_SIGMAS, GenerateRequest
from filmgrid.serving import quota
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.database import Database
from filmgrid.serving.estimates import Estimates
from filmgrid.serving.jobs import Inputs, References, Workspace, begin_folder, frames_of, new_id
from filmgrid.serving.kept_costs import KeptCosts
from filmgrid.serving.records import Draft, JobRecord, same_request
from filmgrid.serving.results import Exports
from filmgrid.serving.schema import Job, Model, PlanAnswer, job_of
from filmgrid.serving.store import JobStore
from filmgrid.serving.uploads import UploadStore
from filmgrid.serving.workforce import Workforce

MOST_WORDS = 10_000
"""Characters of a prompt or any other text of a request."""


class FullError(FilmgridError):
    """The server has no room for more, until something else goes."""


class Service:
    """Jobs, uploads and models of one workspace.

    Args:
        config: of the server.

    Raises:
        ConfigError: if the workspace is none, or a model has what does not fit.
        CheckpointError: if a model is not there.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.workspace = Workspace(config.workspace)
        self.workspace.make()
        database = Database(self.workspace.database)
        self.store = JobStore(database)
        self.workforce = Workforce(database, attempts=config.attempts, lease_s=config.lease_s)
        self.estimates = Estimates(config, KeptCosts(database))
        self.uploads = UploadStore(database, self.workspace.uploads, config)
        self.references = References(self.workspace, self.store, self.uploads)
        self.exports = Exports()
        self.facts: dict[str, BackboneFacts] = {
            name: load_facts(find_model(name), name, config.loading.lora_places)
            for name in config.model
        }

    # ---- jobs --------------------------------------------------------------------------------

    def submit(
        self,
        asked: Mapping[str, Any],
        *,
        key: str | None = None,
        name: str | None = None,
        deadline_s: float | None = None,
    ) -> JobRecord:
        """Queue a request; with a key that is known, give the job that has it.

        Raises:
            ConfigError: if it cannot be carried out here; of its kind, ``ConflictError`` if the
                key belongs to another request.
            FullError: if there is no room for it.
            MediaError: if a file that it refers to is not there.
            ShapeError: if sizes do not fit.
        """
        request = self.read(asked)
        told = request.model_dump(mode="json", exclude_defaults=True)
        known = None if key is None else self.store.by_key(key)
        if known is not None:
            return same_request(known, told)
        inputs, plan = self._planned(request)
        self._check_room()
        job = new_id()
        folder = self.workspace.job(job)
        size = begin_folder(folder, request, inputs, name)
        try:
            record = self.store.submit(
                Draft(
                    id=job,
                    request=told,
                    layout=str(plan.layout),
                    height=plan.frame.height,
                    width=plan.frame.width,
                    num_frames=plan.num_frames,
                    fps=plan.fps,
                    num_steps=plan.all_steps(plan.num_steps),
                    key=key,
                    name=name,
                    deadline_s=deadline_s,
                    bytes=size,
                )
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if record.id != job:  # two came with one key at once
            shutil.rmtree(folder, ignore_errors=True)
        return record

    def read(self, asked: Mapping[str, Any]) -> GenerateRequest:
        """A visitor's request, refused if it asks for what only the server's owner chooses.

        Raises:
            ConfigError: if it does.
        """
        for name, value in asked.items():
            _check_text(str(name), value, self.config.max_frames)
        upscale = asked.get("upscale", 1)
        if str(upscale) not in ("1", "2", "4"):  # before anything looks what lies at that place
            raise ConfigError(
                f"upscale {str(upscale)[:80]!r} is not served here: files and folders belong to "
                "the machine. Use 1, 2 or 4."
            )
        request = GenerateRequest(**{"model": self.config.model[0], **asked})
        if request.model not in self.facts:
            raise ConfigError(
                f"The model {request.model!r} is not served here. Use one of: "
                f"{', '.join(self.facts)}."
            )
        chosen = [
            name
            for name in (*Loading.model_fields, "device", "precision")
            if getattr(request, name) != GenerateRequest.model_fields[name].default
        ]
        if chosen:
            raise ConfigError(
                f"{chosen[0]} is chosen by who starts the server (filmgrid serve "
                f"--{chosen[0].replace('_', '-')}). Leave it out."
            )
        if request.frames is not None and request.frames > self.config.max_frames:
            raise ConfigError(
                f"{request.frames} frames are more than the {self.config.max_frames} that a "
                "sequence may have here. Ask for fewer, and extend the result."
            )
        if request.best_of > self.config.max_sequences:
            raise ConfigError(
                f"best_of {request.best_of} is more than the {self.config.max_sequences} sequences "
                "that are made here at once. Use a smaller one, and other seeds."
            )
        if request.seed + request.best_of > 2**63:
            raise ConfigError(f"The seeds after {request.seed} are too large. Use a smaller one.")
        return request

    def _planned(self, request: GenerateRequest) -> tuple[Inputs, Plan]:
        """The files of a request and what it comes to, within what is allowed here."""
        inputs = self.references.find(request)
        plan = make_plan(request, self.facts[request.model], inputs.given)
        if plan.jumps is not None:  # how far they may go hangs on where the walk starts
            from filmgrid.walking import sigmas_of

            sigmas_of(plan, request)
        config, grid = self.config, plan.layout.grid_size(plan.cell)
        steps = plan.steps_of(plan.windows - 1, plan.num_steps)
        if steps > config.max_steps:
            raise ConfigError(
                f"{steps} steps are more than the {config.max_steps} allowed here. Use "
                "fewer; beyond 50 they rarely change a picture."
            )
        if plan.num_frames > config.max_frames:
            raise ConfigError(
                f"{plan.num_frames} frames are more than the {config.max_frames} that a sequence "
                "may have here. Use a smaller between, or a part of the video."
            )
        pixels = grid.height * grid.width
        if pixels > config.max_pixels or pixels * plan.upscale**2 > MAX_IMAGE_PIXELS:
            raise ConfigError(
                f"{plan.layout} cells of {plan.cell} px make a grid of {grid} px, more than the "
                f"{config.max_pixels} pixels allowed here (and {MAX_IMAGE_PIXELS} enlarged). Use a "
                "smaller layout, cell or upscale."
            )
        check_numbers(plan.fps, 1)
        return inputs, plan

    def _check_room(self) -> None:
        quota.tidy(self.config, self.store, self.uploads)
        if quota.used(self.store) > self.config.quota:
            raise FullError(
                f"The server's {self.config.quota_gb:g} GB are full of pinned jobs. Unpin or "
                "delete some first."
            )
        waiting = self.store.counts()["queued"]
        if waiting >= self.config.queue:
            raise FullError(f"{waiting} jobs wait already. Submit this one later.")

    def tell(self, record: JobRecord, now: float) -> Job:
        """A job as it is told."""
        return job_of(record, self.store.position(record), now)

    # ---- what it would take ------------------------------------------------------------------

    def plan(self, asked: Mapping[str, Any]) -> PlanAnswer:
        """What a request would come to.

        Raises:
            FilmgridError: if it cannot be carried out, as :meth:`submit` does.
        """
        request = self.read(asked)
        _, plan = self._planned(request)
        cost, passes, seconds = self.estimates.of(plan, request)
        return PlanAnswer(
            task=str(plan.task),
            layout=str(plan.layout),
            cell=(plan.frame.height, plan.frame.width),
            prompt=plan.prompt,
            frames=plan.num_frames,
            windows=plan.windows,
            tokens=cost.tokens,
            passes=passes,
            memory_bytes=cost.memory_bytes,
            seconds=round(seconds, 2),
            notes=list(plan.notes),
        )

    def warm_up(self) -> None:
        """Load what plans take, so that the first need not wait for it."""
        self.plan({})

    def models(self) -> list[Model]:
        """The models that are served."""
        ready = any(worker["state"] == "ready" for worker in self.workforce.listed())
        return [
            Model(
                name=name,
                loaded=ready and name == self.config.model[0],
                layouts=list(facts.trained_layouts),
                default_layout=facts.layout,
                cell=facts.cell,
                stride=facts.stride,
                steps=facts.num_steps,
                guidance=facts.guidance_scale,
                guidance_kind=facts.guidance,
                fps=facts.fps,
                upscale=[1, 2, 4],
                max_frames=self.config.max_frames,
                licence=facts.licence,
                task_defaults={str(task): sigma for task, sigma in START_SIGMAS.items()},
            )
            for name, facts in self.facts.items()
        ]

    def result_frame(self, record: JobRecord, number: int) -> Path:
        """One frame of a finished job, without loss.

        Raises:
            MediaError: if it is not there.
        """
        path = frames_of(self.workspace.job(record.id)) / f"{number:05d}.png"
        if record.state != "done" or not 0 <= number < record.num_frames or not path.is_file():
            raise MediaError(
                f"Job {record.id} has no frame {number}: it is {record.state}, with "
                f"{record.num_frames} frames counted from 0."
            )
        return path


def find_token(config: ServeConfig) -> str | None:
    """The secret of a server: as told, or of its workspace, or none where only this machine asks.

    Raises:
        MediaError: if it cannot be kept.
    """
    if config.token is not None:
        return config.token
    if config.is_loopback:
        return None
    path = config.workspace / "token"
    try:
        if path.is_file():
            return path.read_text(encoding="ascii").strip()
        path.touch(mode=0o600)
        token = secrets.token_urlsafe(32)
        path.write_text(token + "\n", encoding="ascii")
    except OSError as error:
        raise MediaError(f"{path} could not be written: {error.strerror}.") from error
    return token


def _check_text(name: str, value: Any, most: int) -> None:
    """Refuse texts that are too long to be meant, and lists of cells that stand for too many."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    if len(texts) > MOST_WORDS:
        raise ConfigError(f"{name} has {len(texts)} entries. Use at most {MOST_WORDS}.")
    for text in texts:
        if not isinstance(text, str):
            continue
        if len(text) > MOST_WORDS:
            raise ConfigError(f"{name} has {len(text)} characters. Use at most {MOST_WORDS}.")
        if not text.isprintable() and re.search(r"[\ud800-\udfff\x00]", text):
            raise ConfigError(f"{name} holds characters that are no text. Leave them out.")
        if name in ("redraw", "lock") and any(
            len(number) > 7 or int(number) > most for number in re.findall(r"\d+", text)
        ):
            raise ConfigError(
                f"{name} names a cell beyond {most}, the most frames that there are here."
            )
