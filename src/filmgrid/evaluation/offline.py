"""Features that need no download, so that anyone can compare runs offline.

Their distances compare sets made and measured in the same way. They are not FVD, and say nothing
of objects or actions: two sets may be close here and look different.
"""

from typing import Literal, get_args

from filmgrid.errors import ConfigError
from filmgrid.evaluation.features import Extractor
from filmgrid.evaluation.spec import FrameChoice

OfflineName = Literal["offline-colour", "offline-gradients", "offline-motion", "offline-random"]
"""What each is, sees and cannot see: its module."""


def offline_features(name: OfflineName, frames: FrameChoice | None = None) -> Extractor:
    """One of the extractors without download.

    Args:
        name: ``offline-colour``, ``offline-gradients``, ``offline-motion`` or ``offline-random``.
        frames: which frames are looked at, all by default.

    Raises:
        ConfigError: if there is no such extractor.
    """
    if name == "offline-colour":
        from filmgrid.evaluation.offline_colour import ColourFeatures

        return ColourFeatures(frames)
    if name == "offline-gradients":
        from filmgrid.evaluation.offline_gradients import GradientFeatures

        return GradientFeatures(frames)
    if name == "offline-motion":
        from filmgrid.evaluation.offline_motion import MotionFeatures

        return MotionFeatures(frames)
    if name == "offline-random":
        from filmgrid.evaluation.offline_random import RandomFeatures

        return RandomFeatures(frames=frames)
    raise ConfigError(
        f"There are no offline features {name!r}. Name one of {', '.join(get_args(OfflineName))}."
    )
