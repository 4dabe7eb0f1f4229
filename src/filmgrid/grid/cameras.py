"""Turntable cameras around an object at the origin, and their export. Free of torch.

A camera is a 4x4 camera-to-world matrix with OpenGL axes: the columns are where the camera's
right, up and backward directions and its place lie in a world whose up is Z. It looks along
its own -Z, as nerfstudio, Blender and instant-ngp expect.

GRID's Table 5 prints OpenCV axes instead: X right, Y *down* (so it lies along the world's -Z)
and Z forward. The right vector is the same; the other two have the opposite sign.

Source: GRID, arXiv:2412.10718, appendix A.9 and Table 5.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from filmgrid.errors import ConfigError, MediaError

Cameras = Float64[np.ndarray, "views 4 4"]
"""Camera-to-world matrices, OpenGL axes, world units."""


def turntable_cameras(
    num_views: int = 24, radius: float = 2.0, step_degrees: float | None = None
) -> Cameras:
    """Place cameras on a horizontal circle, each looking at the origin.

    The first stands at ``(0, -radius, 0)``, the front; the next ones go counter-clockwise seen
    from above, so that the object seems to turn clockwise.

    Args:
        num_views: number of cameras, at least 1.
        radius: distance from the origin in world units, above 0; GRID's is 2.
        step_degrees: angle between neighbours; by default they share the full circle, 15 degrees
            for 24 views as GRID's text has it.

    Raises:
        ConfigError: if there is no view, or the circle has no radius.
    """
    if num_views < 1 or not (math.isfinite(radius) and radius > 0):
        raise ConfigError(
            f"{num_views} cameras on a circle of radius {radius} see nothing. "
            "Use at least 1 camera and a radius above 0, for example 24 and 2."
        )
    step = 360 / num_views if step_degrees is None else step_degrees
    angle = np.deg2rad(step * np.arange(num_views))
    sin, cos = np.sin(angle), np.cos(angle)
    cameras = np.zeros((num_views, 4, 4))
    cameras[:, :3, 0] = np.stack([cos, sin, 0 * angle], axis=1)
    cameras[:, :3, 1] = (0, 0, 1)
    cameras[:, :3, 2] = np.stack([sin, -cos, 0 * angle], axis=1)
    cameras[:, :3, 3] = radius * cameras[:, :3, 2]
    cameras[:, 3, 3] = 1
    return cameras


def printed_table5_cameras() -> Cameras:
    """GRID's Table 5 as printed, which is not what the paper's text describes.

    Its 24 cameras are 360/23 degrees apart, so the last repeats the first, and they stand in the
    lexicographic order of file names, ``0, 1, 10, 11, …, 2, 20, …``: row 17 is the repeat and
    row 13 the third view of the circle. For views in order use :func:`turntable_cameras`.
    """
    file_order = sorted(range(24), key=str)
    return turntable_cameras(24, step_degrees=360 / 23)[file_order]


def transforms_json(
    cameras: Cameras,
    *,
    width: int,
    height: int,
    fov_degrees: float,
    file_names: Sequence[str],
) -> dict[str, Any]:
    """Describe views as nerfstudio's and instant-ngp's ``transforms.json``.

    The lens is a pinhole with square pixels and its centre in the middle of the picture.

    Args:
        cameras: camera-to-world matrices, OpenGL axes.
        width: width of every view in pixels.
        height: height of every view in pixels.
        fov_degrees: horizontal angle of view, between 0 and 180. GRID names none; renders of
            Objaverse often have 49.1 (a 35 mm lens on a 32 mm sensor).
        file_names: one picture per camera, relative to the file, with forward slashes.

    Returns:
        What :func:`write_transforms` writes, ready for ``json``.

    Raises:
        ConfigError: if the sizes, the angle or the number of pictures cannot be.
    """
    if width < 1 or height < 1 or not 0 < fov_degrees < 180:
        raise ConfigError(
            f"A picture of {height}x{width} px with a horizontal angle of view of {fov_degrees} "
            "degrees has no lens. Use at least 1x1 px and an angle between 0 and 180, often 40 to "
            "60."
        )
    if len(file_names) != len(cameras):
        raise ConfigError(
            f"{len(file_names)} pictures do not match {len(cameras)} cameras. "
            "Give one picture per camera, in the cameras' order."
        )
    focal = width / 2 / math.tan(math.radians(fov_degrees) / 2)
    return {
        "camera_model": "OPENCV",
        "camera_angle_x": math.radians(fov_degrees),
        "camera_angle_y": 2 * math.atan(height / 2 / focal),
        "fl_x": focal,
        "fl_y": focal,
        "cx": width / 2,
        "cy": height / 2,
        "w": width,
        "h": height,
        "frames": [
            {"file_path": name, "transform_matrix": camera.tolist()}
            for name, camera in zip(file_names, cameras, strict=True)
        ],
    }


def write_transforms(path: Path, transforms: dict[str, Any]) -> None:
    """Write :func:`transforms_json`'s description; the file appears whole or not at all.

    Raises:
        MediaError: if the place cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(transforms, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise MediaError(
            f"Cannot write the cameras to {path}: {error.strerror}. Choose another place."
        ) from error
