"""What a request comes to, before any weight is loaded: sizes, steps, wording. Torch-free."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.prompts import Wording, describe_layout, wording_for
from filmgrid.grid.spec import CellSize, Layout, check_stride
from filmgrid.grid.windows import (
    RELEASE_ROWS,
    RELEASE_STEPS,
    Window,
    count_windows,
    kept_cells,
    loop_frames,
    plan_between,
    plan_windows,
    release_length,
    release_runs,
)
from filmgrid.inputs import Described, Given, check_length, known_cells
from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import find_model, is_network_file, load_facts
from filmgrid.request import GenerateRequest, Task
from filmgrid.request.fields import Solver
from filmgrid.sampling.jumps import Jumps, check_jumps, count_steps

MOST_TIMESTEPS = 999
"""Of the 1000 that models of noise are trained at, as many as every scheduler visits once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with every choice made.

    Args:
        task: what is done.
        prompt: as the model reads it.
        negative: what guidance leads away from, as the model reads it.
        layout: of the sequence, or of each grid of a longer one.
        num_frames: length of the sequence.
        windows: grids that it is made of.
        cell: size of a frame in pixels, before it is enlarged.
        upscale: how many times the finished frames are enlarged.
        num_steps: steps of the whole schedule.
        guidance_scale: 1 is none.
        two_passes: whether guidance takes a second pass per step.
        shift: of the schedule.
        solver: how a step is made.
        timesteps: settings of the scheduler of diffusers whose timesteps are visited; None where
            the levels are those of a shifted line.
        wording: how the prompt describes the layout.
        coding: whether frames are coded to latents one by one ("cells") or as one ("grid").
        sigma_max: noise level that sampling starts from at most.
        per_cell_sigma: frames that stay are shown to the model at noise level 0.
        jumps: how stretches of a walk are walked again beside frames that stay.
        first_holds: whether frames stay in the first grid; in later ones they always do.
        fps: of the output.
        notes: what a person should know about the choices, one sentence each.
    """

    task: Task
    prompt: str
    negative: str
    layout: Layout
    num_frames: int
    windows: int
    cell: CellSize
    upscale: int
    num_steps: int
    guidance_scale: float
    two_passes: bool
    shift: float
    solver: Solver
    timesteps: Mapping[str, Any] | None
    wording: Wording
    coding: Literal["cells", "grid"]
    sigma_max: float
    per_cell_sigma: bool
    jumps: Jumps | None
    first_holds: bool
    fps: float
    notes: tuple[str, ...]

    def jumps_of(self, window: int) -> Jumps | None:
        """How stretches of a grid, counted from 0, are walked again: not where nothing stays."""
        return self.jumps if window or self.first_holds else None

    def steps_of(self, window: int, walked: int) -> int:
        """Steps that a grid takes, counted from 0.

        Args:
            window: which grid.
            walked: steps of the schedule from where the request starts.
        """
        return count_steps(walked, self.jumps_of(window))

    def all_steps(self, walked: int) -> int:
        """Steps of all grids of a sequence."""
        if not self.windows:
            return 0
        return self.steps_of(0, walked) + (self.windows - 1) * self.steps_of(1, walked)

    @property
    def one_grid(self) -> Layout | None:
        """The layout, if the sequence just fills it, so that it can be written as one picture."""
        return self.layout if self.num_frames == self.layout.num_cells else None

    @property
    def frame(self) -> CellSize:
        """Size of a finished frame in pixels."""
        return CellSize(self.cell.height * self.upscale, self.cell.width * self.upscale)


def make_plan(request: GenerateRequest, facts: BackboneFacts, given: Described) -> Plan:
    """Choose what the request leaves open and refuse what cannot work.

    Args:
        request: what is asked for.
        facts: what the model states about itself.
        given: what the request's pictures are.

    Raises:
        ConfigError: if a cell or an option does not fit the layout or the model.
        ShapeError: if sizes do not fit and no ``fit`` is named.
    """
    if facts.super_resolution is not None:
        raise ConfigError(
            f"{facts.name} enlarges frames and makes none. Make them with another model, such as "
            f"mini, and add --upscale {request.model}."
        )
    task, video = request.inferred_task, given.video
    layout = _layout(request, facts, video)
    cell = facts.cell_of(layout) if request.cell is None else CellSize.parse(request.cell)
    check_stride(cell, facts.stride)
    if facts.canvas is not None and tuple(layout.grid_size(cell)) != facts.canvas:
        raise ShapeError(
            f"{facts.name} paints grids of {CellSize(*facts.canvas)} px alone, and {layout} cells "
            f"of {cell} px make one of {layout.grid_size(cell)}. Use cells of "
            f"{facts.cell_of(layout)} px, or another layout."
        )
    places = [*given.images, *request.redraw_cells, *request.locked_cells]
    _check_places(request, layout, places, video)
    for picture in [*given.images.values(), *([video] if video else [])]:
        _check_size(picture, cell, request)
    notes: list[str] = []
    if not facts.trained_layouts and layout.num_cells > 1:
        notes.append(
            f"{facts.name} was trained on single images: without a LoRA that was trained on grids, "
            "its frames hang together by luck."
        )
    elif facts.trained_layouts and str(layout) not in facts.trained_layouts:
        trained = ", ".join(facts.trained_layouts)
        notes.append(f"{facts.name} was trained on {trained} and not on {layout}.")
    if video is not None:
        notes += _check_length(video, request, task, layout)
    if request.prompt and not facts.has_text:
        notes.append(f"{facts.name} was trained without captions and does not read the prompt.")
    if request.conditioning == "learned" and not facts.per_cell_sigma:
        raise ConfigError(
            f"{facts.name} was not trained with clean cells among noisy ones, so learned "
            "conditioning means nothing to it. Use replacement, or auto."
        )
    wording = request.wording or wording_for(layout, facts.wording)
    prompt = prompt_for(request.prompt, facts, layout, wording)
    if request.negative and facts.guidance == "embedded":
        raise ConfigError(
            f"{facts.name} has its guidance embedded and makes no second pass, so a negative "
            "prompt has no effect. Leave it out, or use a model such as flux2-klein-base-4b."
        )
    guidance = facts.guidance_scale if request.guidance is None else request.guidance
    if facts.guidance == "two-pass" and not (prompt or request.segment or request.negative):
        guidance = 1.0  # both passes would be the same
    num_steps = request.steps or facts.num_steps
    solver = _solver(request, facts, num_steps)
    num_frames, windows = length_of(request, layout, video), 1
    if request.frames is not None and request.sampler == "gridit-release":
        _check_release(request, layout)
        num_steps = request.steps or RELEASE_STEPS
        num_frames, windows = release_length(request.frames), 1 + 2 * release_runs(request.frames)
        notes.append(f"GriDiT's release makes {num_frames} frames of {request.frames} asked for.")
    elif request.is_long:
        windows = count_windows(windows_of(request, layout, given))
    first_holds = _first_holds(request, layout, given)
    jumps = _jumps(request, first_holds, windows, num_steps)
    source_fps = video.fps / request.video_stride if video and video.fps else None
    if source_fps is not None:
        source_fps *= request.between + 1
    return Plan(
        task=task,
        prompt=prompt,
        negative=request.negative.strip(),
        layout=layout,
        num_frames=num_frames,
        windows=windows,
        cell=cell,
        upscale=upscale_factor(request.upscale),
        num_steps=num_steps,
        guidance_scale=guidance,
        two_passes=facts.guidance == "two-pass" and guidance != 1,
        shift=request.shift or facts.shift_of(layout, cell, num_steps),
        solver=solver,
        timesteps=facts.scheduler if solver != "euler" and facts.predicts == "noise" else None,
        wording=wording,
        coding=facts.coding if request.coding == "auto" else request.coding,
        sigma_max=facts.sigma_max,
        per_cell_sigma=facts.per_cell_sigma and request.conditioning != "replacement",
        jumps=jumps,
        first_holds=first_holds,
        fps=request.fps or source_fps or facts.fps,
        notes=tuple(notes),
    )


def upscale_factor(upscale: int | Path) -> int:
    """How many times finished frames are enlarged.

    Args:
        upscale: the factor, the file of a network, or the folder of a model that was trained with
            super_resolution.

    Raises:
        CheckpointError: if there is no such model, or its file cannot be used.
        ConfigError: if it enlarges nothing, or spandrel is not installed.
    """
    if isinstance(upscale, int):
        return upscale
    if is_network_file(upscale):
        from filmgrid.models.enlarging import factor_of  # reads weights: nothing else here does

        return factor_of(upscale)
    facts = load_facts(find_model(str(upscale)), str(upscale))
    if facts.super_resolution is None:
        raise ConfigError(
            f"{facts.name} makes frames and enlarges none. Name the folder of a model that was "
            "trained with super_resolution, or use --upscale 2 or 4."
        )
    return facts.super_resolution


def prompt_for(text: str, facts: BackboneFacts, layout: Layout, wording: Wording) -> str:
    """A prompt as a model reads it; empty if it reads none."""
    if not facts.has_text or not text.strip():
        return ""
    return describe_layout(text, layout, wording)


def windows_of(request: GenerateRequest, layout: Layout, given: Described) -> Iterator[Window]:
    """The grids of a long sequence, in order.

    Args:
        request: what is asked for, with its number of frames.
        layout: of each grid.
        given: what the request's pictures are.

    Raises:
        ConfigError: if the grids cannot hang together.
    """
    frames = length_of(request, layout, given.video)
    if frames <= layout.num_cells and not request.loop:
        kept = layout.num_cells - 1  # one grid is enough, and sees all that is known
    else:
        kept = kept_cells(layout, request.keep_rows)
        if request.anchor >= kept:
            raise ConfigError(
                f"{request.anchor} anchors leave no place for the frame before the new ones: grids "
                f"of {layout} begin with {kept} known frames. Use an anchor of at most {kept - 1}."
            )
    known = 0
    arrivals = sorted(given.images)
    if request.inferred_task == Task.EXTEND and given.video is not None:
        known = frames_there(request, given.video) or 0
    while known in given.images:
        known += 1
    if request.between:
        return plan_between(layout, frames, kept, request.between + 1)
    if request.loop:
        if frames <= layout.num_cells:
            raise ConfigError(
                f"A loop of {frames} frames fits into one {layout} grid, whose end does not see "
                f"its beginning. Ask for at least {layout.num_cells + 1} frames, or a smaller "
                "layout."
            )
        if layout.num_cells - kept < 2:
            raise ConfigError(
                f"A loop needs room for two new frames in a grid, and a {layout} grid that keeps "
                f"{kept} has one. Use a smaller keep_rows, or a larger layout."
            )
        arrivals.append(frames + loop_frames(layout, kept) - 1)
    for frame in arrivals if request.spread > 1 else ():
        if frame % request.spread:
            raise ConfigError(
                f"The keyframe at {frame} is none of the far frames, which are {request.spread} "
                f"apart. Use {frame // request.spread * request.spread} or "
                f"{(frame // request.spread + 1) * request.spread}, or another spread."
            )
    return plan_windows(layout, frames, kept, given=known, spread=request.spread, arrivals=arrivals)


def _first_holds(request: GenerateRequest, layout: Layout, given: Described) -> bool:
    """Whether any frame stays in the first grid."""
    task = request.inferred_task
    if not request.is_long:
        return task != Task.TEXT and (task != Task.EDIT or bool(request.locked_cells))
    if task == Task.BETWEEN:
        return True
    first = next(windows_of(request, layout, given), None)
    if first is None:
        return False
    places = {*given.images, *(request.locked_cells if task == Task.EDIT else ())}
    if task == Task.EXTEND and given.video is not None:
        places.update(range(frames_there(request, given.video) or 0))
    return any(frame in places for frame in first.frames)


def _jumps(
    request: GenerateRequest, first_holds: bool, windows: int, num_steps: int
) -> Jumps | None:
    """How stretches are walked again; refuse it where nothing stays to walk beside."""
    if request.resample == 1:
        return None
    if windows <= 1 and not first_holds:
        raise ConfigError(
            f"resample {request.resample} walks again beside frames that stay, and here none do. "
            "Give some, make a sequence of several grids with --frames, or leave it out."
        )
    jumps = Jumps(request.resample, request.resample_steps)
    check_jumps(num_steps, jumps)
    return jumps


def length_of(request: GenerateRequest, layout: Layout, video: Given | None) -> int:
    """Frames that a request makes, given ones included."""
    if request.between and video is not None:
        return ((frames_there(request, video) or 1) - 1) * (request.between + 1) + 1
    return request.frames or layout.num_cells


def _check_places(
    request: GenerateRequest, layout: Layout, cells: list[int], video: Given | None
) -> None:
    """Refuse cells, or frames of a long sequence, that there are not."""
    if not request.is_long:
        layout.check_cells(cells)
        return
    length = length_of(request, layout, video)
    for frame in [*cells, *request.segments]:
        if frame >= length:
            raise ConfigError(
                f"There is no frame {frame} in a sequence of {length}. Frames are numbered "
                f"0 to {length - 1}."
            )
    started = request.sigma if request.strength is None else request.strength
    if request.inferred_task == Task.KEYFRAMES and 0 not in cells and (started or 1) < 1:
        raise ConfigError(
            f"A start of {started} departs from given frames, and the first grids of this "
            "sequence see none. Give a keyframe at frame 0, or start from 1."
        )


def frames_there(request: GenerateRequest, video: Given) -> int | None:
    """Frames of a video that a request uses, if the file says how many it has."""
    if video.num_frames is None:
        return None
    return len(range(request.video_start, video.num_frames, request.video_stride))


def _layout(request: GenerateRequest, facts: BackboneFacts, video: Given | None) -> Layout:
    if request.layout is not None:
        return Layout.parse(request.layout)
    if video is not None and video.layout is not None and request.inferred_task != Task.EXTEND:
        return Layout(video.layout.rows, video.layout.cols)
    return facts.default_layout


def _check_size(given: Given, cell: CellSize, request: GenerateRequest) -> None:
    if request.fit is None and given.size != cell:
        raise ShapeError(
            f"{given.name} is {given.size} px and the cells are {cell} px. Say how it should fit "
            "with --fit crop|pad|resize, or give it in the size of a cell."
        )


def _check_length(video: Given, request: GenerateRequest, task: Task, layout: Layout) -> list[str]:
    """Refuse a video that is too short where that is known; say what of it is used."""
    if task == Task.EXTEND and known_cells(layout) == 0:
        raise ConfigError(
            f"A {layout} grid has no cell to extend into. Use a larger --layout, such as 4x4."
        )
    if video.num_frames is None:
        return []
    there = frames_there(request, video)
    assert there is not None
    if there == 0:
        raise ConfigError(
            f"{video.name} has {video.num_frames} frames and none at {request.video_start}. "
            "Use a smaller --video-start."
        )
    if task == Task.BETWEEN:
        if there < 2:
            raise ShapeError(
                f"{video.name} gives one frame, and new ones come between two. Give a longer one, "
                "or a smaller video stride."
            )
        return []
    if request.frames is not None:
        return _check_frames(video.name, there, request.frames, task)
    if task == Task.EXTEND:
        known = min(there, known_cells(layout))
        return [f"The last {known} of {there} frames stay; {layout.num_cells - known} follow."]
    check_length(video.name, there, layout)
    if there == layout.num_cells:
        return []
    last = request.video_start + (layout.num_cells - 1) * request.video_stride
    return [
        f"Of the {video.num_frames} frames of {video.name}, frames {request.video_start} to "
        f"{last} are used."
    ]


def _check_frames(name: str, there: int, frames: int, task: Task) -> list[str]:
    """Refuse a video that is too long to go on or too short to edit; say what of it is used."""
    if task == Task.EXTEND:
        if there >= frames:
            raise ConfigError(
                f"{name} gives {there} frames, and the sequence that begins with them is to have "
                f"{frames}. Ask for more --frames."
            )
        return [f"The {there} frames of {name} stay; {frames - there} follow."]
    if there < frames:
        raise ShapeError(
            f"{name} gives {there} frames and {frames} are to be edited. Use --frames {there}, or "
            "a smaller video stride."
        )
    return [] if there == frames else [f"Of the {there} frames of {name}, {frames} are edited."]


def _solver(request: GenerateRequest, facts: BackboneFacts, num_steps: int) -> Solver:
    """How a step is made; refuse what the model was not made for."""
    if request.sampler in ("auto", "euler", "gridit-release"):
        return "euler"
    if facts.predicts != "noise":
        if request.sampler == "ddim":
            raise ConfigError(
                f"ddim visits the timesteps of models that predict noise, and {facts.name} is a "
                "flow. Use dpm-solver++, or leave the sampler out."
            )
        return request.sampler
    if request.shift is not None:
        raise ConfigError(
            f"{request.sampler} visits the timesteps that {facts.name} was trained at, and shift "
            f"{request.shift:g} would move them. Leave shift out, or use the sampler euler."
        )
    if num_steps > MOST_TIMESTEPS:
        raise ConfigError(
            f"{request.sampler} visits at most {MOST_TIMESTEPS} timesteps, and {num_steps} steps "
            "are asked for. Use fewer."
        )
    return request.sampler


def _check_release(request: GenerateRequest, layout: Layout) -> None:
    """Refuse what GriDiT's released sampler cannot do."""
    if layout != Layout(RELEASE_ROWS, RELEASE_ROWS):
        raise ConfigError(
            f"GriDiT's release knows grids of {RELEASE_ROWS}x{RELEASE_ROWS} alone, and this one is "
            f"{layout}. Use that layout, or another sampler."
        )
    names = ("keep_rows", "spread", "loop", "segment", "anchor", "colour_lock", "upscale")
    names += ("resample",)
    fields = GenerateRequest.model_fields
    names += ("respaced", "shift")
    other = [name for name in names if getattr(request, name) != fields[name].default]
    if request.inferred_task != Task.TEXT:
        other.append(f"the task {request.inferred_task}")
    if other:
        raise ConfigError(
            f"GriDiT's release makes sequences from nothing or a prompt, in one way, and has no "
            f"place for {other[0]}. Leave it out, or use another sampler."
        )
