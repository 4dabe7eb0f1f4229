"""Animated glTF files, made here, against their geometry in closed form."""

import base64
import json
import struct

import numpy as np
import pytest
import trimesh

from filmgrid.cli import main
from filmgrid.data.meshes.animation import read_actor
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.data.meshes.gltf import read_document
from filmgrid.data.meshes.poses import load_poses
from filmgrid.data.meshes.render import render
from filmgrid.errors import ConfigError, MediaError
from tests.data.meshes.outlines import outlines, overlaps

CODES = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}
WIDTHS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
BOX = trimesh.creation.box((1.0, 0.6, 0.4))


class Gltf:
    """A glTF file that is written number by number."""

    def __init__(self, **things):
        self.header = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}]}
        self.header |= {"accessors": [], "bufferViews": [], "meshes": [], **things}
        self.data = b""

    def view(self, values, kind):
        stored = np.ascontiguousarray(values, f"<{kind}").tobytes()
        self.header["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(stored)}
        )
        self.data += stored + b"\0" * (-len(stored) % 4)
        return len(self.header["bufferViews"]) - 1

    def add(self, values, kind="f4", **more):
        values = np.asarray(values)
        values = values.reshape(len(values), -1)
        told = {"componentType": CODES[kind], "count": len(values), "type": WIDTHS[values.shape[1]]}
        self.header["accessors"].append({**told, "bufferView": self.view(values, kind), **more})
        return len(self.header["accessors"]) - 1

    def add_sparse(self, values):
        """Only the rows that are not zero, beside no view at all."""
        (rows,) = np.nonzero(np.abs(values).max(axis=1))
        sparse = {"count": len(rows)}
        sparse["indices"] = {"bufferView": self.view(rows, "u2"), "componentType": CODES["u2"]}
        sparse["values"] = {"bufferView": self.view(values[rows], "f4")}
        told = {"componentType": CODES["f4"], "count": len(values), "type": "VEC3"}
        self.header["accessors"].append({**told, "sparse": sparse})
        return len(self.header["accessors"]) - 1

    def mesh(self, mesh, targets=(), **attributes):
        parts = {
            "attributes": {"POSITION": self.add(mesh.vertices), **attributes},
            "indices": self.add(mesh.faces.reshape(-1), "u4"),
        }
        if targets:
            parts["targets"] = [{"POSITION": each} for each in targets]
        self.header["meshes"].append({"primitives": [parts]})
        return len(self.header["meshes"]) - 1

    def animate(self, *channels, name="turn"):
        """Each is a node, a path, times, values and a way of getting from one to the next."""
        told = {"name": name, "samplers": [], "channels": []}
        for node, path, times, values, way in channels:
            inputs, outputs = self.add(times), self.add(values)
            told["samplers"].append({"input": inputs, "output": outputs, "interpolation": way})
            target = {"node": node, "path": path}
            told["channels"].append({"sampler": len(told["samplers"]) - 1, "target": target})
        self.header.setdefault("animations", []).append(told)

    def save(self, path):
        self.header["buffers"] = [{"byteLength": len(self.data)}]
        header = json.dumps(self.header).encode()
        header += b" " * (-len(header) % 4)
        chunks = struct.pack("<I4s", len(header), b"JSON") + header
        chunks += struct.pack("<I4s", len(self.data), b"BIN\0") + self.data
        path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)
        return path


def about_y(angle):
    return np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )


def turned_by(angle, axis=1):
    """Quaternion of a turn about an axis."""
    return [*(np.sin(angle / 2) * np.eye(3)[axis]), np.cos(angle / 2)]


def rotating_box(path, **changes):
    """A box that hangs 1 beside a node, which turns once about its own y in 2 seconds."""
    file = Gltf(nodes=[{"children": [1]}, {"mesh": 0, "translation": [1, 0, 0]}], **changes)
    file.mesh(BOX)
    times = [0, 0.5, 1, 1.5, 2]
    file.animate(
        (0, "rotation", times, [turned_by(time * np.pi) for time in times], "LINEAR"),
    )
    return file.save(path)


def bending_bar(path):
    """A bar of 2, whose upper half bends about the middle, by a quarter in a second."""
    bar = trimesh.creation.box((0.3, 2.0, 0.3)).subdivide().subdivide()
    bar.vertices += [0, 1, 0]
    height = bar.vertices[:, 1]
    upper = np.where(np.isclose(height, 1), 0.5, height > 1)
    shares = np.stack([1 - upper, upper, 0 * upper, 0 * upper], axis=1)
    inverse = np.stack([np.eye(4), np.eye(4)])
    inverse[1, 1, 3] = -1
    nodes = [
        {"children": [1, 2], "translation": [0, 0, 0.5]},
        {"mesh": 0, "skin": 0, "translation": [7, 0, 0]},  # joints carry it, its node does not
        {"children": [3]},
        {"translation": [0, 1, 0]},
    ]
    file = Gltf(nodes=nodes)
    file.header["skins"] = [
        {"joints": [2, 3], "inverseBindMatrices": file.add(inverse.transpose(0, 2, 1))}
    ]
    joints = file.add(np.tile([0, 1, 0, 0], (len(shares), 1)), "u1")
    weights = file.add(np.round(shares * 255), "u1", normalized=True)
    file.mesh(bar, JOINTS_0=joints, WEIGHTS_0=weights)
    quarter = [turned_by(0, 2), turned_by(np.pi / 2, 2)]
    file.animate((3, "rotation", [0, 1], quarter, "LINEAR"), name="bend")
    return file.save(path), bar


def morphing_box(path):
    """A box whose top rises by 1 in two seconds, then stands; and gets wider in the last."""
    top = np.where(BOX.vertices[:, 1:2] > 0, [[0.0, 1.0, 0.0]], 0.0)
    wide = BOX.vertices * [1.0, 0.0, 0.0]
    file = Gltf(nodes=[{"mesh": 0}])
    file.mesh(BOX, targets=(file.add_sparse(top), file.add(wide)))
    weights = [0, 0, 1, 0, 1, 1]
    file.animate((0, "weights", [0, 2, 3], weights, "LINEAR"), name="grow")
    return file.save(path)


def corners(path, seconds, animation=None):
    """Points of the only shape of a file, at a moment."""
    actor = read_actor(read_document(path))
    (shape,) = actor.shapes
    (geometry,) = trimesh.load_scene(path).geometry.values()
    name = animation or next(iter(actor.tracks))
    return actor.posed(shape, geometry.vertices, actor.moves(name, seconds))


def config_of(path, tmp_path, **changes):
    return RenderConfig(**{"meshes": (path,), "out": tmp_path / "out", "size": 96, **changes})


@pytest.mark.parametrize("seconds", [0, 0.3, 0.5, 1.2, 2, 5])
def test_a_node_turns_its_child_along_the_arc(tmp_path, seconds):
    path = rotating_box(tmp_path / "box.glb")
    exact = (BOX.vertices + np.array([1, 0, 0])) @ about_y(min(seconds, 2) * np.pi).T
    assert np.abs(corners(path, seconds) - exact).max() < 1e-6


@pytest.mark.parametrize("seconds", [-1, 0, 0.2, 0.75, 1])
def test_the_upper_half_of_a_skinned_bar_bends(tmp_path, seconds):
    path, bar = bending_bar(tmp_path / "bar.glb")
    angle = np.clip(seconds, 0, 1) * np.pi / 2
    bent = (bar.vertices - [0, 1, 0]) @ np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    ) + [0, 1, 0]
    height = bar.vertices[:, 1:2]
    half = (bar.vertices + bent) / 2  # between the halves joints blend what each would do
    share = np.isclose(height, 1)
    exact = np.where(share, half, np.where(height > 1, bent, bar.vertices)) + np.array([0, 0, 0.5])
    found = corners(path, seconds)
    assert np.abs(found - exact)[~share[:, 0]].max() < 1e-6
    assert np.abs(found - exact).max() < 2e-3 * 0.3  # a half is 128 of 255


@pytest.mark.parametrize("seconds", [0, 0.5, 2, 2.5, 3])
def test_morph_targets_add_up(tmp_path, seconds):
    path = morphing_box(tmp_path / "box.glb")
    tall, wide = min(seconds / 2, 1), max(seconds - 2, 0)
    exact = BOX.vertices + np.where(BOX.vertices[:, 1:2] > 0, [[0, tall, 0]], 0)
    exact = exact + wide * BOX.vertices * [1, 0, 0]
    assert np.abs(corners(path, seconds) - exact).max() < 1e-6


def test_steps_hold_and_splines_are_the_cubics_that_their_slopes_say(tmp_path):
    file = Gltf(nodes=[{"mesh": 0, "scale": [2, 2, 2]}])
    file.mesh(BOX)
    times = np.array([0.0, 0.5, 2.0])

    def cubic(at):
        return np.stack([at**3 - 2 * at, 3 * at, 1 - at**2], axis=-1)

    slopes = np.stack([3 * times**2 - 2, 0 * times + 3, -2 * times], axis=-1)
    keys = np.stack([slopes, cubic(times), slopes], axis=1).reshape(-1, 3)
    scales = [[1, 1, 1], [3, 1, 1], [0.5, 1, 1]]
    file.animate(
        (0, "translation", times, keys, "CUBICSPLINE"), (0, "scale", times, scales, "STEP")
    )
    path = file.save(tmp_path / "box.glb")
    for seconds, wide in ((0, 1), (0.3, 1), (0.5, 3), (1.7, 3), (2, 0.5)):
        exact = BOX.vertices * [wide, 1, 1] + cubic(np.float64(seconds))
        assert np.abs(corners(path, seconds) - exact).max() < 1e-5


def test_a_spline_may_leave_a_key_with_another_slope_than_it_came(tmp_path):
    file = Gltf(nodes=[{"mesh": 0}])
    file.mesh(BOX)
    keys = np.zeros((3, 3, 3))
    keys[:, 1, 0] = [0, 1, 0]
    keys[0, 2, 0] = keys[1, 0, 0] = 1  # straight up, then straight down
    keys[1, 2, 0] = keys[2, 0, 0] = -1
    file.animate((0, "translation", [0, 1, 2], keys.reshape(-1, 3), "CUBICSPLINE"))
    path = file.save(tmp_path / "box.glb")
    for seconds in (0.25, 0.8, 1, 1.4, 1.9):
        moved = corners(path, seconds).mean(axis=0) - BOX.vertices.mean(axis=0)
        assert moved == pytest.approx([1 - abs(seconds - 1), 0, 0], abs=1e-6)


def test_at_rest_it_is_what_trimesh_sees(tmp_path):
    path = rotating_box(tmp_path / "box.glb")
    scene = trimesh.load_scene(path)
    actor = read_actor(read_document(path))
    (shape,), (geometry,) = actor.shapes, scene.geometry.values()
    found = actor.posed(shape, geometry.vertices, actor.moves())
    assert np.abs(found - scene.dump()[0].vertices).max() < 1e-9


def test_buffers_may_be_text_or_lie_beside_the_file(tmp_path):
    path = rotating_box(tmp_path / "box.glb")
    document = read_document(path)
    for name, uri in (
        (
            "text",
            "data:application/octet-stream;base64," + base64.b64encode(*document.buffers).decode(),
        ),
        ("beside", "box.bin"),
    ):
        header = {**document.header, "buffers": [{**document.header["buffers"][0], "uri": uri}]}
        (tmp_path / f"{name}.gltf").write_text(json.dumps(header))
    (tmp_path / "box.bin").write_bytes(*document.buffers)
    for name in ("text", "beside"):
        assert np.array_equal(corners(tmp_path / f"{name}.gltf", 0.7), corners(path, 0.7))


@pytest.mark.parametrize("moving", ["both", "thing"])
@pytest.mark.parametrize("make", [rotating_box, bending_bar, morphing_box])
def test_each_view_shows_the_outline_of_its_moment(tmp_path, make, moving):
    path = tmp_path / "thing.glb"
    make(path)
    config = config_of(path, tmp_path, views=5, moving=moving)
    made = render(load_poses(path, config), config)
    (geometry,) = trimesh.load_scene(path).geometry.values()
    ((_, last),) = (read_actor(read_document(path)).span(name) for name in named(path))
    poses = [corners(path, last * view / 5) for view in range(5)]
    poses = [np.stack([each[:, 0], -each[:, 2], each[:, 1]], axis=1) for each in poses]
    middle = (np.min(poses, axis=(0, 1)) + np.max(poses, axis=(0, 1))) / 2
    poses = [each - middle for each in poses]
    reach = max(np.linalg.norm(each, axis=1).max() for each in poses)
    parts = [[(each / reach, geometry.faces)] for each in poses]
    exact = outlines(parts, made.cameras, config.size, config.fov)
    assert overlaps(made.covered, exact).min() > 0.96
    if moving == "thing":  # and no other moment looks like it
        assert overlaps(made.covered, np.roll(exact, 1, axis=0)).max() < 0.9
    assert np.array_equal(made.cameras[0], made.cameras[3]) == (moving == "thing")
    assert made.times == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


def named(path):
    return list(read_actor(read_document(path)).tracks)


def test_all_of_the_way_stays_in_the_sphere_and_at_one_size(tmp_path):
    path = morphing_box(tmp_path / "box.glb")
    config = config_of(path, tmp_path, views=6)
    poses = load_poses(path, config).surfaces
    points = np.concatenate([each.corners for surfaces in poses for each in surfaces])
    assert np.linalg.norm(points, axis=1).max() == pytest.approx(1)
    low = [min(each.corners[:, 2].min() for each in surfaces) for surfaces in poses]
    assert np.ptp(low) < 1e-9  # its foot stands where it stood while its top rises
    tall = [max(each.corners[:, 2].max() for each in surfaces) for surfaces in poses]
    assert np.all(np.diff(tall[:5]) > 0)


def test_a_thing_that_vanishes_is_not_seen(tmp_path):
    file = Gltf(nodes=[{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [2, 0, 0]}])
    file.mesh(BOX)
    file.animate((2, "scale", [0, 1], [[1, 1, 1], [0, 0, 0]], "STEP"))
    path = file.save(tmp_path / "box.glb")
    config = config_of(path, tmp_path, views=2, moving="thing", end=2)
    one, two = render(load_poses(path, config), config).covered
    assert two.sum() == pytest.approx(one.sum() / 2, rel=0.1)  # from aside they look alike
    assert two[:, 48:].sum() == 0


def test_the_command_renders_the_animation_with_its_times(tmp_path, capsys):
    path = rotating_box(tmp_path / "box.glb")
    out = tmp_path / "turns"
    words = ["dataset", "render", str(path), "--out", str(out), "--views", "4", "--size", "32"]
    main([*words, "--moving", "thing", "--animation", "turn", "--start", "0.5", "--end", "1"])
    capsys.readouterr()
    told = json.loads((out / "box" / "transforms.json").read_text())["frames"]
    assert [each["time"] for each in told] == [0, 0.25, 0.5, 0.75]
    assert len({json.dumps(each["transform_matrix"]) for each in told}) == 1
    main([*words[:4], str(tmp_path / "rest"), *words[5:], "--moving", "camera"])
    rest = json.loads((tmp_path / "rest" / "box" / "transforms.json").read_text())["frames"]
    assert "time" not in rest[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"start": 2, "end": 1}, "has no length"),
        ({"moving": "camera", "animation": "turn"}, "stays at rest"),
    ],
)
def test_settings_of_animations_that_cannot_work_are_refused(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        config_of(tmp_path, tmp_path, **changes)


def test_animations_that_are_not_there_are_named(tmp_path):
    path = rotating_box(tmp_path / "box.glb")
    with pytest.raises(MediaError, match=r"no animation 'walk'\. It has turn"):
        load_poses(path, config_of(path, tmp_path, animation="walk"))
    with pytest.raises(MediaError, match="there is nothing of it"):
        load_poses(path, config_of(path, tmp_path, start=3))
    BOX.export(tmp_path / "still.glb")
    with pytest.raises(MediaError, match="nothing would move"):
        load_poses(tmp_path / "still.glb", config_of(path, tmp_path, moving="thing"))
    assert len(load_poses(tmp_path / "still.glb", config_of(path, tmp_path)).surfaces) == 1


def test_damaged_animations_are_named(tmp_path):
    file = Gltf(nodes=[{"mesh": 0}])
    file.mesh(BOX)
    file.animate((0, "translation", [0, 1], [[0, 0, 0], [1, 0, 0]], "LINEAR"))
    file.header["accessors"][-1]["count"] = 5000
    path = file.save(tmp_path / "box.glb")
    with pytest.raises(MediaError, match=r"box.glb cannot be read"):
        load_poses(path, config_of(path, tmp_path))
