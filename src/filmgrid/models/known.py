"""Published pipelines that are known by a short name, with what their files do not say."""

from dataclasses import dataclass

NON_COMMERCIAL = "{licence}: not for commercial use without a licence from its maker."


@dataclass(frozen=True, slots=True)
class Known:
    """A pipeline on the Hub.

    Args:
        hub: its id there.
        licence: of the weights, an SPDX name where there is one.
        licence_note: what a user must know of it.
        num_steps: sampling steps that its makers recommend.
        guidance_scale: guidance that they recommend; 1 is none.
        about: for people who choose, a few words.
    """

    hub: str
    licence: str
    num_steps: int
    guidance_scale: float
    about: str
    licence_note: str = ""


_FLUX = "FLUX.1 [dev] Non-Commercial License"
_KLEIN_9B = "FLUX Non-Commercial License"

KNOWN: dict[str, Known] = {
    "flux2-klein-base-4b": Known(
        "black-forest-labs/FLUX.2-klein-base-4B",
        "Apache-2.0",
        50,
        4.0,
        "4B, undistilled; recommended for training",
    ),
    "flux2-klein-4b": Known(
        "black-forest-labs/FLUX.2-klein-4B", "Apache-2.0", 4, 1.0, "4B, distilled to 4 steps"
    ),
    "flux2-klein-base-9b": Known(
        "black-forest-labs/FLUX.2-klein-base-9B",
        _KLEIN_9B,
        50,
        4.0,
        "9B, undistilled",
        NON_COMMERCIAL.format(licence=_KLEIN_9B),
    ),
    "flux1-dev": Known(
        "black-forest-labs/FLUX.1-dev",
        _FLUX,
        28,
        3.5,
        "12B, the backbone of GRID's paper",
        NON_COMMERCIAL.format(licence=_FLUX),
    ),
    "flux1-schnell": Known(
        "black-forest-labs/FLUX.1-schnell", "Apache-2.0", 4, 1.0, "12B, distilled to 4 steps"
    ),
    "dit-xl-2-512": Known(
        "facebook/DiT-XL-2-512",
        "CC-BY-NC-4.0",
        50,
        4.0,
        "675M, classes of ImageNet instead of prompts; the beginning of GriDiT",
        NON_COMMERCIAL.format(licence="CC-BY-NC-4.0"),
    ),
    "z-image": Known("Tongyi-MAI/Z-Image", "Apache-2.0", 50, 5.0, "6B, undistilled"),
    "z-image-turbo": Known(
        "Tongyi-MAI/Z-Image-Turbo", "Apache-2.0", 8, 1.0, "6B, distilled to 8 steps"
    ),
}
"""By short name. Guidance of Z-Image counts from 1 here, and from 0 in diffusers."""


def known_by_hub(hub: str) -> Known | None:
    """What is known of a Hub id."""
    return next((known for known in KNOWN.values() if known.hub.lower() == hub.lower()), None)
