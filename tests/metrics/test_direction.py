import numpy as np
import pytest

from filmgrid.data.world.shoot import shoot_turntables
from filmgrid.data.world.turntables import Turntable
from filmgrid.errors import ShapeError
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.direction import direction_asked, goes, travel, turning

STEPS = {"right": (3, 0), "left": (-3, 0), "down": (0, 3), "up": (0, -3)}


def moving(step, num_frames=8, height=48, width=64):
    """A white square of 9 px that takes a step of so many pixels in each frame, on grey noise."""
    still = np.random.default_rng(0).integers(90, 110, (height, width, 3), np.uint8)
    frames = np.repeat(still[None], num_frames, axis=0)
    x, y = (28 - 4 * step[0], 20 - 4 * step[1] // 2)
    for index, frame in enumerate(frames):
        left, top = x + index * step[0], y + index * step[1]
        frame[max(0, top) : top + 9, max(0, left) : left + 9] = 255
    return frames


@pytest.mark.parametrize("direction", STEPS)
def test_what_moves_goes_one_way_and_no_other(direction):
    step = STEPS[direction]
    frames = moving(step)
    assert travel(frames) == (step[0] / 64, step[1] / 48)
    assert [each for each in STEPS if goes(frames, each)] == [direction]
    assert not goes(frames[::-1], direction)


def test_what_stands_still_goes_nowhere():
    frames = moving((0, 0))
    assert travel(frames) == (0, 0)
    assert not any(goes(frames, each) for each in STEPS)
    assert turning(frames) == 0
    assert not goes(frames, "clockwise") and not goes(frames, "anticlockwise")


@pytest.mark.parametrize("kind", ["car", "mug", "house", "dog", "teapot", "camera"])
@pytest.mark.parametrize("turn", ["clockwise", "anticlockwise"])
def test_turntables_turn_as_seen_from_above(kind, turn):
    scene = Turntable(kind, ("white", "red"), turn)
    frames = shoot_turntables([scene], 24, CellSize(64, 64))[0].numpy()
    assert goes(frames, turn)
    assert goes(frames[::-1], {"clockwise": "anticlockwise"}.get(turn, "clockwise"))


@pytest.mark.parametrize(
    ("prompt", "direction"),
    [
        ("A red star moves to the right on white", "right"),
        ("a ball moving leftwards", "left"),
        ("the balloon rises above the right bank", "up"),
        ("a leaf falling", "down"),
        ("a mug rotating counter-clockwise", "anticlockwise"),
        ("a mug rotating counterclockwise", "anticlockwise"),
        ("a mug rotating counter clockwise", "anticlockwise"),
        ("a mug rotating clockwise", "clockwise"),
        ("the right shoe on a table", None),
        ("an uprising of waterfalls", None),
    ],
)
def test_prompts_name_at_most_one_direction(prompt, direction):
    assert direction_asked(prompt) == direction


def test_one_frame_goes_nowhere():
    for measure in (travel, turning):
        with pytest.raises(ShapeError, match="at least two"):
            measure(np.zeros((1, 32, 32, 3), np.uint8))
