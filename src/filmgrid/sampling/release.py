"""GriDiT's released sampler, defects and all, over any backbone: what ours is measured against.

Written from a description of its behaviour. Four things are wrong with it on purpose, each with a
switch: rows that stay are noised to the level before the one that they are shown at; guidance is
computed and changes nothing; three rows of four are context, so that each grid of 250 steps gives
four frames; and a second pass puts two rows between grids that follow each other at once, of which
one is thrown away, so that motion slows down and the length is not the one that was asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from filmgrid.grid.windows import RELEASE_STEPS
from filmgrid.process.flow import clean_from
from filmgrid.process.gaussian import ddpm
from filmgrid.sampling.loop import SampleState, VelocityOf


@dataclass(frozen=True, slots=True)
class Defects:
    """Which of the release's habits are on.

    Args:
        level_before: rows that stay are at the noise level before the one they are shown at.
        dead_guidance: every pass is computed for twice the sequences, and half is thrown away.
    """

    level_before: bool = True
    dead_guidance: bool = True


def respaced_timesteps(num_steps: int, num_timesteps: int = 1000) -> Int64[Tensor, " steps"]:
    """Timesteps of a shorter process, rising, evenly spread with both ends, as IDDPM takes them."""
    return torch.linspace(0, num_timesteps - 1, num_steps, dtype=torch.float64).round().long()


def ancestral(
    velocity_of: VelocityOf,
    noise: Float[Tensor, "b n c h w"],
    generator: torch.Generator,
    known: Float[Tensor, "b n c h w"] | None = None,
    keep: Bool[Tensor, " n"] | None = None,
    num_steps: int = RELEASE_STEPS,
    defects: Defects | None = None,
) -> Iterator[SampleState]:
    """Ancestral sampling of a variance-preserving process, cells that stay replaced after steps.

    The noise of each step, and that of each replacement, is new. Nothing is replaced after the
    last step, so that what stays is not quite what was given.

    Source: DDPM, arXiv:2006.11239, Eq. 6-7, with the posterior's variance, on the respaced linear
    schedule of GriDiT's release.

    Args:
        velocity_of: the backbone under its condition.
        noise: where it starts.
        generator: of all other noise, on the CPU.
        known: cells that stay.
        keep: which.
        num_steps: out of 1000.
        defects: which of the release's are on; all by default.
    """
    defects = defects or Defects()
    process = ddpm()
    times = respaced_timesteps(num_steps)
    sigmas = process.sigma_of(times)
    signal = process.signal[times]

    def fresh() -> Tensor:
        drawn = torch.randn(noise.shape, generator=generator)
        return drawn.to(noise.device)

    x = noise
    for done in range(num_steps):
        place = num_steps - 1 - done
        sigma = torch.full(noise.shape[:2], float(sigmas[place]), device=noise.device)
        noisy = process.from_vp(x, sigma)
        velocity = (
            _dead(velocity_of, noisy, sigma) if defects.dead_guidance else velocity_of(noisy, sigma)
        )
        clean = clean_from(noisy, velocity, sigma)
        now = float(signal[place])
        before = float(signal[place - 1]) if place else 1.0
        beta = 1 - now / before
        mean = (before**0.5 * beta * clean + (now / before) ** 0.5 * (1 - before) * x) / (1 - now)
        x = mean
        if place:
            x = mean + (beta * (1 - before) / (1 - now)) ** 0.5 * fresh()
            if known is not None and keep is not None:
                level = now if defects.level_before else before
                again = level**0.5 * known + (1 - level) ** 0.5 * fresh()
                x = torch.where(keep.to(x.device)[None, :, None, None, None], again, x)
        reached = float(sigmas[place - 1]) if place else 0.0
        levels = torch.full_like(sigma, reached)
        shown = process.from_vp(x, levels)
        yield SampleState(done + 1, num_steps, reached, shown, levels, clean)


def _dead(velocity_of: VelocityOf, noisy: Tensor, sigma: Tensor) -> Tensor:
    """The same twice, of which half is used: what guidance without a condition comes to."""
    first, second = velocity_of(noisy, sigma), velocity_of(noisy, sigma)
    return second + 4.0 * (first - second)
