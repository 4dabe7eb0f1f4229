from pathlib import Path

import numpy as np
import pytest

from filmgrid.data.gate import FrameGate, check_numbers, enlarge
from filmgrid.errors import ConfigError, MediaError, ShapeError

FRAME = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_frames_are_counted_and_enlarged_without_smoothing():
    gate = FrameGate(Path("a.mp4"), scale=2)
    large = gate.admit(FRAME)
    assert large.shape == (4, 6, 3)
    assert all(np.array_equal(large[row::2, col::2], FRAME) for row in (0, 1) for col in (0, 1))
    gate.admit(FRAME)
    assert (gate.num_frames, gate.shape) == (2, (2, 3, 3))
    assert enlarge(FRAME, 1) is FRAME


@pytest.mark.parametrize(
    "frame",
    [FRAME.astype(np.float32), FRAME[..., 0], FRAME[..., :2], FRAME[:0], FRAME[None]],
    ids=["float", "gray", "two channels", "no rows", "batch"],
)
def test_what_is_no_rgb_frame_is_refused(frame: np.ndarray):
    with pytest.raises(ShapeError, match="Give 8-bit RGB"):
        FrameGate(Path("a.mp4")).admit(frame)


def test_frames_of_another_size_are_refused_by_number():
    gate = FrameGate(Path("a.mp4"))
    gate.admit(FRAME)
    with pytest.raises(ShapeError, match="Frame 1 is 2x2, those before it 2x3"):
        gate.admit(FRAME[:, :2])


def test_a_file_without_frames_is_not_finished():
    with pytest.raises(MediaError, match=r"a\.mp4 was not written, because there are no frames"):
        FrameGate(Path("a.mp4")).check_not_empty()


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_played_is_refused(fps: float):
    with pytest.raises(ConfigError, match=r"Use 0\.01 to 1000"):
        check_numbers(fps, 1)


def test_an_enlargement_is_at_least_one():
    check_numbers(0.01, 1)
    check_numbers(1000, 9)
    with pytest.raises(ConfigError, match="scale of 0 is no enlargement"):
        check_numbers(8, 0)
