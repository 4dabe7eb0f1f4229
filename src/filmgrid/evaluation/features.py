"""The one interface of feature extractors: clips in, vectors out, one after the other. Torch-free.

::

    for vector in extractor.extract(clips):   # memory: one batch, however many clips there are
        ...

    extractor.statement.fingerprint           # belongs beside every number made of them
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from filmgrid.errors import ShapeError
from filmgrid.evaluation.spec import Statement

AnyClip = UInt8[np.ndarray, "_ _ _ 3"]
"""8-bit sRGB frames of one clip, whose number and size may differ from the next clip's."""

ClipBatch = UInt8[np.ndarray, "b n h w 3"]
"""Clips of one size and length, 8-bit sRGB."""

Features = Float32[np.ndarray, " dim"] | Float32[np.ndarray, "n dim"]
"""One vector of a clip, or one per frame of it, as the statement's ``unit`` says."""


class Extractor(ABC):
    """A network or a formula that turns clips into vectors.

    To add one, subclass it and implement :meth:`measure`; extractors are not subclassed further.

    Args:
        statement: everything that decides the features.
        batch_size: clips measured together; changes speed and memory, and rounding at most.
        min_side: fewest pixels of height and width that the features are defined on.
    """

    def __init__(self, statement: Statement, batch_size: int = 1, min_side: int = 1):
        self.statement = statement
        self.batch_size = batch_size
        self.min_side = min_side

    @abstractmethod
    def measure(
        self, clips: ClipBatch
    ) -> Float32[np.ndarray, "b dim"] | Float32[np.ndarray, "b n dim"]:
        """Features of one batch, whose frames are already chosen."""

    def extract(
        self,
        clips: Iterable[AnyClip],
        numbers: Iterable[int] | None = None,
        label: Callable[[int], str] = "clip {}".format,
    ) -> Iterator[Features]:
        """Yield the features of each clip, in order, holding one batch in memory.

        Clips may differ in size and length; a change starts a new batch.

        Args:
            clips: 8-bit sRGB frames of each clip.
            numbers: of each clip in its set, which a random choice of frames draws from; 0, 1, 2
                by default.
            label: what errors call the clip of a number.

        Raises:
            ShapeError: if a clip is too short, too small, of another kind than 8-bit RGB, or
                has no finite features.
        """
        batch: list[tuple[AnyClip, str]] = []
        for clip, number in zip(clips, itertools.count() if numbers is None else numbers):  # noqa: B905
            name = f"{self.statement.name}: {label(number)}"
            chosen = self._choose(clip, number, name)
            if batch and (len(batch) == self.batch_size or chosen.shape != batch[0][0].shape):
                yield from self._measured(batch)
                batch = []
            batch.append((chosen, name))
        if batch:
            yield from self._measured(batch)

    def _measured(self, batch: list[tuple[AnyClip, str]]) -> Iterator[Features]:
        features = self.measure(np.stack([clip for clip, _ in batch]))
        assert features.dtype == np.float32
        assert features.shape[0] == len(batch) and features.shape[-1] == self.statement.dim
        finite = np.isfinite(features.reshape(len(batch), -1)).all(axis=1)
        if not finite.all():
            raise ShapeError(
                f"{batch[int(np.argmin(finite))][1]} has features that are not finite. "
                "Check its frames, and whether the weights belong to this extractor."
            )
        yield from features

    def _choose(self, clip: Any, number: int, name: str) -> AnyClip:
        if not isinstance(clip, np.ndarray) or clip.dtype != np.uint8:
            kind = getattr(clip, "dtype", type(clip).__name__)
            raise ShapeError(f"{name} is {kind}, not 8-bit frames. Round it to uint8, 0 to 255.")
        if clip.ndim != 4 or clip.shape[-1] != 3 or clip.size == 0:
            raise ShapeError(
                f"{name} has shape {clip.shape}, which is not frames x height x "
                "width x 3. Give RGB frames of one size."
            )
        if min(clip.shape[1:3]) < self.min_side:
            raise ShapeError(
                f"{name} has frames of {clip.shape[1]}x{clip.shape[2]} px, and "
                f"{self.min_side}x{self.min_side} px are needed. Use larger frames."
            )
        try:
            return clip[self.statement.preprocessing.frames.indices(len(clip), number)]
        except ShapeError as error:
            raise ShapeError(f"{name} has {error}.") from None
