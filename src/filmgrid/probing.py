"""How well a model holds a grid before it is trained on any."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel
from torch import Tensor

from filmgrid.costs import fitted
from filmgrid.data.export import save_image
from filmgrid.data.mosaics import pack_image
from filmgrid.data.provenance import Provenance
from filmgrid.data.titled import with_titles
from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.inputs import Described
from filmgrid.metrics.consistency import neighbour_identity
from filmgrid.metrics.direction import direction_asked, goes
from filmgrid.metrics.health import frozen_share, order_score
from filmgrid.metrics.layouts import MOST, find_layout
from filmgrid.models.attention import AttentionWatch
from filmgrid.models.codec import pixels_of
from filmgrid.models.places import find_model, load_facts
from filmgrid.planning import make_plan
from filmgrid.process.flow import add_noise
from filmgrid.request.models import ProbeRequest
from filmgrid.result import Result
from filmgrid.types import ImageArray

log = logging.getLogger(__name__)
SIGMAS = (0.9, 0.5)
"""Noise levels at which attention is read."""
HELD, ALIKE, ORDERED = 0.75, 0.8, 0.5
"""From which on a layout counts as held, cells as alike, and up to which frames as in order."""
LETTER = 7
"""Pixels of a title for each of its letters, about."""
SQUARE = 12
"""Pixels of a cell in a drawn matrix of attention."""


class Drawing(BaseModel):
    """What one prompt became."""

    prompt: str
    """Before any wording."""
    layout: str
    wording: str
    found: str
    """Layout that the picture shows."""
    alike: float
    """How alike neighbouring cells are, 1 if equal."""
    order: float
    """Below 1 for frames in order, about 1 for shuffled ones."""
    moving: float
    """Share of steps with a change, 0 to 1."""
    direction: str | None
    """That the prompt names."""
    goes_there: bool | None
    """Whether it goes that way; None if no direction is named."""


class Attention(BaseModel):
    """Where the attention of cells goes, mean over layers and noise levels; shares sum to 1."""

    layout: str
    within: float
    """To the own cell."""
    between: float
    """To other cells."""
    words: float
    """To the prompt."""
    evenly: float
    """What the own cell would get if attention did not care which cell a token is in."""
    layers: int
    """That see the whole grid."""


class ProbeReport(BaseModel):
    """What ``filmgrid probe`` found."""

    model: str
    drawings: tuple[Drawing, ...]
    attention: tuple[Attention, ...]
    files: tuple[str, ...] = ()

    def text(self) -> str:
        """For people."""
        lines = [
            self.model,
            "layout  wording      held   alike  order  moving  right way",
        ]
        for (layout, wording), some in self.groups.items():
            ways = [each.goes_there for each in some if each.goes_there is not None]
            right = f"{sum(ways)} of {len(ways)}" if ways else "-"
            lines.append(
                f"{layout:7} {wording:12} {100 * _held(some):3.0f} %  "
                f"{np.median([each.alike for each in some]):5.2f}  "
                f"{np.median([each.order for each in some]):5.2f}  "
                f"{100 * np.mean([each.moving for each in some]):4.0f} %  {right}"
            )
        for each in self.attention:
            lines.append(
                f"attention at {each.layout}: {100 * each.within:.0f} % within frames (evenly: "
                f"{100 * each.evenly:.0f} %), {100 * each.between:.0f} % between them, "
                f"{100 * each.words:.0f} % to the words"
            )
        return "\n".join([*lines, self.advice, *self.files])

    @property
    def groups(self) -> dict[tuple[str, str], list[Drawing]]:
        """Drawings by layout and wording."""
        groups: dict[tuple[str, str], list[Drawing]] = {}
        for each in self.drawings:
            groups.setdefault((each.layout, each.wording), []).append(each)
        return groups

    @property
    def advice(self) -> str:
        """Which layout, wording and rank to begin with, and why."""
        layout, wording = max(self.groups, key=lambda key: _standing(self.groups[key]))
        best = self.groups[layout, wording]
        share = _held(best)
        alike = float(np.median([each.alike for each in best]))
        if share < HELD:
            rank, why = 256, "the layout itself is still to be learned"
        elif alike < ALIKE:
            rank, why = 64, "the layout holds, its cells do not show one thing"
        elif float(np.median([each.order for each in best])) > ORDERED:
            rank, why = 64, "cells are alike, but not in order"
        else:
            rank, why = 16, "layout, content and order hold"
        return (
            f"Begin with {layout}, wording {wording}, a LoRA of rank {rank}: {why}. Ranks are "
            "GRID's 16 to 256, shared out by rule of thumb; the layouts found are as good as "
            "find_layout is."
        )


def probe_model(request: ProbeRequest) -> ProbeReport:
    """Draw prompts at layouts in several wordings, measure, and read attention.

    Source: GRID, appendix A.1 (what foundation models can do with grids zero-shot, there judged by
    eye) and A.2 (attention within and between frames).

    Args:
        request: which model, and what to draw.

    Raises:
        CheckpointError: if the model cannot be loaded.
        ConfigError: if a layout has one cell or more than 8 rows or columns, or a prompt does not
            fit.
    """
    layouts = [Layout.parse(text) for text in request.layouts]
    for layout in layouts:
        _check(layout)
    facts = load_facts(find_model(request.model), request.model, request.lora_places)
    if not layouts:
        layouts = [facts.default_layout]
        _check(facts.default_layout)
    wordings = request.wordings or (facts.wording,)
    pairs = list(itertools.product(layouts, wordings))
    plans = [
        make_plan(_asked(request, prompt, *pair), facts, Described())
        for pair in pairs
        for prompt in request.prompts
    ]
    if request.out.is_file():
        raise ConfigError(f"{request.out} is a file, and --out names a folder. Use another name.")
    if facts.is_pretrained:
        log.info(facts.licence_sentence)
    largest = max(plans, key=lambda plan: plan.layout.num_cells)
    loading = fitted(request.loading, largest, request.model)
    generator = Generator.from_pretrained(request.model, request.device, request.precision, loading)
    drawings, attention, files = [], [], []
    for layout, wording in pairs:
        results = [
            _draw(generator, _asked(request, each, layout, wording)) for each in request.prompts
        ]
        measured = [
            _measure(prompt, wording, result)
            for prompt, result in zip(request.prompts, results, strict=True)
        ]
        drawings += measured
        files += _sheet(request.out, f"{layout}-{wording}", results, measured)
        if wording == wordings[0]:
            shares = _attention(generator, request, results[0], layout, wording)
            if shares is None:
                log.info(f"No layer of {facts.name} shows its attention over the whole grid.")
                continue
            attention.append(_summed(layout, shares))
            files += _draw_attention(request.out, layout, shares)
    return ProbeReport(
        model=facts.name,
        drawings=tuple(drawings),
        attention=tuple(attention),
        files=tuple(files),
    )


def _check(layout: Layout) -> None:
    if layout.num_cells == 1 or max(layout.rows, layout.cols) > MOST:
        raise ConfigError(
            f"A {layout} grid cannot be probed: layouts of 2 cells to {MOST}x{MOST} can be told "
            "apart. Name one of these, such as 4x4."
        )


def _asked(request: ProbeRequest, prompt: str, layout: Layout, wording: Wording) -> Any:
    return request.generation(prompt.replace("{layout}", str(layout)), layout, wording)


def _draw(generator: Generator, asked: Any) -> Result:
    return next(event for event in generator.generate(asked) if isinstance(event, Result))


def _measure(prompt: str, wording: Wording, result: Result) -> Drawing:
    frames = result.arrays[0]
    direction = direction_asked(prompt)
    return Drawing(
        prompt=prompt,
        layout=str(result.layout),
        wording=wording,
        found=str(find_layout(pack_image(frames, result.layout))),
        alike=neighbour_identity(frames),
        order=order_score(frames),
        moving=1 - frozen_share(frames),
        direction=direction,
        goes_there=None if direction is None else goes(frames, direction),
    )


def _held(drawings: Sequence[Drawing]) -> float:
    """Share that shows the layout that was asked for."""
    return sum(each.found == each.layout for each in drawings) / len(drawings)


def _standing(drawings: Sequence[Drawing]) -> tuple[float, float, int]:
    """What the best layout and wording have most of: the grid, then likeness, then cells."""
    alike = float(np.median([each.alike for each in drawings]))
    return _held(drawings), round(alike, 1), Layout.parse(drawings[0].layout).num_cells


@torch.inference_mode()
def _attention(
    generator: Generator, request: ProbeRequest, result: Result, layout: Layout, wording: Wording
) -> Float[Tensor, "layers cells places"] | None:
    """Of the drawn grid made noisy again, mean over SIGMAS."""
    backbone = generator.backbone
    asked = _asked(request, request.prompts[0], layout, wording)
    plan = make_plan(asked, backbone.facts, Described())
    velocity_of = generator.velocity_of(replace(plan, two_passes=False), 1)
    clean = generator.codec_of(plan).encode(pixels_of(result.arrays[:1], generator.device))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(request.seed))
    noise = noise.to(clean)
    levels = []
    for sigma in SIGMAS:
        backbone.begin()
        level = torch.full((1, layout.num_cells), sigma, device=generator.device)
        with AttentionWatch(backbone, layout, CellSize(*plan.cell)) as watch:
            velocity_of(add_noise(clean, noise, sigma), level)
        if watch.shares:
            levels.append(torch.stack(watch.shares))
    return torch.stack(levels).mean(dim=0) if levels else None


def _summed(layout: Layout, shares: Float[Tensor, "layers cells places"]) -> Attention:
    mean = shares.mean(dim=0)
    cells, words = mean[:, :-1], float(mean[:, -1].mean())
    within = float(cells.diagonal().mean())
    return Attention(
        layout=str(layout),
        within=within,
        between=1 - words - within,
        words=words,
        evenly=(1 - words) / layout.num_cells,
        layers=len(shares),
    )


def _draw_attention(
    out: Path, layout: Layout, shares: Float[Tensor, "layers cells places"]
) -> list[str]:
    """Cells that ask, downwards, and cells that are asked, to the right; then layer by layer."""
    cells = shares[:, :, :-1].mean(dim=0).numpy()
    matrix = np.kron(_heat(np.log(cells + 1e-6)), np.ones((SQUARE, SQUARE, 1)))
    within = shares[:, :, :-1].diagonal(dim1=1, dim2=2).mean(dim=1)
    words = shares[:, :, -1].mean(dim=1)
    bars = np.full((150, max(len(shares) * 16, matrix.shape[1]), 3), 255, np.uint8)
    width = bars.shape[1] // len(shares)
    for layer, (own, told) in enumerate(zip(within.tolist(), words.tolist(), strict=True)):
        column = bars[:, layer * width + 1 : (layer + 1) * width - 1]
        low, high = round(150 * own), round(150 * (1 - told))
        column[150 - low :] = (180, 70, 11)
        column[150 - high : 150 - low] = (31, 95, 191)
        column[: 150 - high] = (200, 200, 200)
    titles = [
        f"{layout}: which frame (down) looks at which (right)",
        "by layer: orange own frame, blue others, grey words",
    ]
    wide = max(matrix.shape[1], bars.shape[1], 420)
    path = out / f"attention-{layout}.png"
    return _write(path, with_titles([_padded(matrix, wide), _padded(bars, wide)], titles))


def _heat(values: Float[np.ndarray, "y x"]) -> np.ndarray:
    """Dark for little, bright for much."""
    low, high = values.min(), values.max()
    share = ((values - low) / max(high - low, 1e-9))[..., None]
    dark, bright = np.array([20, 20, 50]), np.array([255, 220, 120])
    return dark + share * (bright - dark)


def _padded(image: np.ndarray, width: int) -> ImageArray:
    right = width - image.shape[1]
    return np.pad(image.astype(np.uint8), ((0, 0), (0, right), (0, 0)), constant_values=255)


def _sheet(
    out: Path, name: str, results: Sequence[Result], measured: Sequence[Drawing]
) -> list[str]:
    """All drawings of one layout and wording, each below what was found."""
    grids: list[Any] = [pack_image(result.arrays[0], result.layout) for result in results]
    titles = []
    for each in measured:
        way = {None: "", True: ", right way", False: ", wrong way"}[each.goes_there]
        found = f"shows {each.found}, alike {each.alike:.2f}, order {each.order:.2f}{way}"
        titles.append(f"{found}: {each.prompt}")
    wide = max(grids[0].shape[1], LETTER * max(map(len, titles)))
    path = out / f"{name}.png"
    return _write(path, with_titles([_padded(grid, wide) for grid in grids], titles))


def _write(path: Path, picture: ImageArray) -> list[str]:
    save_image(picture, path, Provenance(kind="image"))
    return [str(path)]
