"""Batches by number: batch 17 of a run is the same whoever asks for it, and whenever.

Nothing is remembered from one batch to the next, so resuming a run means asking for the next
number.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from filmgrid.data.augment import augment
from filmgrid.data.examples import Example, ExampleSource
from filmgrid.data.folder_examples import FolderExamples
from filmgrid.data.shapes_world import World as ShapesWorld
from filmgrid.data.world.source import World
from filmgrid.errors import ConfigError, DatasetError
from filmgrid.grid.prompts import describe_layout, wording_for
from filmgrid.grid.spec import Layout
from filmgrid.models.backbone import Backbone
from filmgrid.process.resolution import layout_shift
from filmgrid.training.config import Data, NoiseConfig, ShapesData, TrainConfig, WorldData
from filmgrid.training.keeping import draw_keep
from filmgrid.types import FrameArray

BATCH_STREAM, SAMPLE_STREAM = 1, 2
"""Keep the random streams of a run apart."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one backward pass sees, before noise."""

    number: int
    layout: Layout
    frames: FrameArray
    prompts: list[str]
    sigma: Float[np.ndarray, "b n"]
    keep: Bool[np.ndarray, "b n"]


class Batches:
    """Makes the batches of a run from its configuration.

    Args:
        config: of the run.
        sources: one per entry of ``config.data``.
        processes: processes that share the run's batches.
    """

    def __init__(
        self, config: TrainConfig, sources: list[ExampleSource], processes: int = 1
    ) -> None:
        self.config = config
        self.sources = sources
        self.total = config.steps * config.accumulation * processes

    def __len__(self) -> int:
        """More than any run needs; batches do not end."""
        return 2**62

    def __getitem__(self, number: int) -> Batch:
        """Make batch ``number``."""
        config = self.config
        rng = np.random.default_rng([config.seed, BATCH_STREAM, number])
        layout = self._layout(number, rng)
        count = max(1, config.batch * config.default_layout.num_cells // layout.num_cells)
        drawn = [self._draw([number, place], layout) for place in range(count)]
        keep = np.stack([keep for _, keep, _ in drawn])
        sigma = np.array([sigma for _, _, sigma in drawn], np.float32)[:, None]
        return Batch(
            number,
            layout,
            np.stack([example.frames for example, _, _ in drawn]),
            [example.caption for example, _, _ in drawn],
            np.where(keep, np.float32(0), sigma),
            keep,
        )

    def _layout(self, number: int, rng: np.random.Generator) -> Layout:
        """Draw one of the layouts that are trained on at this point of the run."""
        done = number / self.total
        weights = [
            share.weight if share.start <= done < share.end or done >= 1 else 0.0
            for share in self.config.layouts
        ]
        return Layout.parse(self.config.layouts[_choose(weights, rng)].layout)

    def _draw(self, sample: list[int], layout: Layout) -> tuple[Example, np.ndarray, float]:
        """One sequence with the wording of its prompt, its kept cells and its noise level."""
        config = self.config
        rng = np.random.default_rng([config.seed, SAMPLE_STREAM, *sample])
        which = _choose([data.weight for data in config.data], rng)
        source = self.sources[which]
        index = int(rng.integers(len(source)))
        example = source.draw(index, layout.num_cells, config.cell_size, rng)
        frames = augment(example.frames, config.data[which].augment, rng)
        caption = example.caption
        if rng.random() < config.caption_dropout:
            caption = ""
        if rng.random() < config.wording_probability and caption:
            caption = describe_layout(caption, layout, wording_for(layout, config.wording))
        keep = draw_keep(layout, config.keep_probability, rng)
        shift = layout_shift(layout.num_cells, config.default_layout.num_cells)
        return Example(frames, caption), keep, draw_sigma(config.noise, rng, shift)


def check_sources(config: TrainConfig, sources: list[ExampleSource], backbone: Backbone) -> None:
    """Refuse data that the run would stumble over hours later.

    Raises:
        DatasetError: if a sequence is shorter than a layout, or its caption too long.
        ConfigError: if a validation prompt is too long.
    """
    layouts = [Layout.parse(share.layout) for share in config.layouts]
    for prompt in config.validation_prompts:
        backbone.encode([describe_layout(prompt, config.default_layout, config.wording)])
    for source in sources:
        if not isinstance(source, FolderExamples):
            continue
        for entry in source.sequences.entries:
            source.check_length(entry, max(layout.num_cells for layout in layouts))
        captions = {entry.caption: entry for entry in source.sequences.entries if entry.caption}
        for caption, entry in captions.items():
            try:
                for layout in layouts:
                    wording = wording_for(layout, config.wording)
                    backbone.encode([describe_layout(caption, layout, wording)])
            except ConfigError as error:
                raise DatasetError(
                    f"The caption of {entry.source} in {source.sequences.folder} is too long: "
                    f"{error} Or raise model.max_words."
                ) from error


def draw_sigma(noise: NoiseConfig, rng: np.random.Generator, shift: float = 1.0) -> float:
    """Draw a noise level in (0, 1): ``sigmoid(N(mean + log(shift), std))``."""
    return float(1 / (1 + np.exp(-rng.normal(noise.mean + np.log(shift), noise.std))))


def open_sources(config: TrainConfig, *, held_out: bool = False) -> list[ExampleSource]:
    """Open the data of a run.

    Args:
        config: of the run.
        held_out: of each source that has one, open the held-out side, to look at samples.

    Raises:
        DatasetError: if a dataset is missing, damaged, or does not fit the run.
    """
    return [_open(data, config, held_out=held_out) for data in config.data]


def _open(data: Data, config: TrainConfig, *, held_out: bool) -> ExampleSource:
    if isinstance(data, ShapesData):
        return ShapesWorld()
    if isinstance(data, WorldData):
        split = "held_out" if held_out and data.split == "train" else data.split
        return World(split, data.turntables, data.turntable_frames)
    chosen = FolderExamples(data.folder, data.split, config.cell_size)
    if held_out and chosen.has_held_out:
        return FolderExamples(data.folder, "held_out", config.cell_size)
    return chosen


def _choose(weights: list[float], rng: np.random.Generator) -> int:
    """Index drawn in proportion to its weight."""
    return int(rng.choice(len(weights), p=np.array(weights) / sum(weights)))
