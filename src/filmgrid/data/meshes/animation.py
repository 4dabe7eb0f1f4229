"""How the parts of a glTF file move: nodes, skins and morph targets at a moment.

Source: glTF 2.0, sections 3.7.2.2 (morph targets), 3.7.3 (skins) and 3.11 (animations).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from filmgrid.data.meshes.gltf import DRAWN, Document

TURNS = "rotation"
PATHS = ("translation", TURNS, "scale", "weights")
"""What an animation may move; others are extensions of glTF."""


@dataclass(frozen=True)
class Track:
    """One thing that an animation moves.

    Args:
        node: whose.
        path: which of ``PATHS``.
        times: of its keys, in seconds.
        keys: values at them; for CUBICSPLINE with the slopes before and after each.
        way: from one to the next, ``LINEAR``, ``STEP`` or ``CUBICSPLINE``.
    """

    node: int
    path: str
    times: Float64[np.ndarray, " keys"]
    keys: Float64[np.ndarray, "keys slots width"]
    way: str

    def at(self, seconds: float) -> Float64[np.ndarray, " width"]:
        """Value at a moment; before the first key and after the last, that of the key."""
        from scipy.interpolate import CubicHermiteSpline
        from scipy.spatial.transform import Rotation, Slerp

        value = self.keys[:, 1 if self.way == "CUBICSPLINE" else 0]
        moment = float(np.clip(seconds, self.times[0], self.times[-1]))
        one = int(np.searchsorted(self.times, moment, side="right")) - 1
        if self.way == "STEP" or one == len(self.times) - 1:
            return value[one]
        length = self.times[one + 1] - self.times[one]
        share = (moment - self.times[one]) / length
        ends = value[one : one + 2]
        if self.way == "CUBICSPLINE":
            slopes = [length * self.keys[one, 2], length * self.keys[one + 1, 0]]
            return CubicHermiteSpline([0, 1], ends, slopes)(share)
        if self.path == TURNS:
            return Slerp([0, 1], Rotation.from_quat(ends))(share).as_quat()
        return ends[0] + share * (ends[1] - ends[0])


@dataclass(frozen=True)
class Shape:
    """A primitive where a node shows it.

    Args:
        geometry: number of what trimesh made of it.
        node: that shows it.
        resting: weights of its morph targets where nothing moves them.
        targets: what each adds to its points.
        skin: number of its skin, if joints carry it.
        joints: that carry each point, numbers within the skin.
        shares: of each of them.
    """

    geometry: int
    node: int
    resting: Float64[np.ndarray, " targets"]
    targets: Float64[np.ndarray, "targets points 3"]
    skin: int | None = None
    joints: Int64[np.ndarray, "points influences"] | None = None
    shares: Float64[np.ndarray, "points influences"] | None = None


@dataclass(frozen=True)
class Actor:
    """What a glTF file shows, at any moment of its animations.

    Args:
        document: the file.
        tracks: of each animation that moves something, by name or else by number.
    """

    document: Document
    tracks: dict[str, tuple[Track, ...]]

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing that trimesh leaves out."""
        shapes = self.shapes
        return not self.tracks and all(
            each.skin is None and not each.resting.any() for each in shapes
        )

    def span(self, animation: str) -> tuple[float, float]:
        """Seconds of the first key of an animation, and of the last."""
        times = [track.times for track in self.tracks[animation]]
        return min(float(each[0]) for each in times), max(float(each[-1]) for each in times)

    @cached_property
    def shapes(self) -> list[Shape]:
        """All that the file's scene shows, each primitive at each of its nodes."""
        numbers = {
            (mesh, at): None
            for mesh, told in enumerate(self.document.all("meshes"))
            for at, primitive in enumerate(told["primitives"])
            if primitive.get("mode", 4) in DRAWN
        }
        place = {key: number for number, key in enumerate(numbers)}
        return [
            self._shape(node, primitive, place[mesh, at])
            for node, mesh in self._shown()
            for at, primitive in enumerate(self.document.all("meshes")[mesh]["primitives"])
            if (mesh, at) in place
        ]

    def posed(
        self, shape: Shape, points: Float64[np.ndarray, "points 3"], moves: "Moves"
    ) -> Float64[np.ndarray, "points 3"]:
        """Points of a primitive in the world: morphed, then carried by joints or its node."""
        weights = moves.values.get((shape.node, "weights"), shape.resting)
        points = points + np.einsum("t,tpx->px", weights[: len(shape.targets)], shape.targets)
        whole = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        if shape.skin is None or shape.joints is None or shape.shares is None:
            return (whole @ moves.nodes[shape.node].T)[:, :3]
        skin = self.document.all("skins")[shape.skin]
        carry = moves.nodes[skin["joints"]]
        if "inverseBindMatrices" in skin:
            inverse = self.document.numbers(skin["inverseBindMatrices"])
            carry = carry @ inverse.reshape(-1, 4, 4).transpose(0, 2, 1)
        blended = np.einsum("pi,pixy->pxy", shape.shares, carry[shape.joints])
        return np.einsum("pxy,py->px", blended, whole)[:, :3]

    def moves(self, animation: str | None = None, seconds: float = 0.0) -> "Moves":
        """Where all nodes are, in an animation or at rest."""
        found = () if animation is None else self.tracks[animation]
        values = {(track.node, track.path): track.at(seconds) for track in found}
        nodes = self.document.all("nodes")
        world = np.tile(np.eye(4), (len(nodes), 1, 1))
        for node, parent in self._down():
            local = _local(nodes[node], node, values)
            world[node] = local if parent is None else world[parent] @ local
        return Moves(values, world)

    def _down(self) -> Iterator[tuple[int, int | None]]:
        """Every node and its parent, parents first."""
        nodes = self.document.all("nodes")
        children = {child for node in nodes for child in node.get("children", ())}
        waiting: list[tuple[int, int | None]] = [
            (node, None) for node in range(len(nodes)) if node not in children
        ]
        seen: set[int] = set()
        while waiting:
            node, parent = waiting.pop()
            if node in seen:
                raise ValueError(f"node {node} has two parents")
            seen.add(node)
            yield node, parent
            waiting += [(child, node) for child in nodes[node].get("children", ())]

    def _shown(self) -> Iterator[tuple[int, int]]:
        """Nodes of the scene that show a mesh, and which."""
        scenes, nodes = self.document.all("scenes"), self.document.all("nodes")
        if not scenes:
            return
        waiting = list(scenes[self.document.header.get("scene", 0)].get("nodes", ()))
        seen: set[int] = set()
        while waiting:
            node = waiting.pop(0)
            if node in seen:
                raise ValueError(f"node {node} has two parents")
            seen.add(node)
            waiting += nodes[node].get("children", ())
            if "mesh" in nodes[node]:
                yield node, nodes[node]["mesh"]

    def _shape(self, node: int, primitive: dict[str, Any], geometry: int) -> Shape:
        told = self.document.all("nodes")[node]
        mesh = self.document.all("meshes")[told["mesh"]]
        attributes = primitive["attributes"]
        still = np.zeros((self.document.header["accessors"][attributes["POSITION"]]["count"], 3))
        targets = [
            self.document.numbers(each["POSITION"]) if "POSITION" in each else still
            for each in primitive.get("targets", ())
        ]
        resting = np.array(told.get("weights", mesh.get("weights", [0.0] * len(targets))), float)
        moved = np.stack(targets) if targets else np.zeros((0, 1, 3))
        if "skin" not in told or "JOINTS_0" not in attributes:
            return Shape(geometry, node, resting, moved)
        sets = [name for name in sorted(attributes) if name.startswith("JOINTS_")]
        joints = [self.document.numbers(attributes[name]) for name in sets]
        shares = [
            self.document.numbers(attributes[name.replace("JOINTS", "WEIGHTS")]) for name in sets
        ]
        share = np.concatenate(shares, axis=1)
        share /= share.sum(axis=1, keepdims=True).clip(1e-12)
        joint = np.concatenate(joints, axis=1).astype(np.int64)
        return Shape(geometry, node, resting, moved, told["skin"], joint, share)


@dataclass(frozen=True)
class Moves:
    """Where things are at a moment.

    Args:
        values: of what is animated, by node and path.
        nodes: from each node to the world.
    """

    values: dict[tuple[int, str], Float64[np.ndarray, " width"]]
    nodes: Float64[np.ndarray, "nodes 4 4"]


def read_actor(document: Document) -> Actor:
    """Find what moves in a file, and how."""
    tracks: dict[str, tuple[Track, ...]] = {}
    for number, told in enumerate(document.all("animations")):
        name = str(told.get("name") or number)
        if name in tracks:
            name = f"{name} {number}"
        found = tuple(
            _track(document, told["samplers"][channel["sampler"]], channel["target"])
            for channel in told["channels"]
            if channel["target"].get("path") in PATHS and "node" in channel["target"]
        )
        if found:
            tracks[name] = found
    return Actor(document, tracks)


def _track(document: Document, sampler: dict[str, Any], target: dict[str, Any]) -> Track:
    times = document.numbers(sampler["input"])[:, 0]
    way = sampler.get("interpolation", "LINEAR")
    slots = 3 if way == "CUBICSPLINE" else 1
    if (np.diff(times) < 0).any() or not len(times):
        raise ValueError("the times of an animation do not rise")
    if way not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise ValueError(f"an animation is interpolated by {way!r}, which glTF does not know")
    values = document.numbers(sampler["output"]).reshape(len(times), slots, -1)
    node, count = target["node"], len(document.all("nodes"))
    if node not in range(count):
        raise ValueError(f"an animation moves node {node} of {count}")
    return Track(node, target["path"], times, values, way)


def _local(
    told: dict[str, Any], node: int, values: dict[tuple[int, str], np.ndarray]
) -> Float64[np.ndarray, "4 4"]:
    """From a node to its parent: scaled, turned, then moved."""
    from scipy.spatial.transform import Rotation

    if "matrix" in told:
        return np.array(told["matrix"], float).reshape(4, 4).T
    place = np.eye(4)
    turn = values.get((node, TURNS), told.get(TURNS, (0, 0, 0, 1)))
    scale = np.asarray(values.get((node, "scale"), told.get("scale", (1, 1, 1))), float)
    place[:3, :3] = Rotation.from_quat(turn).as_matrix() * scale
    place[:3, 3] = values.get((node, "translation"), told.get("translation", (0, 0, 0)))
    return place
