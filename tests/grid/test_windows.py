import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import Layout
from filmgrid.grid.windows import count_windows, kept_cells, plan_between, plan_windows

LAYOUTS = st.sampled_from(["4x4", "4x6", "2x4", "8x8", "1x6", "3x2", "2x2"]).map(Layout.parse)


def walk(layout, num_frames, kept, **words):
    """Carry a plan out as the sampler does, and check what it may count on."""
    known = set(range(words.get("given", 0)))
    made, most = [], 0
    for window in plan_windows(layout, num_frames, kept, **words):
        assert len(window.frames) == layout.num_cells
        assert window.frames[0] >= 0
        fresh = [frame for frame in window.fresh if frame not in known]
        assert set(fresh) <= set(window.frames)
        if known:
            assert known & set(window.frames), "a window that knows nothing of the sequence"
        made += fresh
        known |= set(fresh)
        known = {frame for frame in known if frame >= window.needed}
        most = max(most, len(known))
    return made, most


@given(
    LAYOUTS,
    st.integers(1, 200),
    st.integers(0, 40),
    st.integers(1, 7),
    st.integers(1, 9),
)
@settings(max_examples=400, deadline=None)
def test_every_frame_is_made_once_and_little_is_remembered(layout, frames, known, rows, spread):
    if layout.rows == 1:
        kept = kept_cells(layout)
    else:
        kept = kept_cells(layout, 1 + rows % (layout.rows - 1))
    known, spread = min(known, frames), min(spread, layout.num_cells - 1)
    made, most = walk(layout, frames, kept, given=known, spread=spread)
    within = [frame for frame in made if frame < frames]
    assert sorted(within) == list(range(known, frames))
    assert len(made) == len(set(made))
    if spread == 1:
        assert within == list(range(known, frames))
    assert most <= max(known, layout.num_cells * (spread + 1))


@given(LAYOUTS, st.integers(1, 120), st.sets(st.integers(0, 130), max_size=6), st.integers(1, 7))
@settings(max_examples=400, deadline=None)
def test_known_frames_are_seen_by_the_window_that_arrives_at_them(layout, frames, known, rows):
    kept = kept_cells(layout, *([] if layout.rows == 1 else [1 + rows % (layout.rows - 1)]))
    known = sorted(known)
    given = next(number for number in range(200) if number not in known)
    made = list(range(min(given, frames)))
    windows = list(plan_windows(layout, frames, kept, given=given, arrivals=known))
    for window in windows:
        assert window.frames[0] >= 0
        assert set(window.fresh) <= set(window.frames)
        before = [frame for frame in made if frame in window.frames]
        assert before or window is windows[0]
        made += window.fresh
    assert made == list(range(frames))
    if layout.num_cells - kept < 2:
        return  # each window makes one frame
    for frame in known:
        if given < frame < frames and frame - 1 not in known and frame >= layout.num_cells:
            (sees,) = [window for window in windows if frame - 1 in window.fresh]
            assert frame in sees.frames, "the frame before a known one is made without seeing it"


@given(LAYOUTS, st.integers(2, 30), st.integers(1, 23), st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_between_given_frames_every_window_ends_at_one(layout, clip, apart, rows):
    apart = min(apart, layout.num_cells - 1)
    kept = kept_cells(layout, *([] if layout.rows == 1 else [1 + rows % (layout.rows - 1)]))
    frames = (clip - 1) * apart + 1
    made, needed = [0], 0
    for window in plan_between(layout, frames, kept, apart):
        assert set(window.fresh) <= set(window.frames)
        assert window.frames[0] >= needed and made[-1] in window.frames
        end = window.fresh[-1] + 1 if len(window.fresh) else made[-1] + apart
        assert end % apart == 0 and end in window.frames
        made += [*window.fresh, end]
        needed = window.needed
    assert made == list(range(frames))


def test_a_grid_of_far_frames_is_filled_before_the_next():
    plan = list(plan_windows(Layout(4, 4), 100, 4, spread=5))
    assert list(plan[0].frames) == list(range(0, 76, 5))
    assert [list(window.frames)[::5] for window in plan[1:6]] == [
        [first, first + 5, first + 10, first + 15] for first in range(0, 75, 15)
    ]
    assert list(plan[6].frames) == list(range(60, 136, 5))
    assert plan[6].fresh[0] == 80
    assert plan[5].needed == 60


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 64, 100, 1024, 4096])
def test_the_release_length_is_not_repeated(frames):
    assert walk(Layout(4, 4), frames, 12)[0] == list(range(frames))
    assert count_windows(plan_windows(Layout(4, 4), frames, 8)) == max(1, -(-(frames - 8) // 8))


@pytest.mark.parametrize(
    ("layout", "rows", "told"),
    [
        ("1x1", None, "larger layout"),
        ("4x4", 4, "Keep 1 to 3"),
        ("4x4", 0, "Keep 1 to 3"),
        ("1x6", 1, "Leave keep_rows out"),
    ],
)
def test_rows_that_cannot_be_kept_are_refused(layout, rows, told):
    with pytest.raises(ConfigError, match=told):
        kept_cells(Layout.parse(layout), rows)


def test_far_frames_must_be_joined_by_one_grid():
    with pytest.raises(ConfigError, match="at most 15"):
        plan_windows(Layout(4, 4), 64, 8, spread=16)
