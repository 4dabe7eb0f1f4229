"""How much worse frames are made for a network to mend. Free of torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from filmgrid.settings import Settings


class DegradeConfig(Settings):
    """Sequences that the network is shown worse than they are, so that it learns to mend them.

    What is noised is then the degraded sequence, and what is to be painted the sharp one, as when
    a sequence is restored: one of blur, flat blocks, coarse pixels and grain, its amount drawn from
    0 to the largest. Kept cells stay sharp.
    """

    probability: float = Field(default=0.0, ge=0, le=1)
    """Share of sequences that are degraded."""
    least_sigma: float = Field(default=0.2, gt=0, lt=1)
    """Lowest noise level they are seen at; all up to most_sigma are alike likely."""
    most_sigma: float = Field(default=0.9, gt=0, le=1)
    """Highest noise level; above it nothing of the degraded frames is left to mend."""
    blur: float = Field(default=0.06, ge=0, le=0.5)
    """Largest standard deviation of the blur, as a share of the frame's smaller side."""
    hidden: float = Field(default=0.5, ge=0, le=1)
    """Largest share of a frame under blocks of one colour."""
    coarse: int = Field(default=4, ge=1)
    """Largest side of a coarse pixel, in pixels."""
    grain: float = Field(default=64.0, ge=0)
    """Largest standard deviation of the grain, in levels of 255."""

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> Self:
        if self.least_sigma > self.most_sigma:
            raise ValueError(
                f"least_sigma {self.least_sigma:g} is above most_sigma {self.most_sigma:g}. "
                "Exchange them."
            )
        return self


class SuperResolutionConfig(Settings):
    """What makes a training one of super-resolution: large frames from small ones.

    The network is given the small frame, enlarged without it, in channels of its own, and paints
    what is added to it. A share of the small frames is degraded as in GriDiT's second stage; the
    others are clean, so that good frames are not made worse.

    Source: systems.md, 2.5: bicubic down and up, noise of 10 to 15 levels, then half of them
    blurred by kernels of 9 to 15 px, whose standard deviations are 1.7 to 2.6 px.
    """

    factor: Literal[2, 4] = 4
    """How many times as high and wide the large frames are."""
    frame: int | None = Field(default=None, ge=8)
    """Side of the frames of the data in pixels, if cell is that of crops cut out of them."""
    degraded: float = Field(default=0.5, ge=0, le=1)
    """Share of sequences whose small frames are degraded; GriDiT has 1."""
    least_noise: float = Field(default=10.0, ge=0)
    """Least standard deviation of their noise, in levels of 255, after they were enlarged."""
    most_noise: float = Field(default=15.0, ge=0)
    """Most of it."""
    blurred: float = Field(default=0.5, ge=0, le=1)
    """Share of them that is blurred after that."""
    least_blur: float = Field(default=1.7, ge=0)
    """Least standard deviation of the blur, in pixels of the large frame."""
    most_blur: float = Field(default=2.6, ge=0)
    """Most of it."""

    @model_validator(mode="after")
    def _amounts_are_in_order(self) -> Self:
        for name in ("noise", "blur"):
            least, most = getattr(self, f"least_{name}"), getattr(self, f"most_{name}")
            if least > most:
                raise ValueError(
                    f"least_{name} {least:g} is above most_{name} {most:g}. Exchange them."
                )
        return self
