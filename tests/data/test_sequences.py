import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data import sequences
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.manifest import MANIFEST
from filmgrid.data.sequences import SequenceFolder
from filmgrid.errors import DatasetError
from filmgrid.types import FrameArray


@pytest.fixture
def frames() -> FrameArray:
    return np.random.default_rng(0).integers(0, 256, (3, 8, 10, 12, 3), np.uint8)


@pytest.fixture
def dataset(tmp_path: Path, frames: FrameArray) -> Path:
    """Three clips of two sequences of 2x2 frames; the last clip is held out."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, clip in zip("abc", frames, strict=True):
        Image.fromarray(np.concatenate(list(clip), axis=1)).save(clips / f"{name}.png")
    told = DatasetConfig(
        sources=(clips,),
        out=tmp_path / "set",
        layout="2x2",
        cell="10x12",
        strip_width=12,
        caption_template="clip {stem}",
        held_out_groups=("c.png",),
    )
    build_dataset(told)
    return told.out


def test_sequences_come_in_order_with_their_words(dataset: Path, frames: FrameArray):
    folder = SequenceFolder(dataset)
    assert len(folder) == 6
    for sequence, expected in zip(folder, frames.reshape(6, 4, 10, 12, 3), strict=True):
        assert np.array_equal(sequence.frames, expected)
        assert str(sequence.layout) == "2x2"
    assert [sequence.caption for sequence in folder][::2] == ["clip a", "clip b", "clip c"]


def test_each_side_has_its_own(dataset: Path):
    assert [e.source for e in SequenceFolder(dataset, "train").entries] == ["a.png"] * 2 + [
        "b.png"
    ] * 2
    assert [e.source for e in SequenceFolder(dataset, "held_out").entries] == ["c.png"] * 2


def test_a_side_that_does_not_exist_is_refused(dataset: Path):
    with pytest.raises(DatasetError, match=r"no split 'test'\. Use train or held_out"):
        SequenceFolder(dataset, "test")  # type: ignore[arg-type]
    lines = (dataset / MANIFEST).read_text().splitlines()
    (dataset / MANIFEST).write_text("\n".join(lines[:4]))
    with pytest.raises(DatasetError, match="has no held_out sequence among its 4"):
        SequenceFolder(dataset, "held_out")


def test_a_cache_decodes_once_and_stays_within_its_bytes(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
):
    decoded: list[Path] = []
    read_image = sequences.read_image
    monkeypatch.setattr(sequences, "read_image", lambda p: decoded.append(p) or read_image(p))
    size = 4 * 10 * 12 * 3
    folder = SequenceFolder(dataset, cache_bytes=2 * size + 1)
    for _ in range(3):
        for index in range(3):
            folder[index]
    assert len(decoded) == 2 + 3


def test_writing_into_frames_does_not_reach_the_cache(dataset: Path, frames: FrameArray):
    folder = SequenceFolder(dataset, cache_bytes=10**6)
    for _ in range(3):
        sequence = folder[0]
        assert np.array_equal(sequence.frames, frames[0, :4])
        sequence.frames[:] = 0


def test_a_folder_may_be_sent_to_a_worker(dataset: Path):
    folder = pickle.loads(pickle.dumps(SequenceFolder(dataset, "train", cache_bytes=100)))
    assert len(folder) == 4
    assert folder[1].entry == SequenceFolder(dataset, "train")[1].entry


def test_a_changed_pixel_is_found(dataset: Path):
    folder = SequenceFolder(dataset)
    folder.verify()
    path = dataset / folder.entries[3].frames
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[-1, -1, 0] ^= 1
    Image.fromarray(pixels).save(path)
    with pytest.raises(DatasetError, match=rf"{path.name} was changed since"):
        folder.verify()


def test_a_missing_or_damaged_file_is_refused_by_name(dataset: Path):
    folder = SequenceFolder(dataset)
    first, second, third = (dataset / entry.frames for entry in folder.entries[:3])
    first.unlink()
    with pytest.raises(DatasetError, match=rf"{first.stem} cannot be read: .* does not exist"):
        folder[0]
    second.write_bytes(second.read_bytes()[:200])
    with pytest.raises(DatasetError, match=rf"{second.stem} cannot be read: .*cut short"):
        folder[1]
    Image.new("RGB", (24, 22)).save(third)
    with pytest.raises(DatasetError, match=r"is 22x24, but the manifest says a 2x2 grid.*20x24"):
        folder[2]
