import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from filmgrid.cli import main
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.manifest import load_manifest
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.data.meshes.poses import load_poses
from filmgrid.data.meshes.render import render
from filmgrid.errors import ConfigError, MediaError
from tests.data.meshes.outlines import outlines, overlaps


@pytest.fixture
def lopsided(tmp_path):
    """A box with a knob that points to the front, one to its own right, and one upwards."""
    parts = [trimesh.creation.box((1.0, 0.8, 0.6))]
    for place, radius in (((0, 0, 0.6), 0.15), ((0.9, 0, 0), 0.2), ((0, 0.8, 0), 0.1)):
        knob = trimesh.creation.icosphere(2, radius)
        knob.apply_translation(place)
        parts.append(knob)
    path = tmp_path / "lopsided.ply"
    trimesh.util.concatenate(parts).export(path)
    return path


def config_of(path, tmp_path, **changes):
    return RenderConfig(**{"meshes": (path,), "out": tmp_path / "out", "size": 64, **changes})


@pytest.mark.parametrize("elevation", [0, 25])
def test_outlines_are_those_of_the_exact_geometry(lopsided, tmp_path, elevation):
    config = config_of(lopsided, tmp_path, views=4, size=128, samples=4, elevation=elevation)
    poses = load_poses(lopsided, config)
    made = render(poses, config)
    parts = [(each.corners, each.faces) for each in poses.surfaces[0]]
    exact = outlines([parts] * 4, made.cameras, config.size, config.fov)
    # Polygons are drawn with every fine pixel that they touch, a sixteenth of a pixel too wide.
    assert np.abs(made.covered - exact).mean() < 3e-3
    assert overlaps(made.covered, exact).min() > 0.985


@pytest.mark.parametrize("name", ["spot", "cow", "teapot", "suzanne", "cheburashka", "rocker-arm"])
def test_outlines_of_real_meshes_are_exact(real_data, tmp_path, name):
    path = real_data / "meshes" / f"{name}.obj"
    config = config_of(path, tmp_path, views=3, size=192)
    poses = load_poses(path, config)
    (surfaces,) = poses.surfaces
    assert max(np.linalg.norm(each.corners, axis=1).max() for each in surfaces) <= 1 + 1e-9
    made = render(poses, config)
    parts = [(each.corners, each.faces) for each in surfaces]
    exact = outlines([parts] * 3, made.cameras, config.size, config.fov)
    assert overlaps(made.covered, exact).min() > 0.985


def test_it_stands_upright_faces_the_first_camera_and_turns_clockwise(tmp_path):
    ball = trimesh.creation.icosphere(2, 0.5)
    ball.visual.vertex_colors = [255, 255, 255, 255]
    parts = [ball]
    for place, colour in (((0, 0, 1), 0), ((1, 0, 0), 1), ((0, 1, 0), 2)):  # front, right, top
        knob = trimesh.creation.icosphere(2, 0.25)
        knob.apply_translation(place)
        knob.visual.vertex_colors = [255 * (colour == each) for each in range(3)] + [255]
        parts.append(knob)
    trimesh.util.concatenate(parts).export(tmp_path / "knobs.glb")
    config = config_of(tmp_path, tmp_path, views=4)
    frames = render(load_poses(tmp_path / "knobs.glb", config), config).frames.astype(int)

    def place(view, colour):
        """Row and column of the middle of the knob of a colour, or None."""
        others = [each for each in range(3) if each != colour]
        rows, cols = np.nonzero(frames[view, ..., colour] - frames[view][..., others].max(-1) > 40)
        return (rows.mean(), cols.mean()) if len(rows) > 20 else None

    front, right, top = (place(0, colour) for colour in range(3))
    assert front and right and top
    assert top[0] < front[0] and right[1] > front[1] + 8
    front, right, top = (place(1, colour) for colour in range(3))
    assert front and right and top  # its front has turned to our left, its right side to us
    assert front[1] < right[1] - 8 and top[0] < right[0]
    assert place(2, 0) is None and place(3, 1) is None  # hidden behind the ball


def test_anticlockwise_is_the_same_views_the_other_way_round(lopsided, tmp_path):
    ways = (
        config_of(lopsided, tmp_path, views=6, turn=turn) for turn in ("clockwise", "anticlockwise")
    )
    one, other = (render(load_poses(lopsided, config), config).frames for config in ways)
    assert np.array_equal(one[0], other[0])
    assert np.abs(one[1:].astype(int) - other[:0:-1].astype(int)).max() <= 1


def test_the_first_view_can_be_another_side(lopsided, tmp_path):
    one, two = (config_of(lopsided, tmp_path, views=4, first=first) for first in (0, 90))
    plain = render(load_poses(lopsided, one), one).frames
    turned = render(load_poses(lopsided, two), two).frames
    assert np.abs(plain[1].astype(int) - turned[0].astype(int)).mean() < 0.5


def test_colours_of_corners_and_pictures_are_seen(tmp_path):
    ball = trimesh.creation.icosphere(3)
    ball.visual.vertex_colors = [255, 0, 0, 255]
    ball.export(tmp_path / "red.glb")
    quad = trimesh.Trimesh([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0], picture[0, 1], picture[1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    quad.visual = trimesh.visual.TextureVisuals(
        uv=[[0, 0], [1, 0], [1, 1], [0, 1]], image=Image.fromarray(picture)
    )
    quad.export(tmp_path / "quad.glb")
    config = config_of(tmp_path, tmp_path, views=1)
    (red,) = render(load_poses(tmp_path / "red.glb", config), config).frames
    assert red[32, 32, 0] > 120 and red[32, 32, 1:].max() < 5
    (seen,) = render(load_poses(tmp_path / "quad.glb", config), config).frames
    for (row, col), channel in (((24, 24), 0), ((24, 40), 1), ((40, 24), 2)):
        assert seen[row, col].argmax() == channel and seen[row, col].max() > 60


def test_a_folder_becomes_turntables_that_a_dataset_is_built_from(lopsided, tmp_path, capsys):
    out = tmp_path / "turns"
    words = ["dataset", "render", str(lopsided), "--out", str(out), "--views", "6", "--size", "32"]
    main([*words, "--caption", "a {stem} thing turning {turn}", "--background", "#204060"])
    assert capsys.readouterr().out.split() == [str(out / "lopsided")]
    folder = out / "lopsided"
    told = json.loads((folder / "transforms.json").read_text())
    assert len(told["frames"]) == 6 and told["frames"][5]["file_path"] == "005.png"
    assert told["camera_angle_x"] == pytest.approx(np.pi / 3)
    corner = np.asarray(Image.open(folder / "000.png"))[0, 0]
    assert tuple(corner) == (0x20, 0x40, 0x60)
    stamp = (folder / "000.png").stat().st_mtime_ns
    main(words)  # what is there is kept
    assert (folder / "000.png").stat().st_mtime_ns == stamp
    build_dataset(DatasetConfig(sources=(out,), out=tmp_path / "data", layout="2x3", cell=32))
    (entry,) = load_manifest(tmp_path / "data")
    assert entry.caption == "a lopsided thing turning clockwise"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"background": "blueish"}, "is no colour"),
        ({"caption": "{name}"}, "not known in a caption"),
        ({"radius": 0.5}, "radius"),
        ({"meshes": ()}, "meshes"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        RenderConfig(**{"meshes": (tmp_path,), "out": tmp_path / "out", **changes})


def test_files_that_are_no_meshes_are_named(tmp_path):
    config = config_of(tmp_path, tmp_path)
    from filmgrid.data.meshes.render import render_meshes

    with pytest.raises(MediaError, match="no mesh in"):
        render_meshes(config)
    (tmp_path / "bad.obj").write_text("v 0 0 0\n")
    with pytest.raises(MediaError, match=r"bad.obj has no triangle|bad.obj cannot be read"):
        render_meshes(config)
    with pytest.raises(MediaError, match="There is no mesh"):
        render_meshes(config.model_copy(update={"meshes": (tmp_path / "none.glb",)}))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        trimesh.creation.box().export(tmp_path / folder / "box.stl")
    with pytest.raises(MediaError, match="would both be rendered"):
        render_meshes(config.model_copy(update={"meshes": (tmp_path / "a", tmp_path / "b")}))
