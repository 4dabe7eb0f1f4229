"""How meshes become turntables: one frozen model for the shell and Python. Free of torch."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from filmgrid.settings import Settings

SPHERE_FOV = 60.0
"""Horizontal angle in which cameras at a distance of 2 see the unit sphere whole."""


class RenderConfig(Settings):
    """Which meshes are seen by which cameras, in which light.

    Raises:
        ConfigError: if a key is unknown or missing, or a value does not fit.
    """

    meshes: tuple[Path, ...] = Field(min_length=1)
    """Meshes (.obj, .glb, .gltf, .ply, .stl, .off), or folders that hold any at any depth."""

    out: Path
    """Folder that gets one of frames for each mesh; what is there is not rendered again."""

    views: int = Field(default=24, ge=1)
    """Cameras, equally far from each other on a circle; 24 are GRID's."""

    turn: Literal["clockwise", "anticlockwise"] = "clockwise"
    """How the thing seems to turn, as seen from above."""

    first: float = Field(default=0.0, ge=-360, le=360)
    """Degrees that the thing is turned clockwise, as seen from above, in the first view; 180 for
    files whose front faces away."""

    moving: Literal["both", "camera", "thing"] = "both"
    """What moves from view to view. both: the camera, and the thing if its file has an animation,
    frame by view as in GRID's 4D data; camera: the thing stays at rest; thing: the camera stays
    where it sees the front."""

    animation: str | None = None
    """Name of the animation; by default the first of each file."""

    start: float | None = Field(default=None, ge=0)
    """Second of the animation that the first view shows; by default its beginning."""

    end: float | None = Field(default=None, gt=0)
    """Second that the view after the last would show; by default its end, where a loop begins
    again."""

    size: int = Field(default=256, ge=16)
    """Height and width of a frame, in pixels."""

    radius: float = Field(default=2.0, gt=1)
    """Distance of the cameras from the middle; the thing fills the unit sphere there."""

    fov: float = Field(default=SPHERE_FOV, gt=0, lt=180)
    """Angle of view in degrees; at 60 the unit sphere just fits."""

    elevation: float = Field(default=0.0, gt=-90, lt=90)
    """Degrees that the cameras stand above the thing; GRID's stand level with it."""

    up: Literal["y", "z"] = "y"
    """Axis of the files that points up; glTF's and most others' is y."""

    background: str = "black"
    """Colour behind: a name such as black, white or grey, or #RRGGBB."""

    light: Literal["camera", "world"] = "camera"
    """Whether the lamps stay with the camera, so that the thing turns in their light, or stay
    with the thing, as if one walked around it."""

    samples: int = Field(default=3, ge=1, le=8)
    """Rays along each side of a pixel."""

    caption: str | None = None
    """Caption written beside each folder, as text with {stem} and {turn}."""

    @field_validator("background")
    @classmethod
    def _background_is_a_colour(cls, value: str) -> str:
        colour_of(value)
        return value

    @model_validator(mode="after")
    def _animation_has_a_length(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(
                f"An animation from second {self.start:g} to {self.end:g} has no length. Let end "
                "lie after start."
            )
        given = [name for name in ("animation", "start", "end") if getattr(self, name) is not None]
        if self.moving == "camera" and given:
            raise ValueError(
                f"{given[0]} is set, and with moving camera the thing stays at rest. Use moving "
                "both or thing."
            )
        return self

    @field_validator("caption")
    @classmethod
    def _caption_has_known_fields(cls, value: str | None) -> str | None:
        for name in re.findall(r"\{(.*?)\}", value or ""):
            if name not in ("stem", "turn"):
                raise ValueError(f"{{{name}}} is not known in a caption. Use {{stem}} or {{turn}}.")
        return value


NAMED = {"black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255)}


def colour_of(text: str) -> tuple[int, int, int]:
    """Levels of red, green and blue.

    Raises:
        ValueError: if it is no colour.
    """
    if text in NAMED:
        return NAMED[text]
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} is no colour. Use {', '.join(NAMED)}, or #RRGGBB.")
    red, green, blue = (int(text[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue
