"""What can be asked of an upscaler. Free of torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from filmgrid.request.text import parse_upscale
from filmgrid.settings import Settings


class UpscaleRequest(Settings):
    """A clip to enlarge."""

    source: Path
    """Video, animation, folder of frames, grid or picture."""
    out: Path
    """File or folder to write; the name chooses the format."""
    by: int | Path = 2
    """How much: 2 or 4 times by the shipped network; as much as that of a .pth or .safetensors
    file does, such as Real-ESRGAN's; or as a model that was trained with super_resolution: its
    folder."""
    steps: int | None = Field(default=None, ge=1)
    """Sampling steps of such a model; by default its own."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of its noise, the same for all frames."""
    fps: float | None = Field(default=None, gt=0)
    """Frames per second of the output; by default the source's."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is CUDA, else MPS, else the CPU."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine multiplies it in hardware, else fp32."""

    @field_validator("by", mode="before")
    @classmethod
    def _upscale_can_be_done(cls, value: object) -> object:
        return parse_upscale(value)
