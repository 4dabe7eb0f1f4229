"""Turntables of meshes by casting rays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from filmgrid.data.export import save_image
from filmgrid.data.files import atomic_folder
from filmgrid.data.meshes.config import RenderConfig, colour_of
from filmgrid.data.meshes.mesh import Surface, find_meshes
from filmgrid.data.meshes.poses import Poses, load_poses
from filmgrid.data.provenance import Provenance
from filmgrid.grid.cameras import (
    Cameras,
    transforms_json,
    turntable_cameras,
    write_transforms,
)
from filmgrid.types import FrameArray

LAMPS = (
    ((-0.5, 0.7, 0.9), 0.75),
    ((0.9, 0.2, 0.6), 0.3),
    ((0.1, 0.8, -0.9), 0.25),
)
"""Key, fill and rim: towards each, in the axes of the camera (right, up, backward), and how bright
a white surface is that faces it, in linear light."""
AMBIENT = 0.12
"""Light from everywhere, of a surface that faces up; one that faces down has half of it."""


@dataclass(frozen=True)
class Turntable:
    """What was rendered of one mesh.

    Args:
        frames: of all views.
        covered: share of each pixel that the mesh covers, in [0, 1].
        cameras: of the views.
        times: of the views within the animation, in [0, 1), if there is one.
    """

    frames: FrameArray
    covered: Float64[np.ndarray, "n h w"]
    cameras: Cameras
    times: tuple[float, ...] | None = None


def render_meshes(
    config: RenderConfig, on_mesh: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Render each mesh to a folder of frames with its cameras beside them.

    ``OUT/NAME/000.png`` and so on, and ``transforms.json``, as ``filmgrid dataset build`` and
    nerfstudio read them. A folder appears whole or not at all; those that are there are kept.

    Args:
        config: which meshes, cameras and lamps.
        on_mesh: called with the number of meshes done and of all.

    Returns:
        The folders, in the order of the meshes.

    Raises:
        MediaError: if a mesh cannot be read, or a folder not be written.
        ConfigError: if the packages for meshes are not installed.
    """
    folders = []
    meshes = find_meshes(config.meshes)
    for number, path in enumerate(meshes, start=1):
        folder = config.out / path.stem
        if not (folder / "transforms.json").is_file():
            made = render(load_poses(path, config), config)
            with atomic_folder(folder) as part:
                _write(made, config, path, part)
            if config.caption is not None:
                said = config.caption.format(stem=path.stem, turn=config.turn)
                folder.with_name(f"{path.stem}.txt").write_text(f"{said}\n", encoding="utf-8")
        folders.append(folder)
        if on_mesh is not None:
            on_mesh(number, len(meshes))
    return folders


def render(poses: Poses, config: RenderConfig) -> Turntable:
    """See a thing from all sides.

    Args:
        poses: from :func:`~filmgrid.data.meshes.poses.load_poses`.
        config: cameras, lamps, size and background.
    """
    cameras = _cameras(config)
    directions = _directions(config)
    behind = _linear(np.array(colour_of(config.background)) / 255)
    frames, covers = [], []
    surfaces = poses.surfaces[0]
    caster, starts = _caster(surfaces)
    for view, camera in enumerate(cameras):
        if 0 < view < len(poses.surfaces):
            surfaces = poses.surfaces[view]
            caster, starts = _caster(surfaces)
        rays = directions @ camera[:3, :3].T  #                              rays 3
        origins = np.broadcast_to(camera[:3, 3], rays.shape)
        faces = caster.intersects_first(origins, rays)
        hit = faces >= 0
        light = np.tile(behind, (len(rays), 1))
        light[hit] = _seen(surfaces, starts, faces[hit], camera, rays[hit], config)
        frames.append(_averaged(light, config))
        covers.append(_averaged(hit[:, None].astype(np.float64), config)[..., 0])
    levels = _screen(np.stack(frames)) * 255
    return Turntable(levels.round().astype(np.uint8), np.stack(covers), cameras, poses.times)


def _caster(surfaces: Sequence[Surface]) -> tuple[Any, np.ndarray]:
    """What casts rays at surfaces, and at which of its faces each begins."""
    import trimesh

    whole: Any = trimesh.util.concatenate(
        [trimesh.Trimesh(each.corners, each.faces, process=False) for each in surfaces]
    )
    return whole.ray, np.cumsum([0, *(len(each.faces) for each in surfaces)])


def _write(made: Turntable, config: RenderConfig, path: Path, folder: Path) -> None:
    names = [f"{number:03d}.png" for number in range(len(made.frames))]
    request = {**config.model_dump(mode="json", exclude={"meshes", "out"}), "mesh": path.name}
    for name, frame in zip(names, made.frames, strict=True):
        save_image(frame, folder / name, Provenance(kind="image", request=request))
    told = transforms_json(
        made.cameras,
        width=config.size,
        height=config.size,
        fov_degrees=config.fov,
        file_names=names,
    )
    if made.times is not None:
        for frame, time in zip(told["frames"], made.times, strict=True):
            frame["time"] = time
    write_transforms(folder / "transforms.json", told)


def _cameras(config: RenderConfig) -> Cameras:
    sense = {"clockwise": 1, "anticlockwise": -1}[config.turn]
    step = 0 if config.moving == "thing" else 360 / config.views * sense
    cameras = turntable_cameras(config.views, config.radius, step)
    if not config.elevation:
        return cameras
    angle = np.deg2rad(config.elevation)
    right, up, back = (cameras[:, :3, axis].copy() for axis in range(3))
    cameras[:, :3, 1] = np.cos(angle) * up - np.sin(angle) * back
    cameras[:, :3, 2] = np.cos(angle) * back + np.sin(angle) * up
    cameras[:, :3, 3] = config.radius * cameras[:, :3, 2]
    assert np.allclose(np.cross(right, cameras[:, :3, 1]), cameras[:, :3, 2])
    return cameras


def _directions(config: RenderConfig) -> Float64[np.ndarray, "rays 3"]:
    """Rays of a frame in the axes of its camera, rows from above, some for each pixel."""
    side = config.size * config.samples
    reach = np.tan(np.deg2rad(config.fov / 2))
    at = ((np.arange(side) + 0.5) / side * 2 - 1) * reach
    x, y = np.meshgrid(at, -at)
    rays = np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _seen(
    surfaces: Sequence[Surface],
    starts: np.ndarray,
    faces: Int64[np.ndarray, " rays"],
    camera: Float64[np.ndarray, "4 4"],
    rays: Float64[np.ndarray, "rays 3"],
    config: RenderConfig,
) -> Float64[np.ndarray, "rays 3"]:
    """Light that comes back along rays, from the faces that they meet first."""
    light = np.empty((len(faces), 3))
    for number, surface in enumerate(surfaces):
        here = (faces >= starts[number]) & (faces < starts[number + 1])
        if not here.any():
            continue
        corners = surface.faces[faces[here] - starts[number]]
        shares = _shares(surface.corners[corners], camera[:3, 3], rays[here])
        normal = _mixed(surface.normals[corners], shares)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
        away = (normal * rays[here]).sum(axis=1) > 0  # the back of a sheet is seen as its front
        normal[away] *= -1
        colour = _mixed(surface.colours[corners], shares)
        if surface.picture is not None and surface.places is not None:
            colour = colour * _sampled(surface.picture, _mixed(surface.places[corners], shares))
        light[here] = _linear(colour) * _brightness(normal, camera, config)[:, None]
    return light


def _shares(
    triangles: Float64[np.ndarray, "rays 3 3"],
    origin: Float64[np.ndarray, " 3"],
    rays: Float64[np.ndarray, "rays 3"],
) -> Float64[np.ndarray, "rays 3"]:
    """How much of each corner there is where a ray meets its triangle (Möller and Trumbore)."""
    first, one, two = triangles[:, 0], *(triangles[:, at] - triangles[:, 0] for at in (1, 2))
    across = np.cross(rays, two)
    scale = (one * across).sum(axis=1)
    scale = np.where(np.abs(scale) < 1e-15, 1e-15, scale)
    away = origin - first
    u = (away * across).sum(axis=1) / scale
    v = (rays * np.cross(away, one)).sum(axis=1) / scale
    shares = np.stack([1 - u - v, u, v], axis=1).clip(0, 1)
    return shares / shares.sum(axis=1, keepdims=True)


def _mixed(
    at_corners: Float64[np.ndarray, "rays 3 d"], shares: Float64[np.ndarray, "rays 3"]
) -> Float64[np.ndarray, "rays d"]:
    return (at_corners * shares[..., None]).sum(axis=1)


def _sampled(
    picture: Float64[np.ndarray, "h w 3"], places: Float64[np.ndarray, "rays 2"]
) -> Float64[np.ndarray, "rays 3"]:
    """Colours of a picture that repeats, between its pixels."""
    height, width = picture.shape[:2]
    x = places[:, 0] * width - 0.5
    y = (1 - places[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right_share, low_share = (x - left)[:, None], (y - top)[:, None]

    def pixel(row: np.ndarray, col: np.ndarray) -> np.ndarray:
        return picture[row % height, col % width]

    upper = pixel(top, left) * (1 - right_share) + pixel(top, left + 1) * right_share
    lower = pixel(top + 1, left) * (1 - right_share) + pixel(top + 1, left + 1) * right_share
    return upper * (1 - low_share) + lower * low_share


def _brightness(
    normal: Float64[np.ndarray, "rays 3"], camera: Float64[np.ndarray, "4 4"], config: RenderConfig
) -> Float64[np.ndarray, " rays"]:
    """Linear light of a white surface, by three lamps and what comes from everywhere."""
    axes = camera[:3, :3] if config.light == "camera" else _cameras(config)[0, :3, :3]
    bright = AMBIENT * (0.75 + 0.25 * normal[:, 2])
    for towards, strength in LAMPS:
        lamp = axes @ (np.array(towards) / np.linalg.norm(towards))
        bright = bright + strength * (normal @ lamp).clip(0)
    return bright


def _averaged(
    values: Float64[np.ndarray, "rays d"], config: RenderConfig
) -> Float64[np.ndarray, "h w d"]:
    size, samples = config.size, config.samples
    return values.reshape(size, samples, size, samples, -1).mean(axis=(1, 3))


def _linear(colour: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """SRGB as linear light."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _screen(light: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3"]:
    """Linear light as sRGB; what is brighter than white is white."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
