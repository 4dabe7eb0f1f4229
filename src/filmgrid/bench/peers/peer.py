"""What is said once of each peer: its pipeline, its parts, and how it is called. Torch-free."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from filmgrid.bench.config import ClipSize
from filmgrid.models.published.parts import Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Size:
    """A peer at one size: the published one, or a tiny one.

    Args:
        parts: its components.
        clip: frames, height and width that it makes when nothing else is asked for.
        steps: sampling steps when nothing else is asked for.
        call: other arguments of its call.
    """

    parts: Callable[[], Mapping[str, Part]]
    clip: ClipSize
    steps: int
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A pipeline of diffusers.

    Args:
        pipeline: name of its class in diffusers.
        source: whose architecture the published size is.
        published: as released.
        tiny: the same classes, small enough for a test.
        tokens: places in the latents that its denoiser sees, of which its first argument is.
        denoisers: names of the components that are called in every step.
        has_frames: whether it takes ``num_frames``; else it makes one image.
        needs_image: whether it starts from an image instead of words.
    """

    pipeline: str
    source: str
    published: Size
    tiny: Size
    tokens: Callable[["Tensor", Any], int]
    denoisers: tuple[str, ...] = ("transformer",)
    has_frames: bool = True
    needs_image: bool = False


def sequence_tokens(latents: "Tensor", denoiser: Any) -> int:
    """Tokens of latents that are packed already: ``b tokens channels``."""
    return latents.shape[1]


def positions(latents: "Tensor", denoiser: Any) -> int:
    """Latent positions, for networks without tokens: ``b c f h w`` or ``b f c h w``."""
    return latents[0].numel() // denoiser.config["in_channels"]


def patched_tokens(latents: "Tensor", denoiser: Any) -> int:
    """Tokens of images whose patches the denoiser makes: ``b channels frames height width``."""
    patch = denoiser.config.all_patch_size[0]
    return latents.shape[-2] * latents.shape[-1] // patch**2
