from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.folder_writer import folder_writer, may_replace_export
from filmgrid.data.media import probe, read_clip
from filmgrid.data.provenance import SIDECAR, Provenance, read_provenance
from filmgrid.errors import MediaError, ShapeError
from filmgrid.types import FrameArray

TOLD = Provenance(request={"prompt": "a ball"}, layout="4x4")


def write(frames: FrameArray, folder: Path, fps: float = 8, scale: int = 1) -> Path:
    with folder_writer(folder, fps=fps, provenance=TOLD, scale=scale) as writer:
        for frame in frames:
            writer.write(frame)
    return folder


def test_a_folder_of_frames_keeps_every_bit(tmp_path: Path, noise: FrameArray):
    folder = write(noise, tmp_path / "out", fps=12.5)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*(f"{index:05d}.png" for index in range(16)), SIDECAR]
    for index, frame in enumerate(noise):
        with Image.open(folder / f"{index:05d}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), frame)
    read = read_clip(folder)
    assert read.fps == 12.5
    np.testing.assert_array_equal(read.frames, noise)


def test_a_folder_carries_its_request_and_layout(tmp_path: Path, noise: FrameArray):
    folder = write(noise, tmp_path / "out", scale=3)
    told = read_provenance(folder)
    assert told is not None
    assert (told.request, told.layout, told.versions) == (TOLD.request, "4x4", TOLD.versions)
    assert (told.cell, told.num_frames, told.fps, told.scale) == ((192, 192), 16, 8, 3)
    assert (probe(folder).kind, probe(folder).num_frames) == ("frames", 16)


def test_only_an_earlier_export_is_replaced_and_as_a_whole(tmp_path: Path, noise: FrameArray):
    folder = write(noise, tmp_path / "out")
    (folder / ".DS_Store").write_text("left by a file browser")
    write(noise[:3], folder)
    assert len(list(folder.iterdir())) == 4
    (folder / "mine.txt").write_text("precious")
    assert not may_replace_export(folder)
    with pytest.raises(MediaError, match=r"out already holds other files.*new or empty folder"):
        write(noise, folder)
    assert (folder / "mine.txt").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1


def test_somebody_elses_frames_are_not_replaced(tmp_path: Path, noise: FrameArray):
    folder = write(noise, tmp_path / "out")
    (folder / SIDECAR).unlink()
    with pytest.raises(MediaError, match="already holds other files"):
        write(noise, folder)


def test_a_folder_that_cannot_be_finished_leaves_the_earlier_one(tmp_path: Path, noise: FrameArray):
    folder = write(noise, tmp_path / "out")
    with pytest.raises(MediaError, match="there are no frames"):
        write(noise[:0], folder)
    with pytest.raises(ShapeError), folder_writer(folder, fps=8, provenance=TOLD) as writer:
        writer.write(noise[0])
        writer.write(noise[0, :9])
    np.testing.assert_array_equal(read_clip(folder).frames, noise)
    assert list(tmp_path.iterdir()) == [folder]
