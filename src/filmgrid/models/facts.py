"""What a backbone states about itself. Free of torch, so that plans need no weights."""

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from filmgrid.grid.prompts import Wording
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.process.resolution import flux2_mu, flux_mu, layout_shift


class BackboneFacts(BaseModel):
    """Sizes, defaults and limits of a backbone; saved beside its weights as ``filmgrid.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    family: str
    """Which code reads the weights: ``mini``, ``flux``, ``flux2``, ``z-image`` or ``dit``."""

    name: str
    """Name of the model, for people."""

    layout: str
    """Layout that is generated when none is asked for, ROWSxCOLS."""

    trained_layouts: tuple[str, ...]
    """Layouts that the model was trained on; none for a model of single images."""

    cell: tuple[int, int]
    """Height and width of a cell in pixels when none are asked for."""

    stride: int = Field(ge=1)
    """Pixels per token side; cell sides must be multiples of it."""

    canvas: tuple[int, int] | None = None
    """Height and width in pixels of the only grid that it paints; None where any will do."""

    predicts: Literal["velocity", "noise"] = "velocity"
    """What it learned: the velocity of a flow, or the noise at the 1000 timesteps of DDPM."""

    scheduler: dict[str, Any] = {}
    """Settings of diffusers' scheduler of a model that predicts noise, where they are not the
    defaults: which timesteps few steps visit."""

    sigma_max: float = Field(default=1.0, gt=0, le=1)
    """Highest noise level that it was trained at, where sampling starts."""

    has_text: bool
    """Whether prompts mean anything to it; without, no guidance is computed."""

    per_cell_sigma: bool
    """Whether it was trained with clean cells among noisy ones, each with its own sigma."""

    wording: Wording = Wording.PREFIX
    """How prompts describe the layout to it."""

    upscaler: str | None = None
    """Name or folder of the upscaler that doubles what the network paints: a token then covers
    twice the pixels. None where it paints the pixels themselves."""

    super_resolution: int | None = None
    """How many times it enlarges frames, if that is what it does: it is given small ones. Its cell
    is then that of the tiles that larger frames are cut into."""

    coding: Literal["cells", "grid"] = "cells"
    """Whether cells are coded to latents one by one, or all of a grid as one picture."""

    text_length: int | None = None
    """Most tokens of a prompt, where a tokenizer counts them."""

    num_steps: int = Field(default=25, ge=1)
    """Sampling steps when none are asked for."""

    guidance_scale: float = 1.0
    """Guidance when none is asked for; 1 is none."""

    guidance: Literal["two-pass", "embedded"] = "two-pass"
    """How guidance comes about: by a second pass with the null prompt, or as a number that the
    network reads beside the noise level."""

    shift: float = Field(default=1.0, gt=0)
    """Shift of its sigma schedule, for the default layout if it follows the cells."""

    shift_rule: Literal["cells", "fixed", "flux", "flux2"] = "cells"
    """What the shift follows: the number of cells, nothing, or the number of image tokens as
    FLUX.1 and FLUX.2 have it."""

    shift_line: tuple[int, int, float, float] = (256, 4096, 0.5, 1.15)
    """FLUX.1's rule: two numbers of tokens, and the logarithm of the shift at each."""

    fps: float = Field(default=8.0, gt=0)
    """Frames per second of its sequences."""

    licence: str = "unknown"
    """Licence of the weights, an SPDX name where there is one."""

    licence_note: str = ""
    """What a user must know of it, one sentence."""

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

    def cell_of(self, layout: Layout) -> CellSize:
        """Size of a cell when none is asked for, in pixels, at a layout."""
        if self.canvas is None:
            return self.default_cell
        return CellSize(self.canvas[0] // layout.rows, self.canvas[1] // layout.cols)

    @property
    def is_pretrained(self) -> bool:
        """Whether it is another one's pipeline, with a text encoder and a codec of its own."""
        return self.family != "mini"

    @property
    def licence_sentence(self) -> str:
        """What is said once when the model loads."""
        return f"{self.name}: licence {self.licence}. {self.licence_note}".rstrip()

    def num_tokens(self, layout: Layout, cell: CellSize) -> int:
        """Image tokens of a grid."""
        return layout.num_cells * (cell.height // self.stride) * (cell.width // self.stride)

    def shift_of(self, layout: Layout, cell: CellSize, num_steps: int) -> float:
        """Shift of the schedule for what is generated.

        Args:
            layout: of the grid.
            cell: size of a frame in pixels.
            num_steps: of the whole schedule.
        """
        num_tokens = self.num_tokens(layout, cell)
        match self.shift_rule:
            case "fixed":
                return self.shift
            case "cells":
                return self.shift * layout_shift(layout.num_cells, self.default_layout.num_cells)
            case "flux":
                return math.exp(flux_mu(num_tokens, *self.shift_line))
            case "flux2":
                return math.exp(flux2_mu(num_tokens, num_steps))
