"""Meshes from files, in one world: up is z, the front faces -y, all inside the unit sphere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from filmgrid.data.meshes.config import RenderConfig
from filmgrid.data.pictures import from_picture
from filmgrid.errors import ConfigError, MediaError

SUFFIXES = (".obj", ".glb", ".gltf", ".ply", ".stl", ".off")
PLAIN = (200, 200, 200)
"""Colour of what has none."""
UNSAID = (102, 102, 102)
"""What trimesh paints a material with that says no colour."""
ROUND = np.deg2rad(45)
"""Edges whose faces meet at less are rounded off in the light."""
Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From axes whose up is y, and whose front is z, to ours."""


@dataclass(frozen=True)
class Surface:
    """Triangles and how they look.

    Args:
        corners: points.
        faces: three of them each.
        normals: of the surface at each point, of length 1.
        colours: at each point, red, green and blue in [0, 1], as screens show them.
        places: of each point in the picture, in [0, 1] from its lower left, if there is one.
        picture: red, green and blue in [0, 1]; ``colours`` multiply it.
    """

    corners: Float64[np.ndarray, "points 3"]
    faces: Int64[np.ndarray, "faces 3"]
    normals: Float64[np.ndarray, "points 3"]
    colours: Float64[np.ndarray, "points 3"]
    places: Float64[np.ndarray, "points 2"] | None = None
    picture: Float64[np.ndarray, "h w 3"] | None = None


def find_meshes(paths: tuple[Path, ...]) -> list[Path]:
    """Files of meshes among paths and in the folders among them, in order of their names.

    Raises:
        MediaError: if one is not there, is no mesh, or there is none, or two have one name.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
        elif not path.exists():
            raise MediaError(f"There is no mesh {path}.")
        elif path.suffix.lower() not in SUFFIXES:
            raise MediaError(f"{path} is no mesh. Use {', '.join(SUFFIXES)}.")
        else:
            found.append(path)
    if not found:
        raise MediaError(f"There is no mesh in {', '.join(map(str, paths))}.")
    stems: dict[str, Path] = {}
    for path in found:
        if path.stem in stems:
            raise MediaError(
                f"{stems[path.stem]} and {path} would both be rendered to {path.stem}. Rename one."
            )
        stems[path.stem] = path
    return found


def read_scene(path: Path) -> Any:
    """Read a file with trimesh.

    Raises:
        ConfigError: if the packages for meshes are not installed.
        MediaError: if it cannot be read.
    """
    try:
        import trimesh
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Meshes take trimesh and embreex, which are not installed. Run "
            "`pip install 'filmgrid[render]'`."
        ) from error
    with naming(path):
        return trimesh.load_scene(path)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file that is damaged: each of its readers has errors of its own."""
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())[:160]
        raise MediaError(f"The mesh {path} cannot be read: {text}.") from error


def fit(poses: Sequence[Sequence[Any]], path: Path, config: RenderConfig) -> list[list[Surface]]:
    """Turn meshes upright and fit all of their poses together into the unit sphere.

    The middle of the bounding box of all poses becomes the origin, and their farthest point
    touches the sphere.

    Args:
        poses: parts of the thing as trimesh has them, in each pose.
        path: of the file.
        config: how it stands.

    Raises:
        MediaError: if it has no surface.
    """
    kept = [[part for part in parts if len(part.faces)] for parts in poses]
    if not all(kept):
        raise MediaError(f"The mesh {path} has no triangle.")
    sin, cos = np.sin(np.deg2rad(config.first)), np.cos(np.deg2rad(config.first))
    clockwise = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    turn = clockwise @ (Y_UP if config.up == "y" else np.eye(3))
    each = [part.vertices[np.unique(part.faces)] for parts in kept for part in parts]
    points = np.concatenate(each) @ turn.T
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = np.linalg.norm(points - middle, axis=1).max()
    if not np.isfinite(reach) or reach <= 0:
        raise MediaError(f"The mesh {path} has no size.")
    return [[_surface(part, turn, middle, float(reach)) for part in parts] for parts in kept]


def _surface(part: Any, turn: np.ndarray, middle: np.ndarray, reach: float) -> Surface:
    """One part, in our axes."""
    import trimesh

    part = part.copy()
    part.vertices = (part.vertices @ turn.T - middle) / reach
    places = picture = None
    colours = np.full((len(part.vertices), 3), np.array(PLAIN) / 255)
    kind = part.visual.kind
    if kind == "texture":
        material = part.visual.material
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        tint = np.asarray(material.main_color, np.float64)[:3] / 255
        if image is not None and image.size == (2, 2) and np.ptp(from_picture(image)) == 0:
            image = None  # trimesh makes it up, for places in a picture that is not there
        if image is not None and part.visual.uv is not None:
            places = np.asarray(part.visual.uv, np.float64)
            picture = from_picture(image).astype(np.float64) / 255
            factor = getattr(material, "baseColorFactor", None)
            tint = np.ones(3) if factor is None else np.asarray(factor, np.float64)[:3] / 255
            colours[:] = tint
        elif _says_a_colour(material):
            colours[:] = tint
    elif kind in ("vertex", "face"):
        if kind == "face":
            part.unmerge_vertices()
        colours = np.asarray(part.visual.vertex_colors, np.float64)[:, :3] / 255
    else:
        part = trimesh.graph.smooth_shade(part, angle=ROUND)
        colours = np.full((len(part.vertices), 3), np.array(PLAIN) / 255)
    return Surface(
        np.asarray(part.vertices, np.float64),
        np.asarray(part.faces, np.int64),
        np.asarray(part.vertex_normals, np.float64),
        colours,
        places,
        picture,
    )


def _says_a_colour(material: Any) -> bool:
    """Whether a material without a picture has a colour, and not just that of its reader."""
    given = getattr(material, "baseColorFactor", None)
    return given is not None or tuple(material.main_color[:3]) != UNSAID
