"""What sequences a training sees. Free of torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from filmgrid.data.augment_config import AugmentConfig
from filmgrid.settings import Settings


class WorldData(Settings):
    """Scenes of the procedural world, as many as wanted."""

    kind: Literal["world"] = "world"
    split: Literal["train", "held_out", "all"] = "train"
    """train leaves out the combinations that are held out to measure on."""
    turntables: float = Field(default=0.5, ge=0, le=1)
    """Share of turntables among single images, and among sequences of the lengths that have any;
    the others are scenes of flat things."""
    turntable_frames: tuple[int, ...] = (24,)
    """Lengths of the sequences that may be turntables; single images always may."""
    size: int = Field(default=1_000_000_000, ge=1)
    """Different scenes before they repeat; few, to see what a small dataset does."""
    coarse: bool = False
    """Whether captions of sequences say only what a single image shows, as those of GRID's first
    stage, which a model for images wrote."""
    weight: float = Field(default=1.0, gt=0)
    """How often this source is drawn, relative to the others."""
    augment: AugmentConfig = AugmentConfig()
    """Changes to each sequence; the world needs none."""


class FolderData(Settings):
    """Sequences of a dataset that ``filmgrid dataset build`` made."""

    kind: Literal["folder"] = "folder"
    folder: Path
    """The dataset."""
    split: Literal["train", "held_out"] = "train"
    """Which side of it."""
    weight: float = Field(default=1.0, gt=0)
    """How often this source is drawn, relative to the others."""
    augment: AugmentConfig = AugmentConfig()
    """Changes to each sequence."""


Data = Annotated[WorldData | FolderData, Field(discriminator="kind")]
