"""Readings of every scene, by name of the reading; scenes are the same for all arms and seeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.ablation.arms import cells_of
from filmgrid.bars.config import BarsConfig
from filmgrid.bars.figure import Setup
from filmgrid.bars.figures import find_figures
from filmgrid.bars.reading import SIDE, read_motion
from filmgrid.bars.scenes import motion_scene
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.paint import paint_motion
from filmgrid.evaluation.judges.motion import judge_motion
from filmgrid.generator import Generator
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.metrics.frames import moving_pixels, psnr
from filmgrid.models.backbone import Backbone, Condition
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.process.flow import add_noise, clean_from
from filmgrid.process.noise import seeded_noise

SEED = 4
"""Of the scenes, apart from those that mini is measured on."""
LEVELS = (0.5, 0.7, 0.85, 0.95)
"""Noise levels at which one denoising step is measured."""
COUNT = {"denoise": 96, "text": 48, "image": 48, "interpolation": 48, "smooth": 48}

Scores = dict[str, list[float | None]]
"""Reading by name, then by scene; None where a scene has nothing to read."""


def score(
    generator: Generator, what: str, layout: str, conditioning: str, share: float = 1.0
) -> Scores:
    """Measure one thing.

    Args:
        generator: of the arm.
        what: ``denoise``, ``text``, ``image``, ``interpolation`` or ``smooth``.
        layout: that the arm was trained on.
        conditioning: how known cells are given.
        share: of the scenes, to try it out.
    """
    count = max(2, round(share * COUNT[what]))
    found: Scores = {}
    for number in range(count):
        readings = SCORES[what](generator, number, layout, conditioning)
        for name, value in readings.items():
            if np.isfinite(value):
                found.setdefault(name, [None] * count)[number] = round(float(value), 4)
    return found


def _denoise(generator: Generator, number: int, layout: str, conditioning: str) -> dict[str, float]:
    """PSNR of moving pixels after one step from each level: error of what training minimises."""
    shape, codec_cell = Layout.parse(layout), CellSize(32, 32)
    scene = motion_scene(SEED, number, num_frames=shape.num_cells)
    truth = paint_motion([scene], shape.num_cells, codec_cell)
    clean = pixels_of(truth.numpy())
    noise = seeded_noise([number], tuple(clean.shape[1:]), torch.device("cpu"))
    condition = generator.backbone.encode([full_caption(scene)])
    moving = moving_pixels(truth[0].numpy())
    errors = []
    for level in LEVELS:
        sigma = torch.full(clean.shape[:2], level)
        noisy = add_noise(clean, noise, sigma)
        with torch.inference_mode(), torch.autocast("cpu", generator.dtype):
            velocity = generator.backbone.velocity(noisy, sigma, condition, shape)
        made = frames_of(clean_from(noisy, velocity.float(), sigma))[0]
        errors.append(psnr(truth[0].numpy(), made, moving))
    return {"psnr": float(np.mean(errors))}


def _text(generator: Generator, number: int, layout: str, conditioning: str) -> dict[str, float]:
    scene = motion_scene(SEED, number, num_frames=cells_of(layout))
    made = generator(full_caption(scene), layout=layout, seed=number).arrays[0]
    return read_motion(scene, made)


def _smooth(generator: Generator, number: int, layout: str, conditioning: str) -> dict[str, float]:
    """Without a prompt: whether a thing is seen, and how far it leaves the path it takes."""
    made = generator("", layout=layout, seed=number).arrays[0]
    things = judge_motion(made).things
    if not things:
        return {"unseen": 1.0}
    return {"unseen": 0.0, "off path": SIDE * things[0].path_error}


@dataclass(frozen=True)
class Pasted(Backbone):
    """Known cells enter every step clean, whatever sigma says: GRID, Eq. 11."""

    inner: Backbone
    known: dict[int, Float[Tensor, "c h w"]]

    @property
    def facts(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the network."""
        return self.inner.facts

    @property
    def module(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The network."""
        return self.inner.module

    def encode(self, prompts: Any) -> Condition:
        """As the network does."""
        return self.inner.encode(prompts)

    def blank(self, count: int) -> Condition:
        """As the network does."""
        return self.inner.blank(count)

    def begin(self) -> None:
        """As the network does."""
        self.inner.begin()

    def velocity(self, noisy: Tensor, sigma: Tensor, condition: Condition, layout: Layout) -> Any:
        """Of cells among which the known ones are clean."""
        noisy = noisy.clone()
        for cell, picture in self.known.items():
            noisy[:, cell] = picture
        return self.inner.velocity(noisy, sigma, condition, layout)

    def with_module(self, module: Any) -> Any:
        """The same cells pasted before another network."""
        return replace(self, inner=self.inner.with_module(module))

    def save_pretrained(self, folder: Any) -> None:
        """Write the network; what is pasted belongs to a call."""
        self.inner.save_pretrained(folder)


@contextmanager
def pasted(generator: Generator, words: dict[str, Any]) -> Iterator[None]:
    """Paste the pictures of a call before every step."""
    pictures = words.get("keyframes") or {0: words["image"]}
    known = {
        cell: generator.codec.encode(pixels_of(picture)[None, None])[0, 0]
        for cell, picture in pictures.items()
    }
    inner = generator.backbone
    generator.backbone = Pasted(inner, known)
    try:
        yield
    finally:
        generator.backbone = inner


def _given(name: str) -> Callable[[Generator, int, str, str], dict[str, float]]:
    (figure,) = find_figures([name])

    def run(generator: Generator, number: int, layout: str, conditioning: str) -> dict[str, float]:
        def called(prompt: str, **words: Any) -> Any:
            if conditioning != "paste":
                return generator(prompt, **words, conditioning=conditioning)
            with pasted(generator, words):
                return generator(prompt, **words, conditioning="replacement")

        config = BarsConfig(model=generator.name, seed=SEED)
        setup = Setup(config, generator.backbone.facts, lambda: called)
        readings, _ = figure.run(setup, number)
        names = {"verb": "image verb", "psnr": "between"}
        return {names.get(each, each): value for each, value in readings.items()}

    return run


SCORES = {
    "denoise": _denoise,
    "text": _text,
    "smooth": _smooth,
    "image": _given("image"),
    "interpolation": _given("interpolation"),
}
