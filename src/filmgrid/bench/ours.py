"""Our tasks as subjects."""

from typing import Any

import numpy as np
from torch import Tensor

from filmgrid.bench.check import sizes_of
from filmgrid.bench.config import BenchConfig, ClipSize, Ours
from filmgrid.bench.subjects import Made, Subject
from filmgrid.generator import Generator
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.inputs import known_cells
from filmgrid.request import Task

PROMPT = "a red circle moving right on a navy background"


def open_ours(spec: Ours, config: BenchConfig) -> Subject:
    """Load the model and make up the pictures that the task needs: noise, always the same.

    Raises:
        FilmgridError: if the model cannot be loaded.
    """
    generator = Generator.from_pretrained(spec.model, config.device, config.precision)
    facts = generator.backbone.facts
    layout, cell = sizes_of(spec, config, facts)
    given = _given(spec.task, layout, cell)

    def run() -> Made:
        steps = 0

        def count(*_: Any) -> None:
            nonlocal steps
            steps += 1

        result = generator(
            PROMPT if facts.has_text else "",
            task=spec.task,
            layout=layout,
            cell=str(cell),
            num_inference_steps=config.steps,
            callback_on_step_end=count,
            **given,
        )
        return Made(ClipSize(*result.arrays.shape[1:4]), steps)

    def tokens(noisy: Tensor) -> int:
        return layout.num_cells * (cell.height // facts.stride) * (cell.width // facts.stride)

    module = generator.backbone.module
    return Subject(spec.text, "trained", run, (module,), tokens, (module,))


def _given(task: Task, layout: Layout, cell: CellSize) -> dict[str, Any]:
    """Pictures for a task, in the size of a cell."""
    shape = (layout.num_cells, cell.height, cell.width, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    last = layout.num_cells - 1
    match task:
        case Task.TEXT:
            return {}
        case Task.IMAGE:
            return {"image": frames[0]}
        case Task.KEYFRAMES:
            return {"keyframes": {0: frames[0], last: frames[last]}}
        case Task.REDRAW:
            return {"video": frames, "redraw": range(1, max(2, last))}
        case Task.EDIT:
            return {"video": frames}
        case Task.EXTEND | Task.BETWEEN:  # the second is not offered: its grids have keyframes
            return {"video": frames[: known_cells(layout)]}
