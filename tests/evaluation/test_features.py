from collections.abc import Iterator

import numpy as np
import pytest

from filmgrid.errors import ShapeError
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Statement
from filmgrid.types import FrameArray


class Means(Extractor):
    """Mean level, and how many clips were measured at once."""

    def __init__(self, batch_size: int = 1, frames: FrameChoice | None = None, min_side: int = 1):
        preprocessing = Preprocessing(frames=frames or FrameChoice())
        super().__init__(
            Statement(name="means", layer="mean", dim=1, preprocessing=preprocessing),
            batch_size,
            min_side,
        )
        self.batches: list[tuple[int, ...]] = []

    def measure(self, clips: ClipBatch):
        self.batches.append(clips.shape[:4])
        with np.errstate(divide="ignore", invalid="ignore"):
            means = clips.mean(axis=(1, 2, 3, 4), dtype=np.float32)
            return np.where(means == 13, np.nan, means)[:, None].astype(np.float32)


def clip(level: int, frames: int = 4, height: int = 6, width: int = 8) -> FrameArray:
    return np.full((frames, height, width, 3), level, np.uint8)


def values(extractor: Extractor, clips) -> list[float]:
    return [float(vector[0]) for vector in extractor.extract(clips)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_features_come_in_order_at_any_batch_size(batch_size: int):
    levels = [5, 1, 4, 2, 3, 200, 7]
    assert values(Means(batch_size), [clip(level) for level in levels]) == levels


def test_clips_of_another_size_start_a_new_batch():
    extractor = Means(batch_size=4)
    mixed = [clip(1), clip(2), clip(3, height=5), clip(4, frames=2), clip(5, frames=2)]
    assert values(extractor, mixed) == [1, 2, 3, 4, 5]
    assert [shape[0] for shape in extractor.batches] == [2, 1, 2]


def test_no_more_than_one_batch_is_read_ahead():
    read: list[int] = []

    def source() -> Iterator[FrameArray]:
        for level in range(20):
            read.append(level)
            yield clip(level)

    features = Means(batch_size=3).extract(source())
    assert float(next(features)[0]) == 0
    assert len(read) == 4


def test_only_the_chosen_frames_are_measured():
    extractor = Means(frames=FrameChoice(count=2, start="even"))
    frames = np.concatenate([clip(10, 1), clip(99, 3), clip(30, 1)])
    assert values(extractor, [frames]) == [20]
    assert extractor.batches == [(1, 2, 6, 8)]


def test_no_clips_give_no_features():
    assert list(Means().extract([])) == []


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (clip(1).astype(np.float32), "clip 1 is float32, not 8-bit frames"),
        ([[1]], "clip 1 is list, not 8-bit frames"),
        (clip(1)[..., :1], r"shape \(4, 6, 8, 1\)"),
        (clip(1)[0], r"shape \(6, 8, 3\)"),
        (clip(1)[:0], r"shape \(0, 6, 8, 3\)"),
        (clip(1, height=4), "4x8 px, and 5x5 px are needed"),
        (clip(1, frames=2), "clip 1 has 2 frames, and 3 are needed. Leave it out"),
        (clip(13), "clip 1 has features that are not finite"),
    ],
)
def test_a_clip_that_cannot_be_measured_is_named_in_one_sentence(bad, sentence: str):
    extractor = Means(frames=FrameChoice(at_least=3), min_side=5)
    with pytest.raises(ShapeError, match=sentence) as caught:
        values(extractor, [clip(1), bad])
    assert "\n" not in str(caught.value)
    assert ".." not in str(caught.value)
