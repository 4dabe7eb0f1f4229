import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgrid.errors import ConfigError, MediaError
from filmgrid.grid.cameras import (
    Cameras,
    printed_table5_cameras,
    transforms_json,
    turntable_cameras,
    write_transforms,
)

# GRID, arXiv:2412.10718, Table 5, as printed: X vector, Y vector, Z vector, origin.
TABLE_5 = [
    ([1.0, 0.0, 0.0], [-0.0, 0.0, -1.0], [-0.0, 1.0, 0.0], [0.0, -2.0, 0.0]),
    ([0.96, 0.27, -0.0], [0.0, -0.0, -1.0], [-0.27, 0.96, -0.0], [0.54, -1.93, 0.0]),
    ([-0.92, 0.4, -0.0], [0.0, 0.0, -1.0], [-0.4, -0.92, -0.0], [0.8, 1.83, 0.0]),
    ([-0.99, 0.14, -0.0], [0.0, 0.0, -1.0], [-0.14, -0.99, -0.0], [0.27, 1.98, 0.0]),
    ([-0.99, -0.14, 0.0], [-0.0, 0.0, -1.0], [0.14, -0.99, -0.0], [-0.27, 1.98, 0.0]),
    ([-0.92, -0.4, 0.0], [-0.0, 0.0, -1.0], [0.4, -0.92, -0.0], [-0.8, 1.83, 0.0]),
    ([-0.78, -0.63, 0.0], [-0.0, -0.0, -1.0], [0.63, -0.78, 0.0], [-1.26, 1.55, 0.0]),
    ([-0.58, -0.82, -0.0], [0.0, 0.0, -1.0], [0.82, -0.58, 0.0], [-1.63, 1.15, 0.0]),
    ([-0.33, -0.94, -0.0], [0.0, -0.0, -1.0], [0.94, -0.33, 0.0], [-1.88, 0.67, 0.0]),
    ([-0.07, -1.0, -0.0], [0.0, 0.0, -1.0], [1.0, -0.07, 0.0], [-2.0, 0.14, 0.0]),
    ([0.2, -0.98, 0.0], [0.0, -0.0, -1.0], [0.98, 0.2, 0.0], [-1.96, -0.41, 0.0]),
    ([0.46, -0.89, 0.0], [0.0, -0.0, -1.0], [0.89, 0.46, 0.0], [-1.78, -0.92, 0.0]),
    ([0.85, 0.52, 0.0], [-0.0, 0.0, -1.0], [-0.52, 0.85, 0.0], [1.04, -1.71, 0.0]),
    ([0.68, -0.73, -0.0], [-0.0, 0.0, -1.0], [0.73, 0.68, 0.0], [-1.46, -1.37, 0.0]),
    ([0.85, -0.52, -0.0], [0.0, 0.0, -1.0], [0.52, 0.85, 0.0], [-1.04, -1.71, 0.0]),
    ([0.96, -0.27, 0.0], [-0.0, -0.0, -1.0], [0.27, 0.96, -0.0], [-0.54, -1.93, 0.0]),
    ([1.0, -0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-0.0, -2.0, 0.0]),
    ([0.68, 0.73, 0.0], [0.0, 0.0, -1.0], [-0.73, 0.68, 0.0], [1.46, -1.37, 0.0]),
    ([0.46, 0.89, -0.0], [-0.0, -0.0, -1.0], [-0.89, 0.46, 0.0], [1.78, -0.92, 0.0]),
    ([0.2, 0.98, -0.0], [-0.0, -0.0, -1.0], [-0.98, 0.2, 0.0], [1.96, -0.41, 0.0]),
    ([-0.07, 1.0, 0.0], [-0.0, 0.0, -1.0], [-1.0, -0.07, 0.0], [2.0, 0.14, 0.0]),
    ([-0.33, 0.94, 0.0], [-0.0, -0.0, -1.0], [-0.94, -0.33, 0.0], [1.88, 0.67, 0.0]),
    ([-0.58, 0.82, 0.0], [-0.0, 0.0, -1.0], [-0.82, -0.58, 0.0], [1.63, 1.15, 0.0]),
    ([-0.78, 0.63, -0.0], [0.0, -0.0, -1.0], [-0.63, -0.78, 0.0], [1.26, 1.55, 0.0]),
]


def test_the_printed_table_follows_from_the_geometry():
    cameras = printed_table5_cameras()
    assert len(cameras) == len(TABLE_5)
    for camera, (right, down, forward, place) in zip(cameras, TABLE_5, strict=True):
        np.testing.assert_allclose(camera[:3, 0], right, atol=0.00501)
        np.testing.assert_allclose(-camera[:3, 1], down, atol=0.00501)
        np.testing.assert_allclose(-camera[:3, 2], forward, atol=0.00501)
        np.testing.assert_allclose(camera[:3, 3], place, atol=0.00501)


def test_the_printed_table_repeats_its_first_view_in_row_17():
    cameras = printed_table5_cameras()
    np.testing.assert_allclose(cameras[16], cameras[0], atol=1e-12)


def test_cameras_are_15_degrees_apart_and_in_order_by_default():
    places = turntable_cameras()[:, :3, 3]
    np.testing.assert_allclose(places[0], [0, -2, 0])
    np.testing.assert_allclose(places[6], [2, 0, 0], atol=1e-12)
    neighbours = np.roll(places, -1, axis=0)
    angles = np.rad2deg(np.arccos((places * neighbours).sum(1) / 4))
    np.testing.assert_allclose(angles, 15)
    counter_clockwise = np.cross(places, neighbours)[:, 2]
    assert (counter_clockwise > 0).all()


@given(num_views=st.integers(1, 60), radius=st.floats(0.1, 100))
def test_every_camera_looks_at_the_origin_upright_and_right_handed(num_views: int, radius: float):
    cameras = turntable_cameras(num_views, radius)
    check_poses(cameras)
    np.testing.assert_allclose(np.linalg.norm(cameras[:, :3, 3], axis=1), radius)
    np.testing.assert_allclose(cameras[:, :3, 1], [[0, 0, 1]] * num_views)
    in_camera = np.linalg.inv(cameras) @ [0, 0, 0, 1]
    np.testing.assert_allclose(in_camera[:, :3], [[0, 0, -radius]] * num_views, atol=1e-9)


def check_poses(cameras: Cameras):
    rotations = cameras[:, :3, :3]
    identity = np.broadcast_to(np.eye(3), rotations.shape)
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), identity, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)
    assert (cameras[:, 3] == [0, 0, 0, 1]).all()


def test_a_point_to_the_right_and_above_projects_to_the_right_and_above():
    transforms = transforms_json(
        turntable_cameras(1), width=256, height=128, fov_degrees=90.0, file_names=["0.png"]
    )
    x, y, z, _ = np.linalg.inv(transforms["frames"][0]["transform_matrix"]) @ [1, 0, 0.5, 1]
    column = transforms["cx"] + transforms["fl_x"] * x / -z
    row = transforms["cy"] - transforms["fl_y"] * y / -z
    assert (column, row) == pytest.approx((192, 32))


def test_the_angle_of_view_and_the_focal_length_agree():
    transforms = transforms_json(
        turntable_cameras(2), width=256, height=128, fov_degrees=60.0, file_names=["a", "b"]
    )
    assert 2 * np.arctan(128 / transforms["fl_x"]) == pytest.approx(np.deg2rad(60))
    assert 2 * np.arctan(64 / transforms["fl_y"]) == pytest.approx(transforms["camera_angle_y"])


def test_the_file_reads_back_as_it_was_written(tmp_path: Path):
    names = [f"frames/{view:05d}.png" for view in range(24)]
    transforms = transforms_json(
        turntable_cameras(), width=256, height=256, fov_degrees=49.1, file_names=names
    )
    write_transforms(tmp_path / "transforms.json", transforms)
    assert [path.name for path in tmp_path.iterdir()] == ["transforms.json"]
    read = json.loads((tmp_path / "transforms.json").read_text(encoding="utf-8"))
    assert read == transforms
    matrices = np.array([frame["transform_matrix"] for frame in read["frames"]])
    np.testing.assert_array_equal(matrices, turntable_cameras())


def test_keys_are_those_of_a_real_capture(real_data: Path):
    capture = json.loads(
        (real_data / "multiview_fox_216x384" / "transforms_fullres.json").read_text("utf-8")
    )
    ours = transforms_json(
        turntable_cameras(1), width=8, height=8, fov_degrees=50.0, file_names=["0.png"]
    )
    lens_model = {"camera_model"}  # nerfstudio's own; instant-ngp's capture has distortions instead
    assert set(ours) - lens_model <= set(capture)
    assert set(ours["frames"][0]) <= set(capture["frames"][0])
    check_poses(np.array([frame["transform_matrix"] for frame in capture["frames"]]))


@pytest.mark.parametrize(("num_views", "radius"), [(0, 2.0), (24, 0.0), (24, -1.0), (24, np.nan)])
def test_a_circle_without_views_or_radius_is_refused(num_views: int, radius: float):
    with pytest.raises(ConfigError, match="see nothing"):
        turntable_cameras(num_views, radius)


def test_impossible_lenses_and_missing_pictures_are_refused():
    cameras = turntable_cameras(2)
    with pytest.raises(ConfigError, match="1 pictures do not match 2 cameras"):
        transforms_json(cameras, width=8, height=8, fov_degrees=50.0, file_names=["a"])
    for width, angle in ((0, 50.0), (8, 0.0), (8, 180.0)):
        with pytest.raises(ConfigError, match="has no lens"):
            transforms_json(cameras, width=width, height=8, fov_degrees=angle, file_names=["a"] * 2)


def test_a_missing_folder_is_one_sentence_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(MediaError, match="No such file or directory"):
        write_transforms(tmp_path / "missing" / "transforms.json", {})
    assert not list(tmp_path.iterdir())
