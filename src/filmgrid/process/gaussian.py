"""Variance-preserving diffusion models seen as flows.

A VP model (DDPM, DiT, GriDiT's checkpoints) knows ``x = alpha * clean + s * noise`` with
``alpha**2 + s**2 = 1`` at integer timesteps. Divided by ``alpha + s``, that is a point of the
straight path of :mod:`filmgrid.process.flow` at ``sigma = s / (alpha + s)``, so one sampler
serves both kinds. An Euler step on the velocities below is a DDIM step with eta 0.

``alpha`` and ``s`` follow from ``sigma`` alone; the betas only say which timestep has which
sigma, and how far the model was trained.
"""

from functools import cache

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from filmgrid.errors import ConfigError
from filmgrid.process.flow import Sigma, expand_sigma, velocity_from_clean


class VariancePreserving:
    """The noise levels of a discrete variance-preserving process, and its change of coordinates.

    Timestep 0 is the least noisy one the model was trained on, not clean data: ``sigma_min`` is
    above 0. A sampler ends at sigma 0, which is diffusers' ``set_alpha_to_one=True``; ending at
    ``sigma_min`` instead is ``set_alpha_to_one=False``.

    Args:
        alphas_cumprod: ``alpha**2`` of each timestep, falling, in [0, 1).

    Raises:
        ConfigError: if the values do not fall, or leave [0, 1).
    """

    def __init__(self, alphas_cumprod: Float[Tensor, " num_timesteps"]) -> None:
        signal = alphas_cumprod.double().cpu()
        in_range = bool((signal >= 0).all() and (signal < 1).all())
        if len(signal) < 2 or not in_range or not bool((signal.diff() < 0).all()):
            raise ConfigError(
                "These alphas_cumprod are not a noise schedule. Give at least two values in "
                "[0, 1), each smaller than the one before."
            )
        alpha, s = signal.sqrt(), (1 - signal).sqrt()
        self.sigmas: Float64[Tensor, " num_timesteps"] = s / (alpha + s)

    @classmethod
    def from_betas(cls, betas: Float[Tensor, " num_timesteps"]) -> "VariancePreserving":
        """Build the process from the variance that each forward step adds, in (0, 1]."""
        return cls((1 - betas.double()).cumprod(0))

    @classmethod
    def linear(
        cls, num_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 2e-2
    ) -> "VariancePreserving":
        """Evenly spaced betas: the schedule of DDPM, DiT and GriDiT.

        Source: DDPM, arXiv:2006.11239, section 4.
        """
        return cls.from_betas(
            torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float64)
        )

    @property
    def signal(self) -> Float64[Tensor, " num_timesteps"]:
        """``alpha**2`` of each timestep: ``alphas_cumprod`` of diffusers."""
        return ((1 - self.sigmas) / torch.hypot(1 - self.sigmas, self.sigmas)) ** 2

    @property
    def num_timesteps(self) -> int:
        """Number of discrete noise levels."""
        return len(self.sigmas)

    @property
    def sigma_min(self) -> float:
        """Sigma of timestep 0."""
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        """Sigma of the last timestep: where sampling from noise starts."""
        return float(self.sigmas[-1])

    def sigma_of(self, timestep: int | Int64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
        """Noise level of a timestep.

        Args:
            timestep: from 0 to ``num_timesteps - 1``.

        Raises:
            ConfigError: if the process has no such timestep.
        """
        index = torch.as_tensor(timestep)
        if bool(((index < 0) | (index >= self.num_timesteps)).any()):
            raise ConfigError(
                f"Timesteps {int(index.min())} to {int(index.max())} are not all in this process. "
                f"Use 0 to {self.num_timesteps - 1}."
            )
        return self.sigmas.to(index.device)[index]

    def fractional_timestep_of(
        self, sigma: float | Float[Tensor, "*shape"]
    ) -> Float64[Tensor, "*shape"]:
        """Timestep of a noise level, straight between the two discrete ones around it.

        For networks that embed real-valued timesteps. Levels outside the trained range, such as
        the 0 of a kept cell, get the timestep at that end.

        Args:
            sigma: noise level in [0, 1].
        """
        below, share = self._place_of(sigma)
        return below + share

    def timestep_of(self, sigma: float | Float[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
        """Discrete timestep whose sigma is nearest; the inverse of :meth:`sigma_of`.

        Levels outside the trained range get the timestep at that end.

        Args:
            sigma: noise level in [0, 1].
        """
        below, share = self._place_of(sigma)
        return torch.where(share > 0.5, below + 1, below)

    def to_vp(self, noisy: Float[Tensor, "b n c h w"], sigma: Sigma) -> Float[Tensor, "b n c h w"]:
        """Latents as the network expects them: ``x = noisy * (alpha + s)``."""
        return (noisy / _norm(expand_sigma(sigma, noisy))).to(noisy.dtype)

    def from_vp(self, x: Float[Tensor, "b n c h w"], sigma: Sigma) -> Float[Tensor, "b n c h w"]:
        """Latents on the straight path: ``noisy = x / (alpha + s)``; undoes :meth:`to_vp`."""
        return (x * _norm(expand_sigma(sigma, x))).to(x.dtype)

    def velocity_from_noise_prediction(
        self, noisy: Float[Tensor, "b n c h w"], noise: Float[Tensor, "b n c h w"], sigma: Sigma
    ) -> Float[Tensor, "b n c h w"]:
        """Velocity of a network that predicts noise: ``(noise - noisy) / (1 - sigma)``.

        At pure noise such a network says nothing about the clean latents, which is why ``sigma``
        must stay within the trained range.

        Args:
            noisy: latents on the straight path at ``sigma``.
            noise: predicted noise.
            sigma: noise level, at most :attr:`sigma_max` and below 1.

        Raises:
            ConfigError: if ``sigma`` is above the trained range, or 1.
        """
        level = expand_sigma(sigma, noisy)
        usable, highest = float(self.sigmas[self.sigmas < 1][-1]), float(level.max())
        if highest > usable + 1e-6:  # a float32 sigma may be rounded up
            raise ConfigError(
                f"This model predicts noise and is of use up to sigma {usable:.4f}, not "
                f"{highest:.4f}. Start there."
            )
        return ((noise - noisy) / (1 - level)).to(noisy.dtype)

    def velocity_from_clean_prediction(
        self, noisy: Float[Tensor, "b n c h w"], clean: Float[Tensor, "b n c h w"], sigma: Sigma
    ) -> Float[Tensor, "b n c h w"]:
        """Velocity of a network that predicts clean latents: they are the same for both paths."""
        return velocity_from_clean(noisy, clean, sigma)

    def velocity_from_v_prediction(
        self, noisy: Float[Tensor, "b n c h w"], v: Float[Tensor, "b n c h w"], sigma: Sigma
    ) -> Float[Tensor, "b n c h w"]:
        """Velocity of a network that predicts ``v = alpha * noise - s * clean``.

        ``(s - alpha) * x + (alpha + s) * v``: defined at every sigma, 0 and 1 included.

        Source: progressive distillation, arXiv:2202.00512, appendix D.
        """
        level = expand_sigma(sigma, noisy)
        norm = _norm(level)
        return ((2 * level - 1) / norm**2 * noisy + v / norm).to(noisy.dtype)

    def _place_of(
        self, sigma: float | Float[Tensor, "*shape"]
    ) -> tuple[Int64[Tensor, "*shape"], Float64[Tensor, "*shape"]]:
        """Timestep below a level, and how far from there to the next one, in [0, 1]."""
        level = torch.as_tensor(sigma, dtype=torch.float64)
        table = self.sigmas.to(level.device)
        above = torch.searchsorted(table, level.contiguous()).clamp(1, self.num_timesteps - 1)
        low, high = table[above - 1], table[above]
        return above - 1, ((level - low) / (high - low)).clamp(0, 1)


@cache
def ddpm() -> VariancePreserving:
    """The process of DDPM, DiT and GriDiT."""
    return VariancePreserving.linear()


def _norm(level: Float[Tensor, "b n 1 1 1"]) -> Float[Tensor, "b n 1 1 1"]:
    """``1 / (alpha + s)``, because ``alpha = (1 - sigma) / norm`` and ``s = sigma / norm``."""
    return torch.hypot(1 - level, level)
