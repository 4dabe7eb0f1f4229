"""Long generations on disk: frames as they come, and going on after a stop.

::

    NAME.work/request.json        what was asked for, with every choice made
    NAME.work/memory.safetensors  what the next window needs, after each window
    NAME.work/frames/00000.png    finished frames, bit for bit

The folder stands beside the target, and goes when that is whole.
"""

import json
import shutil
from collections import abc, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from filmgrid.data.audio import carry_sound
from filmgrid.data.export import Target, check_output, open_writer, save_sequence
from filmgrid.data.files import atomic_path, writing
from filmgrid.data.media import iter_frames, read_clip
from filmgrid.data.pictures import to_picture
from filmgrid.data.provenance import Provenance, current_versions
from filmgrid.errors import CheckpointError, ConfigError, FilmgridError
from filmgrid.generator import Generator
from filmgrid.inputs import describe_files, times_of
from filmgrid.long import asking
from filmgrid.long_frames import Checkpoint, Memory, Pipelined, Stretch, runs_beside
from filmgrid.long_release import stream_release
from filmgrid.pipeline import InOrder
from filmgrid.planning import Plan, make_plan
from filmgrid.request import GenerateRequest, Task
from filmgrid.sampling.guidance import Wanted, answered
from filmgrid.walking import Progress

REQUEST, MEMORY, FRAMES = "request.json", "memory.safetensors", "frames"


def work_folder(out: Path) -> Path:
    """Where a long generation keeps what it has."""
    return out.with_name(f"{out.name}.work")


def check_work(out: Path, *, resume: bool) -> None:
    """Refuse to begin over a run that was stopped, or to go on with none.

    Raises:
        ConfigError: with what to do.
    """
    folder = work_folder(out)
    if folder.exists() and not resume:
        raise ConfigError(
            f"{folder} holds a generation that was stopped. Add --resume to go on with it, delete "
            "it to begin again, or use another --out."
        )
    if resume and not folder.exists():
        raise ConfigError(
            f"There is nothing to go on with: {folder} does not exist. Leave --resume out."
        )


def generate_long(
    generator: Generator,
    request: GenerateRequest,
    out: Path | str,
    *,
    scale: int = 1,
    resume: bool = False,
    on_step: Callable[[int, int], None] | None = None,
    pipelined: Pipelined = "auto",
) -> list[Path]:
    """Make a long sequence and write it; the name chooses the format.

    Args:
        generator: of the request's model.
        request: what to make; its frames must be set.
        out: file or folder.
        scale: integer enlargement without smoothing.
        resume: go on from the last finished window of a run that was stopped.
        on_step: called with the steps done and of all.
        pipelined: whether finished frames are decoded, enlarged and written beside the next grid;
            the files are the same.

    Returns:
        The files written.

    Raises:
        ConfigError: if a run is in the way, there is none to go on with, or it was of another
            request.
        CheckpointError: if what is there of it is damaged.
        MediaError: if a file cannot be read or written.
    """
    path = Path(out)
    check_work(path, resume=resume)
    if resume and request.sampler == "gridit-release":
        raise ConfigError(
            "GriDiT's release cannot go on with a run that was stopped. Delete "
            f"{work_folder(path)} and begin again."
        )
    plan = make_plan(request, generator.backbone.facts, describe_files(request))
    times = times_of(request, plan.num_frames)
    target = check_output(
        out,
        num_frames=plan.num_frames,
        fps=plan.fps,
        layout=plan.one_grid,
        scale=scale,
        cell=plan.frame,
        times=times,
    )
    told = generator.resolved(plan, request)
    folder = work_folder(path)
    memory = _begin(folder, _asked(generator, request, told), resume=resume)
    try:
        making = _making(generator, request, folder, memory, pipelined)
        with closing(making):
            for event in answered(making, generator.answer):
                if on_step is not None:
                    on_step(event.step, event.num_steps)
    except FilmgridError:
        if folder.exists() and not has_begun(folder):
            shutil.rmtree(folder)  # nothing was made that could be gone on with
        raise
    provenance = Provenance(
        request=told, versions={**current_versions(), "model": generator.version}
    )
    files = _finish(folder / FRAMES, path, target, plan, provenance, scale, times)
    whole = request.video_start == 0 and request.video_stride == 1
    if target == "video" and plan.task == Task.EDIT and request.video is not None and whole:
        carry_sound(request.video, path)
    done = folder.with_name(f".{folder.name}.done")
    shutil.rmtree(done, ignore_errors=True)  # of a run that was killed just here
    folder.rename(done)  # so that a stop from here on leaves nothing to go on with
    shutil.rmtree(done)
    return files


def asking_long(
    generator: Generator, request: GenerateRequest, folder: Path
) -> abc.Generator[Wanted | Progress, Tensor | None, None]:
    """Make a long sequence into a folder, asking for velocities; go on with what is there.

    Its frames are ``frames/00000.png`` and so on, each there as soon as all before it are.

    Args:
        generator: of the request's model.
        request: what to make; its frames must be set.
        folder: of this generation alone; it may be there, empty or left by one that was stopped.

    Raises:
        ConfigError: if the request cannot be carried out, or the folder is of another one.
        CheckpointError: if what is there is damaged.
        MediaError: if a file cannot be read or written.
    """
    plan = make_plan(request, generator.backbone.facts, describe_files(request))
    asked = _asked(generator, request, generator.resolved(plan, request))
    memory = _begin(folder, asked, resume=(folder / REQUEST).is_file())
    return _making(generator, request, folder, memory)


def _making(
    generator: Generator,
    request: GenerateRequest,
    folder: Path,
    memory: Memory,
    pipelined: Pipelined = "auto",
) -> abc.Generator[Wanted | Progress, Tensor | None, None]:
    """Make what is left, writing it as it comes, and pass on all else.

    Frames and what going on needs are written in the order in which they come, so that what is
    said to be written is there whenever the process ends.
    """
    if request.sampler == "gridit-release":
        events = stream_release(generator, request)
    else:
        events = asking(generator, request, memory=memory, pipelined=pipelined)
    sent: Any = None
    with closing(events), closing(InOrder(runs_beside(generator, pipelined))) as writer:
        while True:
            try:
                event = events.send(sent)
            except StopIteration:
                break
            sent = None
            if isinstance(event, Stretch):
                writer.put(partial(_write, folder / FRAMES, event))
            elif isinstance(event, Checkpoint):
                writer.put(partial(_save, event, folder / MEMORY))
            else:
                sent = yield event
            deque(writer.done(), maxlen=0)  # raises what could not be written
        deque(writer.done(wait=True), maxlen=0)


def _asked(generator: Generator, request: GenerateRequest, told: dict[str, Any]) -> dict[str, Any]:
    """What must be the same when a run is taken up again."""
    return {**told, "model_version": generator.version, "files": _stamps(request)}


def has_begun(folder: Path) -> bool:
    """Whether a run has left anything there that can be gone on with."""
    frames = folder / FRAMES
    return (folder / MEMORY).exists() or (frames.is_dir() and any(frames.iterdir()))


def _stamps(request: GenerateRequest) -> dict[str, list[int]]:
    """Size and time of the files that a request names, to see whether they are still the same."""
    named = [*request.keyframes.values(), *([request.video] if request.video else [])]
    named += [request.upscale] if isinstance(request.upscale, Path) else []
    return {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in named}


def _begin(folder: Path, told: dict[str, Any], *, resume: bool) -> Memory:
    path = folder / REQUEST
    if not resume:
        with writing(folder):
            (folder / FRAMES).mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_text(json.dumps(told, indent=2), encoding="utf-8")
        return Memory()
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged. Delete {folder}.") from error
    other = sorted(key for key in before.keys() | told.keys() if before.get(key) != told.get(key))
    if other:
        raise ConfigError(
            f"{folder} was begun with {other[0]} {before.get(other[0])!r}, and now it is "
            f"{told.get(other[0])!r}. Ask for the same, or use another --out."
        )
    memory = _load(folder / MEMORY) if (folder / MEMORY).is_file() else Memory()
    for frame in range(memory.written):
        if not _frame_path(folder / FRAMES, frame).is_file():
            raise CheckpointError(
                f"{folder} has lost its frame {frame}. Delete the folder to begin again."
            )
    return memory


def _frame_path(folder: Path, frame: int) -> Path:
    return folder / f"{frame:05d}.png"


def _write(folder: Path, stretch: Stretch) -> None:
    for place, frame in enumerate(stretch.arrays[0]):
        with atomic_path(_frame_path(folder, stretch.first + place)) as part:
            to_picture(frame).save(part, format="PNG")


def _save(event: Checkpoint, path: Path) -> None:
    memory = event.memory
    tensors = {f"latents.{frame}": value for frame, value in memory.latents.items()}
    for frame, value in memory.pixels.items():
        tensors[f"pixels.{frame}"] = torch.from_numpy(np.ascontiguousarray(value))
    if memory.look is not None:
        tensors["look"] = memory.look
    tensors = {name: value.cpu().contiguous().clone() for name, value in tensors.items()}
    counts = {"windows": str(memory.windows), "written": str(memory.written)}
    with atomic_path(path) as part:
        save_file(tensors, part, counts)


def _load(path: Path) -> Memory:
    latents: dict[int, Tensor] = {}
    pixels: dict[int, np.ndarray] = {}
    look: Tensor | None = None
    try:
        with safe_open(path, "pt") as opened:
            counts = opened.metadata()
            for name in opened.keys():  # noqa: SIM118 - it is no dict
                kind, _, frame = name.partition(".")
                value = opened.get_tensor(name)
                if kind == "latents":
                    latents[int(frame)] = value
                elif kind == "pixels":
                    pixels[int(frame)] = value.numpy()
                else:
                    look = value
            return Memory(int(counts["windows"]), int(counts["written"]), latents, pixels, look)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged. Delete it to begin again from the first frame."
        ) from error


def _finish(
    frames: Path,
    out: Path,
    target: Target,
    plan: Plan,
    provenance: Provenance,
    scale: int,
    times: Sequence[float] | None,
) -> list[Path]:
    """Put the finished frames into the target; videos and folders take them one by one."""
    count, fps = plan.num_frames, plan.fps
    if target not in ("video", "folder"):
        clip = read_clip(frames, stop=count)
        return save_sequence(
            clip.frames,
            out,
            fps=fps,
            provenance=provenance,
            layout=plan.one_grid,
            scale=scale,
            times=times,
        )
    told = provenance.model_copy(update={"num_frames": count})
    with open_writer(out, target, fps=fps, provenance=told, scale=scale, times=times) as writer:
        for frame in iter_frames(frames, stop=count):
            writer.write(frame)
    return [out]
