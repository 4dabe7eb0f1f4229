"""How far augmentation may go. Free of torch."""

from pydantic import Field

from filmgrid.settings import Settings


class AugmentConfig(Settings):
    """How far a sequence may be moved; every amount is the largest, and 0 turns it off."""

    flip: float = Field(default=0.0, ge=0, le=1)
    """Probability of a mirror image, left to right. Captions that name a side become wrong."""

    flip_grid: float = Field(default=0.0, ge=0, le=1)
    """Probability of a mirror image of the whole grid, which also turns around the order of the
    frames in each row. It is GriDiT's release, to compare with; flip is what one wants."""

    reverse: float = Field(default=0.0, ge=0, le=1)
    """Probability that time runs backwards."""

    hue: float = Field(default=0.0, ge=0, le=180)
    """Turn of the colour circle, in degrees."""

    saturation: float = Field(default=0.0, ge=0, le=1)
    """Change of the distance from grey: 0.5 allows factors from 0.5 to 1.5."""

    contrast: float = Field(default=0.0, ge=0, le=1)
    """Change of the contrast: 0.5 allows factors from 0.5 to 1.5."""

    brightness: float = Field(default=0.0, ge=0, le=1)
    """Shift of the brightness, as a share of the whole range from black to white."""

    invert: float = Field(default=0.0, ge=0, le=1)
    """Probability that dark and light change places."""

    scale: float = Field(default=0.0, ge=0, lt=1)
    """Zoom: 0.25 allows factors from 1 / 1.25 to 1.25."""

    shift: float = Field(default=0.0, ge=0, le=0.5)
    """Shift to any side, as a share of the frame's side."""

    rotate: float = Field(default=0.0, ge=0, le=180)
    """Turn in the picture plane, in degrees."""

    shear: float = Field(default=0.0, ge=0, le=0.5)
    """Slant, as the tangent of its angle."""
