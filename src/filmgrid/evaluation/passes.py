"""One pass over both sets: every clip is read once, scored, and forgotten but for its features."""

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from filmgrid.data.manifest import content_hash
from filmgrid.errors import ConfigError, FilmgridError, ShapeError
from filmgrid.evaluation.catalogue import Metric
from filmgrid.evaluation.clips import Clip, ClipSet, counted
from filmgrid.evaluation.features import Extractor
from filmgrid.evaluation.scores import CLIP_SCORES, PAIR_SCORES, UNEQUAL_LENGTHS, Context, Seen

BATCH_BYTES = 32 * 2**20
"""Pixels in memory at once, beyond which no further clip is read."""
BATCH_CLIPS = 64

Pair = tuple[Clip | None, Clip | None]
"""A real clip and the made clip that belongs to it, where there are both."""

Progress = Callable[[int, int], None]
"""Told how many clips are done, and how many there are."""


@dataclass(slots=True)
class Side:
    """What one pass keeps of one set.

    Args:
        clips: the set.
        scores: by metric, then by clip.
        features: by extractor, then by clip.
        hashes: of the name and pixels of each clip.
        shapes: frames, height and width of each clip.
    """

    clips: ClipSet
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    features: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def sample(self, extractor: str) -> np.ndarray:
        """Features of all clips, stacked in the order of the set.

        Raises:
            ShapeError: if clips have different numbers of frames, for features of frames.
        """
        vectors = [self.features[extractor][name] for name in self.clips.names]
        if len({vector.shape for vector in vectors}) > 1:
            raise ShapeError(
                f"The clips of {self.clips.path} differ in length, and {extractor} gives a vector "
                f"per frame. Use --frames {min(map(len, vectors))}."
            )
        return np.stack(vectors)

    def sha256(self) -> str:
        """Over the names and pixels of all clips."""
        lines = "".join(f"{name} {self.hashes[name]}\n" for name in sorted(self.hashes))
        return hashlib.sha256(lines.encode()).hexdigest()


def measure_clips(
    sides: tuple[Side, Side],
    pairs: dict[str, str],
    metrics: Sequence[Metric],
    context: Context,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Read, score and describe every clip of both sides, once.

    Memory holds one batch of clips, and of the clips before it their scores and features.

    Args:
        sides: real and made clips; filled.
        pairs: the real clip of each made clip that has one.
        metrics: what is measured.
        context: what scores need besides clips.
        workers: threads, as many as cores by default.
        on_progress: told after every batch.

    Raises:
        ShapeError: if clips that are compared differ, or one is not what an extractor takes.
        MediaError: if a clip cannot be read.
    """
    alone = [metric.name for metric in metrics if metric.kind == "clip"]
    paired = [metric.name for metric in metrics if metric.kind == "pair"]
    total, done = sum(len(side.clips) for side in sides), 0
    equal = _EqualSizes(sides, metrics, context)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for batch in _batches(sides, pairs):
            equal.check(batch, paired)
            seen = tuple(
                _describe(side, [pair[index] for pair in batch], context, pool)
                for index, side in enumerate(sides)
            )
            jobs: list[tuple[Side, str, str, Callable[[], float]]] = []
            for index, side in enumerate(sides):
                for name in alone:
                    if index == 0 and name == "clip-text":
                        continue  # real clips need no captions
                    jobs += [
                        (side, name, one.clip.name, _bind(CLIP_SCORES[name], one, context))
                        for one in seen[index]
                        if one is not None
                    ]
            for name in paired:
                score = PAIR_SCORES[name]
                jobs += [
                    (sides[1], name, other.clip.name, _bind(score, one, other, context))
                    for one, other in zip(*seen, strict=True)
                    if one is not None and other is not None
                ]
            values = pool.map(lambda job: job[3](), jobs)
            for (side, name, clip, _), value in zip(jobs, values, strict=True):
                side.scores.setdefault(name, {})
                if not math.isnan(value):
                    side.scores[name][clip] = value
            done += sum(one is not None for both in seen for one in both)
            if on_progress is not None:
                on_progress(done, total)


def _bind(score: Callable[..., float], *given: Seen | Context) -> Callable[[], float]:
    """A score that is still to be computed, whose errors name the clip."""

    def run() -> float:
        try:
            return score(*given)
        except FilmgridError as error:
            name = next(each.clip.name for each in reversed(given) if isinstance(each, Seen))
            if name in str(error):
                raise
            raise type(error)(f"{name}: {error}") from error

    return run


def _describe(
    side: Side, clips: Sequence[Clip | None], context: Context, pool: ThreadPoolExecutor
) -> list[Seen | None]:
    """Features, hashes and shapes of the clips of one side in one batch."""
    there = [clip for clip in clips if clip is not None]
    number = {name: index for index, name in enumerate(side.clips.names)}
    numbers = [number[clip.name] for clip in there]

    def label(index: int) -> str:
        return f"{side.clips.names[index]} in {side.clips.path}"

    def extract(extractor: Extractor) -> list[np.ndarray]:
        return list(extractor.extract((clip.frames for clip in there), numbers, label))

    extractors = context.instruments.features
    found = dict(zip(extractors, pool.map(extract, extractors.values()), strict=True))
    hashes = pool.map(lambda clip: content_hash(clip.frames), there)
    features: dict[str, dict[str, np.ndarray]] = {clip.name: {} for clip in there}
    for clip, sha256 in zip(there, hashes, strict=True):
        side.hashes[clip.name] = sha256
        side.shapes[clip.name] = (len(clip.frames), clip.size.height, clip.size.width)
    for extractor, vectors in found.items():
        for clip, vector in zip(there, vectors, strict=True):
            features[clip.name][extractor] = vector
            side.features.setdefault(extractor, {})[clip.name] = vector
    return [None if clip is None else Seen(clip, features[clip.name]) for clip in clips]


def _batches(sides: tuple[Side, Side], pairs: dict[str, str]) -> Iterator[list[Pair]]:
    """All clips of both sides once, partners beside each other, a bounded number at a time."""
    batch: list[Pair] = []
    held = 0
    for pair in _in_pairs(sides[0].clips, sides[1].clips, pairs):
        batch.append(pair)
        held += sum(clip.frames.nbytes for clip in pair if clip is not None)
        if held >= BATCH_BYTES or len(batch) >= BATCH_CLIPS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _in_pairs(real: ClipSet, made: ClipSet, pairs: dict[str, str]) -> Iterator[Pair]:
    partner = {one: other for other, one in pairs.items()}
    for name in real.names:
        yield real[name], made[partner[name]] if name in partner else None
    for name in made.names:
        if name not in pairs:
            yield None, made[name]


def try_metric(metric: Metric, real: Clip, made: Clip, context: Context) -> None:
    """Measure one pair of clips, to learn whether a metric is defined on such clips.

    Raises:
        ShapeError: if they are too short or too small.
        ConfigError: if it has nothing to look at.
    """
    if metric.kind == "distance":
        for clip in (real, made):
            for name in metric.instruments:
                list(context.instruments.features[name].extract([clip.frames]))
    elif metric.kind == "clip":
        CLIP_SCORES[metric.name](Seen(made), context)
    elif metric.kind == "pair":
        PAIR_SCORES[metric.name](Seen(real), Seen(made), context)


class _EqualSizes:
    """Refuses clips of different sizes, and of different lengths where that matters."""

    def __init__(
        self, sides: tuple[Side, Side], metrics: Sequence[Metric], context: Context
    ) -> None:
        self.sides = sides
        extractors = context.instruments.features.values()
        self.lengths_count = any(metric.kind == "clip" for metric in metrics) or any(
            extractor.statement.preprocessing.frames.count is None
            and extractor.statement.unit == "clip"
            for extractor in extractors
        )
        self.first: list[Clip | None] = [None, None]

    def check(self, batch: list[Pair], paired: Sequence[str]) -> None:
        """Check the next clips, and partners against each other.

        Raises:
            ShapeError: if they differ.
        """
        strict = [name for name in paired if name not in UNEQUAL_LENGTHS]
        for pair in batch:
            one, other = pair
            if strict and one is not None and other is not None:
                self._equal(one, other, lengths=True)
            for index, clip in enumerate(pair):
                if clip is not None:
                    self._against_first(index, clip)

    def _against_first(self, index: int, clip: Clip) -> None:
        if self.first[index] is None:
            self.first[index] = clip
            if None not in self.first:
                self._equal(*self.first, lengths=self.lengths_count)  # pyright: ignore[reportArgumentType]
        first = self.first[index]
        assert first is not None
        if clip.size != first.size:
            raise ShapeError(
                f"{first.name} has {first.size} px and {clip.name} has {clip.size} px, both in "
                f"{self.sides[index].clips.path}. Bring all to one size with --size, and --fit."
            )

    def _equal(self, real: Clip, made: Clip, *, lengths: bool) -> None:
        places = [side.clips.path for side in self.sides]
        if real.size != made.size or (lengths and len(real.frames) != len(made.frames)):
            fewest = min(len(real.frames), len(made.frames))
            fix = "--size HEIGHTxWIDTH" if real.size != made.size else f"--frames {fewest}"
            raise ShapeError(
                f"{_said(real)} in {places[0]}, and {_said(made)} in {places[1]}. Bring both to "
                f"one size and length with {fix}."
            )


def _said(clip: Clip) -> str:
    return f"{clip.name} has {counted(len(clip.frames), 'frame')} of {clip.size} px"


def check_partners(
    real: ClipSet, made: ClipSet, pairs: dict[str, str], metrics: Sequence[Metric]
) -> list[str]:
    """Refuse made clips without a real one where clips are compared with each other.

    Returns:
        Sentences on what is left out.

    Raises:
        ConfigError: if a made clip has no partner and a metric needs one.
    """
    name = next((metric.name for metric in metrics if metric.kind == "pair"), None)
    if name is None:
        return []
    missing = [clip for clip in made.names if clip not in pairs]
    if missing:
        raise ConfigError(
            f"{name} compares clips of the same name, and {real.path} has no {missing[0]} "
            f"({len(missing)} of {len(made)} have no partner). Rename the made clips as the real "
            "ones, or leave that metric out."
        )
    lonely = len(real) - len(pairs)
    if not lonely:
        return []
    return [
        f"{lonely} of {len(real)} real clips have no made clip of their name: metrics that compare "
        "clip by clip leave them out."
    ]
