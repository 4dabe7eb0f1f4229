"""How a thing stands in each view: at rest, or at moments of its animation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmgrid.data.meshes.animation import Actor, Moves, read_actor
from filmgrid.data.meshes.config import RenderConfig
from filmgrid.data.meshes.gltf import read_document
from filmgrid.data.meshes.mesh import Surface, fit, naming, read_scene
from filmgrid.errors import MediaError

GLTF = (".glb", ".gltf")


@dataclass(frozen=True)
class Poses:
    """A thing as the cameras meet it.

    Args:
        surfaces: of each view; of one alone, if it stands still.
        times: of each view within the animation, in [0, 1), if there is one.
    """

    surfaces: list[list[Surface]]
    times: tuple[float, ...] | None = None


def load_poses(path: Path, config: RenderConfig) -> Poses:
    """Read a mesh, let its animation run, and fit all that is seen of it into the unit sphere.

    Args:
        path: of the file.
        config: how it stands, what moves, and when.

    Raises:
        ConfigError: if the packages for meshes are not installed.
        MediaError: if it cannot be read, has no surface, or lacks the animation that is asked for.
    """
    scene = read_scene(path)
    actor, plain = None, True
    if path.suffix.lower() in GLTF:
        with naming(path):
            actor = read_actor(read_document(path))
            plain = actor.is_plain
    name = None if config.moving == "camera" else _animation_of(actor, path, config)
    if actor is None or plain:
        with naming(path):
            parts = [part for part in scene.dump() if hasattr(part, "faces")]
        return Poses(fit([parts], path, config))
    if name is None:
        return Poses(fit([_parts(actor, scene, actor.moves(), path)], path, config))
    first, last = actor.span(name)
    start = first if config.start is None else config.start
    end = last if config.end is None else config.end
    if end <= start and (config.start is not None or config.end is not None):
        raise MediaError(
            f"The animation {name!r} of {path} lasts from second {first:g} to {last:g}, and from "
            f"{start:g} to {end:g} there is nothing of it. Choose another start or end."
        )
    times = tuple(view / config.views for view in range(config.views))
    poses = []
    for time in times:
        with naming(path):
            moves = actor.moves(name, start + time * (end - start))
        poses.append(_parts(actor, scene, moves, path))
    return Poses(fit(poses, path, config), times)


def _animation_of(actor: Actor | None, path: Path, config: RenderConfig) -> str | None:
    """Name of the animation that is shown, if there is any."""
    names = list(actor.tracks) if actor is not None else []
    if config.animation is not None and config.animation not in names:
        there = f"It has {', '.join(names)}" if names else "It has none"
        raise MediaError(
            f"The mesh {path} has no animation {config.animation!r}. {there}. Leave animation out "
            "for the first of each file."
        )
    if not names and config.moving == "thing":
        raise MediaError(
            f"The mesh {path} has no animation, and nothing would move before a camera that "
            "stands still. Use moving both, in which such meshes are seen from all sides."
        )
    return config.animation or (names[0] if names else None)


def _parts(actor: Actor, scene: Any, moves: Moves, path: Path) -> list[Any]:
    """All that is shown, where it is at a moment."""
    geometries = list(scene.geometry.values())
    parts = []
    with naming(path):
        for shape in actor.shapes:
            geometry = geometries[shape.geometry]
            if hasattr(geometry, "faces"):
                part = geometry.copy()
                part.vertices = actor.posed(shape, geometry.vertices, moves)
                parts.append(part)
    return parts
