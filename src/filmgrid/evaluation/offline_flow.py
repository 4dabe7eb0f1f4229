"""Optical flow without weights, as an instrument that states what it is."""

import numpy as np
from jaxtyping import Float32

from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement
from filmgrid.metrics.flow import dis_flow
from filmgrid.types import FrameArray


class OfflineFlow:
    """Dense inverse search (:func:`filmgrid.metrics.flow.dis_flow`) on frames as they are."""

    def __init__(self) -> None:
        self.statement = Statement(
            name="offline-flow",
            preprocessing=Preprocessing(
                frames=FrameChoice(at_least=2), resize=(Resize(mode="inside"),)
            ),
            layer="DIS, medium preset, finest scale 0",
            dim=2,
            unit="frame",
        )

    def __call__(
        self, frames: FrameArray
    ) -> tuple[Float32[np.ndarray, "steps h w 2"], Float32[np.ndarray, "steps h w 2"]]:
        """Flow from each frame to the next, and from each next frame back."""
        return dis_flow(frames)
