"""What can be asked of a generator: one frozen model for shell, YAML, Python and the web.

Free of torch: a request is checked before any weight is loaded.
"""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from filmgrid.request.fields import GenerateFields, Task
from filmgrid.request.text import parse_cells, parse_keyframe, parse_segment

START_SIGMAS = {
    Task.TEXT: 1.0,
    Task.IMAGE: 1.0,
    Task.KEYFRAMES: 1.0,
    Task.REDRAW: 1.0,
    Task.EDIT: 0.85,
    Task.EXTEND: 1.0,
    Task.BETWEEN: 1.0,
}
"""Where each task starts when no sigma is asked for."""


class GenerateRequest(GenerateFields):
    """A sequence to generate. What is not said is chosen by the model's own facts."""

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.sigma is not None and self.strength is not None:
            raise ValueError(
                f"sigma {self.sigma} and strength {self.strength} both set the start. Give one."
            )
        cells = [parse_keyframe(text)[0] for text in self.keyframe]
        if self.image is not None and 0 in cells:
            raise ValueError(
                "image and a keyframe at cell 0 are both the first frame. Leave one out."
            )
        given = self.image is not None or bool(self.keyframe)
        if given and self.video is not None:
            raise ValueError(
                "image or keyframe and video cannot be used together. To replace frames of a "
                "video, give them as keyframes without it; to keep its frames, lock their cells."
            )
        if (self.redraw or self.lock) and self.video is None:
            raise ValueError("redraw and lock name cells of a video. Add --video FILE.")
        if (self.video_start or self.video_stride != 1) and self.video is None:
            raise ValueError(
                "video_start and video_stride choose frames of a video. Add --video FILE, or "
                "leave them out."
            )
        if self.fit and not given and self.video is None:
            raise ValueError(
                f"fit {self.fit} has nothing to fit. Add --image, --keyframe or --video, or leave "
                "it out."
            )
        usual = type(self).model_fields["resample_steps"].default
        if self.resample == 1 and self.resample_steps != usual:
            raise ValueError(
                f"resample_steps {self.resample_steps} belongs to resample, which is 1. Add "
                "--resample 2, or leave it out."
            )
        if self.redraw and self.lock:
            raise ValueError(
                "redraw and lock cannot be used together: cells that are not redrawn stay anyway."
            )
        self.check_task(given=given)
        self.check_length()
        return self

    def check_length(self) -> None:
        """Refuse settings of long sequences without a length, and what has no long form."""
        if self.between and (self.frames is not None or self.inferred_task != Task.BETWEEN):
            raise ValueError(
                f"between {self.between} says itself what is done and how long it becomes. Leave "
                "frames and task out."
            )
        if not self.is_long:
            if self.sampler == "gridit-release":
                raise ValueError(
                    "gridit-release makes sequences of a length of their own. Add frames."
                )
            for name in ("keep_rows", "spread", "loop", "segment", "anchor", "colour_lock"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name} belongs to sequences of a length of their own. Add frames."
                    )
            return
        if self.inferred_task == Task.REDRAW:
            raise ValueError(
                "redraw works on one grid. Leave frames out, or edit the video with all other "
                "frames locked."
            )
        if self.best_of > 1:
            raise ValueError(
                f"best_of {self.best_of} compares whole grids, and frames makes a longer sequence "
                "as it comes. Leave best_of out and try other seeds."
            )
        if self.anchor and (self.spread > 1 or self.between):
            other = "spread" if self.spread > 1 else "between"
            raise ValueError(
                f"anchor {self.anchor} stands in for frames that a grid goes on from, and with "
                f"{other} grids need these. Leave one out."
            )
        if self.loop and (self.spread > 1 or self.video is not None):
            other = "spread" if self.spread > 1 else "video"
            raise ValueError(f"loop goes from grid to grid without a video. Leave {other} out.")

    def check_task(self, *, given: bool) -> None:
        """Refuse a task without what it needs, or with what it has no use for."""
        task = self.inferred_task
        images = len(self.keyframe) + (self.image is not None)
        missing = {
            Task.TEXT: None,
            Task.IMAGE: None if images == 1 else "exactly one --image FILE",
            Task.KEYFRAMES: None if images else "--keyframe CELL=FILE",
            Task.REDRAW: None if self.video and self.redraw else "--video FILE and --redraw CELLS",
            Task.EDIT: None if self.video and not self.redraw else "--video FILE without --redraw",
            Task.EXTEND: None
            if self.video and not self.redraw
            else "--video FILE without --redraw",
            Task.BETWEEN: None
            if self.video and self.between and not self.redraw
            else "--video FILE and --between COUNT without --redraw",
        }[task]
        if missing:
            raise ValueError(f"The task {task} needs {missing}.")
        if task == Task.TEXT and (given or self.video is not None):
            raise ValueError(
                "The task text has no use for image, keyframe or video. Leave them out, or leave "
                "out the task to have it inferred."
            )
        if task == Task.TEXT and min(self.sigma or 1, self.strength or 1) < 1:
            raise ValueError(
                "sigma and strength below 1 start from given frames, and the task text has none. "
                "Add --video FILE or --image FILE, or leave them out."
            )
        if self.lock and task != Task.EDIT:
            raise ValueError(f"lock belongs to the task edit, not to {task}. Leave it out.")

    @property
    def inferred_task(self) -> Task:
        """The task asked for, or the one that fits what was given."""
        if self.task is not None:
            return self.task
        if self.between:
            return Task.BETWEEN
        if self.video is not None:
            return Task.REDRAW if self.redraw else Task.EDIT
        if self.keyframe:
            return Task.KEYFRAMES
        return Task.TEXT if self.image is None else Task.IMAGE

    @property
    def keyframes(self) -> dict[int, Path]:
        """Images by cell, the first frame among them."""
        images = dict(parse_keyframe(text) for text in self.keyframe)
        return images if self.image is None else {0: self.image, **images}

    @property
    def is_long(self) -> bool:
        """Whether it is made grid after grid, whatever its length."""
        return self.frames is not None or self.between > 0

    @property
    def segments(self) -> dict[int, str]:
        """Prompts by the frame that they begin at; the first is the prompt."""
        return {0: self.prompt, **dict(parse_segment(text) for text in self.segment)}

    @property
    def redraw_cells(self) -> list[int]:
        """Cells to make again."""
        return parse_cells(self.redraw)

    @property
    def locked_cells(self) -> list[int]:
        """Cells of an edit that stay."""
        return parse_cells(self.lock)
