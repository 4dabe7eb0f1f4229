"""How much worse frames are made for a network to mend. Free of torch."""

from typing import Self

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
