"""What a backbone states about itself. Free of torch, so that plans need no weights."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout


class BackboneFacts(BaseModel):
    """Sizes, defaults and limits of a backbone; saved beside its weights as ``filmgrid.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    family: str
    """Which code reads the weights: ``mini``."""

    name: str
    """Name of the model, for people."""

    layout: str
    """Layout that is generated when none is asked for, ROWSxCOLS."""

    trained_layouts: tuple[str, ...]
    """Layouts that the model was trained on."""

    cell: tuple[int, int]
    """Height and width of a cell in pixels when none are asked for."""

    stride: int = Field(ge=1)
    """Pixels per token side; cell sides must be multiples of it."""

    has_text: bool
    """Whether prompts mean anything to it; without, no guidance is computed."""

    per_cell_sigma: bool
    """Whether it was trained with clean cells among noisy ones, each with its own sigma."""

    wording: Wording = Wording.PREFIX
    """How prompts describe the layout to it."""

    upscaler: str | None = None
    """Name or folder of the upscaler that doubles what the network paints: a token then covers
    twice the pixels. None where it paints the pixels themselves."""

    num_steps: int = Field(default=25, ge=1)
    """Sampling steps when none are asked for."""

    guidance_scale: float = 1.0
    """Guidance when none is asked for; 1 is none."""

    shift: float = Field(default=1.0, gt=0)
    """Shift of its sigma schedule."""

    fps: float = Field(default=8.0, gt=0)
    """Frames per second of its sequences."""

    licence: str = "unknown"
    """Licence of the weights, an SPDX name where there is one."""

    training: dict[str, Any] = {}
    """Configuration and progress of the training that made the weights."""

    versions: dict[str, str] = {}
    """Versions of the software that wrote the weights."""

    @property
    def default_layout(self) -> Layout:
        """Layout that is generated when none is asked for."""
        return Layout.parse(self.layout)

    @property
    def default_cell(self) -> CellSize:
        """Size of a cell when none is asked for, in pixels."""
        return CellSize(*self.cell)
