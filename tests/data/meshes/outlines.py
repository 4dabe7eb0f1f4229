"""Outlines of triangles, drawn as polygons and without any ray."""

import numpy as np
from PIL import Image, ImageDraw

FINE = 8
"""How much finer than a pixel they are drawn."""


def outlines(poses, cameras, size, fov):
    """Share of each pixel that triangles cover, for each camera.

    Args:
        poses: corners and faces of the parts that each camera sees.
        cameras: one for each.
        size: pixels of a side.
        fov: degrees.
    """
    masks = []
    for parts, camera in zip(poses, cameras, strict=True):
        canvas = Image.new("L", (size * FINE, size * FINE))
        draw = ImageDraw.Draw(canvas)
        for corners, faces in parts:
            seen = (corners - camera[:3, 3]) @ camera[:3, :3]
            focal = 0.5 / np.tan(np.deg2rad(fov / 2))
            at = np.stack(
                [0.5 - focal * seen[:, 0] / seen[:, 2], 0.5 + focal * seen[:, 1] / seen[:, 2]]
            )
            for face in faces:
                draw.polygon(
                    [tuple(at[:, corner] * size * FINE - 0.5) for corner in face], fill=255
                )
        fine = np.asarray(canvas, np.float64) / 255
        masks.append(fine.reshape(size, FINE, size, FINE).mean(axis=(1, 3)))
    return np.stack(masks)


def overlaps(one, two):
    """Intersection over union of soft masks, for each view."""
    return np.minimum(one, two).sum((1, 2)) / np.maximum(one, two).sum((1, 2))
