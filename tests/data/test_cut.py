from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmgrid.data.config import DatasetConfig
from filmgrid.data.cut import Cutter, Window, cut_source
from filmgrid.data.mosaics import pack_image
from filmgrid.data.sources import scan_sources
from filmgrid.errors import MediaError, ShapeError
from filmgrid.grid.spec import Layout
from filmgrid.types import FrameArray

Encode = Callable[..., Path]


def config(**fields: object) -> DatasetConfig:
    given = {"sources": ["clips"], "out": "out", "layout": "2x2", "cell": "24x40", **fields}
    return DatasetConfig.model_validate(given)


def numbered(num_frames: int) -> FrameArray:
    """Frames of 24x40 px, each filled with its own number."""
    frames = np.zeros((num_frames, 24, 40, 3), np.uint8)
    frames += np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return frames


def cut(cutter: Cutter, frames: FrameArray) -> list[Window]:
    windows = [window for frame in frames if (window := cutter.push(frame)) is not None]
    last = cutter.finish()
    return windows if last is None else [*windows, last]


def brute_force(num_frames: int, stride: int, step: int) -> list[tuple[int, ...]]:
    """Every window of four frames that fits, straight from its definition."""
    starts = range(0, num_frames, step)
    windows = [tuple(range(start, start + 4 * stride, stride)) for start in starts]
    return [window for window in windows if window[-1] < num_frames]


@pytest.mark.parametrize("num_frames", [3, 4, 5, 16, 23])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("step", [1, 3, 4, 9])
def test_windows_are_all_that_fit_and_hold_the_frames_they_name(
    num_frames: int, stride: int, step: int
):
    cutter = Cutter(config(stride=stride, step=step))
    windows = cut(cutter, numbered(num_frames))
    expected = brute_force(num_frames, stride, step)
    assert [window.indices for window in windows] == expected
    for window in windows:
        assert window.frames[:, 0, 0, 0].tolist() == list(window.indices)
    used = {index for window in expected for index in window}
    assert cutter.num_windows == len(expected)
    assert cutter.num_frames == num_frames
    assert cutter.num_used == len(used)
    assert cutter.num_tail == num_frames - 1 - max(used, default=-1)
    assert cutter.num_used + cutter.num_tail + cutter.num_between == num_frames


def test_windows_share_no_frame_by_default():
    windows = cut(Cutter(config()), numbered(11))
    assert [window.indices for window in windows] == [(0, 1, 2, 3), (4, 5, 6, 7)]


def test_a_tail_can_be_covered_by_a_window_moved_back():
    cutter = Cutter(config(tail="back"))
    windows = cut(cutter, numbered(11))
    assert [window.indices for window in windows][-1] == (7, 8, 9, 10)
    assert (cutter.num_used, cutter.num_tail, cutter.moved_back) == (11, 0, True)
    assert "last sequence moved back to end with the source" in cutter.notes()
    exact = Cutter(config(tail="back"))
    assert len(cut(exact, numbered(8))) == 2
    assert not exact.moved_back


def test_a_limit_ends_a_clip_early_and_says_so():
    cutter = Cutter(config(max_sequences_per_clip=2, tail="back"))
    windows = cut(cutter, numbered(40))
    assert [window.indices[0] for window in windows] == [0, 4]
    assert cutter.is_done
    assert cutter.notes() == ["stopped at the limit of sequences, later frames not read"]


def test_what_was_left_out_is_told():
    short = Cutter(config())
    assert cut(short, numbered(3)) == []
    assert short.notes() == ["shorter than one sequence: 3 frames, 4 needed"]
    strided = Cutter(config(stride=2, step=8))
    cut(strided, numbered(9))
    assert strided.notes() == ["3 frames passed over by stride and step", "2 tail frames dropped"]
    assert Cutter(config()).notes() == ["shorter than one sequence: 0 frames, 4 needed"]


def test_frames_of_another_size_need_a_fit():
    with pytest.raises(ShapeError, match=r"24x40 px do not fit cells of 16x16 px"):
        cut(Cutter(config(cell=16)), numbered(4))
    (window,) = cut(Cutter(config(cell=16, fit="resize")), numbered(4))
    assert window.frames.shape == (4, 16, 16, 3)
    assert window.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def windows_of(path: Path, clips: list[str], **fields: object) -> dict[str, list[Window]]:
    settings = config(sources=[path], **fields)
    (source,) = scan_sources([path], strips=settings.strip_width is not None).found
    cutters = {clip: Cutter(settings) for clip in clips}
    found: dict[str, list[Window]] = {clip: [] for clip in clips}
    for name, window in cut_source(source, cutters, settings):
        found[name].append(window)
    return found


def test_a_mosaic_gives_the_windows_of_every_clip(tmp_path: Path, encode: Encode):
    layout = Layout(1, 3, gap=2)
    clips = [numbered(9) + np.uint8(50 * place) for place in range(3)]
    mosaic = np.stack([pack_image(np.stack(moment), layout) for moment in zip(*clips, strict=True)])
    path = encode(tmp_path / "mosaic.mkv", mosaic, "libx264rgb", "rgb24", {"qp": "0"})
    found = windows_of(path, ["a", "b", "c"], mosaic="1x3", mosaic_gap=2)
    for windows, frames in zip(found.values(), clips, strict=True):
        assert [window.indices for window in windows] == [(0, 1, 2, 3), (4, 5, 6, 7)]
        np.testing.assert_array_equal(windows[1].frames, frames[4:8])


def test_a_strip_is_cut_into_windows(tmp_path: Path):
    frames = numbered(9)
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(tmp_path / "strip.png")
    (windows,) = windows_of(tmp_path / "strip.png", ["strip"], strip_width=40).values()
    np.testing.assert_array_equal(windows[1].frames, frames[4:8])


def test_a_limit_stops_reading_and_a_cut_file_is_refused(
    tmp_path: Path, noise: FrameArray, encode: Encode
):
    index_first = {"movflags": "+faststart"}
    path = encode(tmp_path / "cut.mp4", noise, "libx264", "yuv420p", {"g": "4"}, index_first)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(MediaError, match=r"cut\.mp4 is damaged or cut short"):
        windows_of(path, ["cut"], cell=64)
    (windows,) = windows_of(path, ["cut"], cell=64, max_sequences_per_clip=1).values()
    assert len(windows) == 1
