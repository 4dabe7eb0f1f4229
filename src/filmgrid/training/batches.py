"""Batches by number: batch 17 of a run is the same whoever asks for it, and whenever.

Nothing is remembered from one batch to the next, so resuming a run means asking for the next
number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, UInt8

from filmgrid.data.augment import augment
from filmgrid.data.degrade import degraded, enlarged_again, made_small
from filmgrid.data.degrade_config import SuperResolutionConfig
from filmgrid.data.examples import ExampleSource
from filmgrid.data.folder_examples import FolderExamples
from filmgrid.data.world.source import World
from filmgrid.errors import ConfigError, DatasetError
from filmgrid.grid.prompts import describe_layout, wording_for
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.models.backbone import Backbone
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.models.facts import BackboneFacts
from filmgrid.process.gaussian import ddpm
from filmgrid.process.resampling import coarse_part
from filmgrid.process.resolution import layout_shift
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import Data, WorldData
from filmgrid.training.keeping import draw_keep
from filmgrid.training.learning_config import LayoutShare, NoiseConfig
from filmgrid.types import FrameArray

BATCH_STREAM, SAMPLE_STREAM, DEGRADE_STREAM = 1, 2, 3
"""Keep the random streams of a run apart."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one backward pass sees, before noise.

    Args:
        number: of the batch in its run.
        layout: of its sequences.
        frames: what is to be painted, ``b n h w 3``.
        prompts: one per sequence.
        sigma: noise level of each cell.
        keep: cells that are given clean.
        shown: the frames that are noised, if some of them are worse than what is to be painted.
        given: what super-resolution is given beside them, ``b n h w 6``: the small frames,
            enlarged, their coarse part first.
    """

    number: int
    layout: Layout
    frames: FrameArray
    prompts: list[str]
    sigma: Float[np.ndarray, "b n"]
    keep: Bool[np.ndarray, "b n"]
    shown: FrameArray | None = None
    given: UInt8[np.ndarray, "b n h w 6"] | None = None


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One sequence of a batch; see there."""

    frames: FrameArray
    caption: str
    keep: Bool[np.ndarray, " n"]
    sigma: float
    given: UInt8[np.ndarray, "n h w 6"] | None


class Batches:
    """Makes the batches of a run from its configuration.

    Args:
        config: of the run.
        sources: one per entry of ``config.data``.
        processes: processes that share the run's batches.
        facts: of a pretrained pipeline, whose schedule shifts the noise levels.
    """

    def __init__(
        self,
        config: TrainConfig,
        sources: list[ExampleSource],
        processes: int = 1,
        facts: BackboneFacts | None = None,
    ) -> None:
        self.config = config
        self.facts = facts if facts is not None and facts.is_pretrained else None
        self.sources = sources
        self.total = config.steps * config.accumulation * processes

    def __len__(self) -> int:
        """More than any run needs; batches do not end."""
        return 2**62

    def __getitem__(self, number: int) -> Batch:
        """Make batch ``number``."""
        config = self.config
        rng = np.random.default_rng([config.seed, BATCH_STREAM, number])
        share = self._share(number, rng)
        layout = Layout.parse(share.layout)
        as_many_cells = config.batch * config.default_layout.num_cells // layout.num_cells
        count = share.batch or max(1, as_many_cells)
        drawn = [self._draw(number, place, count, layout) for place in range(count)]
        keep = np.stack([each.keep for each in drawn])
        sigma = np.array([each.sigma for each in drawn], np.float32)[:, None]
        frames = np.stack([each.frames for each in drawn])
        shown = self._degrade(number, frames, keep, sigma)
        given = [each.given for each in drawn if each.given is not None]
        return Batch(
            number,
            layout,
            frames,
            [each.caption for each in drawn],
            np.where(keep, np.float32(0), sigma),
            keep,
            shown,
            np.stack(given) if given else None,
        )

    def _degrade(
        self, number: int, frames: FrameArray, keep: np.ndarray, sigma: np.ndarray
    ) -> FrameArray | None:
        """Make some sequences worse where they are not kept, and draw their noise levels anew."""
        config = self.config.degrade
        rng = np.random.default_rng([self.config.seed, DEGRADE_STREAM, number])
        chosen = rng.random(len(frames)) < config.probability
        if not chosen.any():
            return None
        shown = frames.copy()
        for place in np.flatnonzero(chosen):
            worse = degraded(frames[place], config, rng)
            shown[place] = np.where(keep[place][:, None, None, None], frames[place], worse)
            sigma[place] = rng.uniform(config.least_sigma, config.most_sigma)
        return shown

    def _share(self, number: int, rng: np.random.Generator) -> LayoutShare:
        """Draw one of the layouts that are trained on at this point of the run."""
        done = number / self.total
        weights = [
            share.weight if share.start <= done < share.end or done >= 1 else 0.0
            for share in self.config.layouts
        ]
        return self.config.layouts[choose(weights, rng)]

    def _draw(self, number: int, place: int, count: int, layout: Layout) -> _Drawn:
        """One of a batch's sequences: the wording of its prompt, its kept cells, its noise level.

        Each of the ``count`` sequences has a stratum of the noise levels to itself, so that
        every batch sees all of them: the loss depends on little else so much.
        """
        config = self.config
        rng = np.random.default_rng([config.seed, SAMPLE_STREAM, number, place])
        which = choose([data.weight for data in config.data], rng)
        source = self.sources[which]
        index = int(rng.integers(len(source)))
        example = source.draw(index, layout.num_cells, config.frame_size, rng)
        frames = augment(example.frames, config.data[which].augment, rng, layout.cols)
        caption = example.caption
        if rng.random() < config.caption_dropout:
            caption = ""
        if rng.random() < config.wording_probability and caption:
            caption = describe_layout(caption, layout, wording_for(layout, config.wording))
        keep = draw_keep(layout, config.keep_probability, rng)
        if self.facts is None:
            shift = layout_shift(layout.num_cells, config.default_layout.num_cells)
        else:
            shift = self.facts.shift_of(layout, config.cell_size, config.num_steps)
        quantile = (place + rng.uniform(1e-3, 1 - 1e-3)) / count
        if config.objective == "iddpm":
            level = float(ddpm().sigmas[int(quantile * ddpm().num_timesteps)])
        else:
            level = sigma_at(config.noise, quantile, shift)
        given = None
        if config.super_resolution is not None:
            frames, given = small_and_large(frames, config.super_resolution, config.cell, rng)
        return _Drawn(frames, caption, keep, level, given)


def small_and_large(
    frames: FrameArray, config: SuperResolutionConfig, cell: int, rng: np.random.Generator
) -> tuple[FrameArray, UInt8[np.ndarray, "n h w 6"]]:
    """The same crop of frames, and of what is given of them when they are to be enlarged.

    That is its coarse part, to which the network adds, and after it all of it, as in
    :class:`~filmgrid.sampling.upscale.SuperResolution`.
    """
    given = enlarged_again(made_small(frames, config.factor), config, rng)
    coarse = frames_of(coarse_part(pixels_of(given), config.factor))
    given = np.concatenate([coarse, given], axis=-1)
    room = [(side - cell) // config.factor for side in frames.shape[1:3]]
    y, x = (config.factor * int(rng.integers(most + 1)) for most in room)
    crop = np.s_[:, y : y + cell, x : x + cell]
    return frames[crop], given[crop]


def check_sources(config: TrainConfig, sources: list[ExampleSource], backbone: Backbone) -> None:
    """Refuse data that the run would stumble over hours later.

    Raises:
        DatasetError: if a sequence is shorter than a layout, or its caption too long.
        ConfigError: if a validation prompt is too long.
    """
    layouts = [Layout.parse(share.layout) for share in config.layouts]
    for prompt in config.validation_prompts:
        backbone.check([describe_layout(prompt, config.default_layout, config.wording)])
    for source in sources:
        if not isinstance(source, FolderExamples):
            continue
        for entry in source.sequences.entries:
            source.check_length(entry, max(layout.num_cells for layout in layouts))
        if config.caption_dropout == 1:  # none is ever read
            continue
        captions = {entry.caption: entry for entry in source.sequences.entries if entry.caption}
        for caption, entry in captions.items():
            try:
                for layout in layouts:
                    wording = wording_for(layout, config.wording)
                    backbone.check([describe_layout(caption, layout, wording)])
            except ConfigError as error:
                raise DatasetError(
                    f"The caption of {entry.source} in {source.sequences.folder} is too long: "
                    f"{error} Or raise model.max_words."
                ) from error


def possible_prompts(config: TrainConfig, sources: Sequence[FolderExamples]) -> list[str]:
    """Every prompt that a run on these datasets can come to, in training or for its samples."""
    layouts = [Layout.parse(share.layout) for share in config.layouts]
    captions = {entry.caption for source in sources for entry in source.sequences.entries}
    prompts = {""}
    for caption in captions - {""}:
        prompts.add(caption)
        for layout in layouts:
            wording = wording_for(layout, config.wording)
            prompts.add(describe_layout(caption, layout, wording))
    default = config.default_layout
    for prompt in config.validation_prompts:
        prompts.add(describe_layout(prompt, default, wording_for(default, config.wording)))
    return sorted(prompts)


def sigma_at(noise: NoiseConfig, quantile: float, shift: float = 1.0) -> float:
    """Noise level in (0, 1) below which this share of all lies.

    Args:
        noise: how levels are drawn.
        quantile: in (0, 1).
        shift: of the layout's schedule, which moves levels as it does those of sampling.
    """
    if noise.kind == "uniform":
        odds = quantile / (1 - quantile)
    else:
        odds = math.exp(NormalDist(noise.mean, noise.std).inv_cdf(quantile))
    return shift * odds / (1 + shift * odds)


def open_sources(config: TrainConfig, *, held_out: bool = False) -> list[ExampleSource]:
    """Open the data of a run.

    Args:
        config: of the run.
        held_out: of each source that has one, open the held-out side, to look at samples.

    Raises:
        DatasetError: if a dataset is missing, damaged, or does not fit the run.
    """
    return [open_source(data, config.frame_size, held_out=held_out) for data in config.data]


def open_source(data: Data, cell: CellSize, *, held_out: bool = False) -> ExampleSource:
    """Open one source of a run.

    Args:
        data: what it is.
        cell: size that its frames must have.
        held_out: open its held-out side, if it has one.

    Raises:
        DatasetError: if a dataset is missing, damaged, or has frames of another size.
    """
    if isinstance(data, WorldData):
        split = "held_out" if held_out and data.split == "train" else data.split
        return World(
            split, data.turntables, data.turntable_frames, size=data.size, coarse=data.coarse
        )
    chosen = FolderExamples(data.folder, data.split, cell)
    if held_out and chosen.has_held_out:
        return FolderExamples(data.folder, "held_out", cell)
    return chosen


def choose(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Index drawn in proportion to its weight."""
    return int(rng.choice(len(weights), p=np.array(weights) / sum(weights)))
