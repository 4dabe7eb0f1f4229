"""What a request comes to, before any weight is loaded: sizes, steps, wording. Torch-free."""

from dataclasses import dataclass
from typing import Literal

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.grid.prompts import Wording, describe_layout, wording_for
from filmgrid.grid.spec import CellSize, Layout, check_stride
from filmgrid.inputs import Described, Given, check_length, known_cells
from filmgrid.models.facts import BackboneFacts
from filmgrid.request import GenerateRequest, Task


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with every choice made.

    Args:
        task: what is done.
        prompt: as the model reads it.
        negative: what guidance leads away from, as the model reads it.
        layout: of the sequence.
        cell: size of a frame in pixels, before it is enlarged.
        upscale: how many times the finished frames are enlarged.
        num_steps: steps of the whole schedule.
        guidance_scale: 1 is none.
        two_passes: whether guidance takes a second pass per step.
        shift: of the schedule.
        wording: how the prompt describes the layout.
        coding: whether frames are coded to latents one by one ("cells") or as one ("grid").
        per_cell_sigma: frames that stay are shown to the model at noise level 0.
        fps: of the output.
        notes: what a person should know about the choices, one sentence each.
    """

    task: Task
    prompt: str
    negative: str
    layout: Layout
    cell: CellSize
    upscale: int
    num_steps: int
    guidance_scale: float
    two_passes: bool
    shift: float
    wording: Wording
    coding: Literal["cells", "grid"]
    per_cell_sigma: bool
    fps: float
    notes: tuple[str, ...]

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
    task, video = request.inferred_task, given.video
    layout = _layout(request, facts, video)
    cell = facts.default_cell if request.cell is None else CellSize.parse(request.cell)
    check_stride(cell, facts.stride)
    layout.check_cells([*given.images, *request.redraw_cells, *request.locked_cells])
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
    prompt = ""
    if facts.has_text and request.prompt.strip():
        prompt = describe_layout(request.prompt, layout, wording)
    if request.negative and facts.guidance == "embedded":
        raise ConfigError(
            f"{facts.name} has its guidance embedded and makes no second pass, so a negative "
            "prompt has no effect. Leave it out, or use a model such as flux2-klein-base-4b."
        )
    guidance = facts.guidance_scale if request.guidance is None else request.guidance
    if facts.guidance == "two-pass" and not (prompt or request.negative):
        guidance = 1.0  # both passes would be the same
    num_steps = request.steps or facts.num_steps
    source_fps = video.fps / request.video_stride if video and video.fps else None
    return Plan(
        task=task,
        prompt=prompt,
        negative=request.negative.strip(),
        layout=layout,
        cell=cell,
        upscale=request.upscale,
        num_steps=num_steps,
        guidance_scale=guidance,
        two_passes=facts.guidance == "two-pass" and guidance != 1,
        shift=request.shift or facts.shift_of(layout, cell, num_steps),
        wording=wording,
        coding=facts.coding if request.coding == "auto" else request.coding,
        per_cell_sigma=facts.per_cell_sigma and request.conditioning != "replacement",
        fps=request.fps or source_fps or facts.fps,
        notes=tuple(notes),
    )


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
    there = len(range(request.video_start, video.num_frames, request.video_stride))
    if there == 0:
        raise ConfigError(
            f"{video.name} has {video.num_frames} frames and none at {request.video_start}. "
            "Use a smaller --video-start."
        )
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
