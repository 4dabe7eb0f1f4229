"""Rectified flow: the straight path between clean latents and noise.

``noisy = (1 - sigma) * clean + sigma * noise`` and ``velocity = noise - clean``, with
``sigma`` 0 for clean and 1 for pure noise. Of clean, noise, noisy and velocity any two,
with ``sigma``, give the others; each function here is one of those lines.

Latents are cells, ``b n c h w``: sequences, cells, channels, cell height, cell width.
``sigma`` is a number, or a tensor with one value for all, per sequence or per cell.
Results have the dtype of the latents; the arithmetic is done in float32 or better, because
bfloat16 cannot tell neighbouring sigmas of a long schedule apart.

Source: rectified flow (Liu et al., arXiv:2209.03003) in FLUX's direction; GRID,
arXiv:2412.10718, Eq. 2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from filmgrid.errors import ShapeError

Sigma = float | Float[Tensor, ""] | Float[Tensor, " b"] | Float[Tensor, "b n"]
"""Noise level in [0, 1], for all sequences, for each sequence, or for each cell."""


def expand_sigma(
    sigma: float | Tensor, like: Float[Tensor, "b n c h w"]
) -> Float[Tensor, "b n 1 1 1"]:
    """Give every cell its noise level, ready to multiply latents.

    Args:
        sigma: noise level in [0, 1].
        like: latents that set the sizes, the device and a dtype of at least float32.

    Raises:
        ShapeError: if there is neither one sigma, nor one per sequence, nor one per cell.
    """
    batch, num_cells = like.shape[:2]
    dtype = torch.promote_types(like.dtype, torch.float32)
    levels = torch.as_tensor(sigma, dtype=dtype, device=like.device)
    if levels.shape not in {(), (batch,), (batch, num_cells)}:
        raise ShapeError(
            f"Sigma of shape {tuple(levels.shape)} does not fit {batch} sequences of {num_cells} "
            f"cells. Give one number, {batch} (one per sequence) or {batch}x{num_cells} (one per "
            "cell)."
        )
    if levels.ndim == 1:
        levels = levels[:, None]
    return levels.expand(batch, num_cells)[:, :, None, None, None]


def add_noise(
    clean: Float[Tensor, "b n c h w"], noise: Float[Tensor, "b n c h w"], sigma: Sigma
) -> Float[Tensor, "b n c h w"]:
    """Noise clean latents: ``(1 - sigma) * clean + sigma * noise``.

    Args:
        clean: latents.
        noise: standard normal.
        sigma: noise level in [0, 1].
    """
    level = expand_sigma(sigma, clean)
    return ((1 - level) * clean + level * noise).to(clean.dtype)


def velocity_of(
    clean: Float[Tensor, "b n c h w"], noise: Float[Tensor, "b n c h w"]
) -> Float[Tensor, "b n c h w"]:
    """Direction of the path, what a flow model learns to predict: ``noise - clean``."""
    return noise - clean


def clean_from(
    noisy: Float[Tensor, "b n c h w"], velocity: Float[Tensor, "b n c h w"], sigma: Sigma
) -> Float[Tensor, "b n c h w"]:
    """Clean end of the path: ``noisy - sigma * velocity``."""
    return (noisy - expand_sigma(sigma, noisy) * velocity).to(noisy.dtype)


def noise_from(
    noisy: Float[Tensor, "b n c h w"], velocity: Float[Tensor, "b n c h w"], sigma: Sigma
) -> Float[Tensor, "b n c h w"]:
    """Noise end of the path: ``noisy + (1 - sigma) * velocity``."""
    return (noisy + (1 - expand_sigma(sigma, noisy)) * velocity).to(noisy.dtype)


def velocity_from_clean(
    noisy: Float[Tensor, "b n c h w"], clean: Float[Tensor, "b n c h w"], sigma: Sigma
) -> Float[Tensor, "b n c h w"]:
    """Velocity of a model that predicts clean latents: ``(noisy - clean) / sigma``.

    A cell at ``sigma`` 0 has arrived: its velocity is 0 instead of 0 / 0.

    Args:
        noisy: latents at ``sigma``.
        clean: predicted clean latents.
        sigma: noise level in [0, 1].
    """
    level = expand_sigma(sigma, noisy)
    moving = level > 0
    # The inner where keeps the gradient of the unused branch finite as well.
    velocity = (noisy - clean) / torch.where(moving, level, 1)
    return torch.where(moving, velocity, 0).to(noisy.dtype)


def noise_further(
    noisy: Float[Tensor, "b n c h w"],
    noise: Float[Tensor, "b n c h w"],
    sigma: Sigma,
    higher: Sigma,
) -> Float[Tensor, "b n c h w"]:
    """Noise latents from one level up to another, as if they had been noised there at once.

    With ``share = (1 - higher) / (1 - sigma)``:
    ``share * noisy + sqrt(higher**2 - share**2 * sigma**2) * noise``. The share of what is clean
    becomes that of the higher level, and independent noise fills its variance up.

    Source: RePaint, arXiv:2201.09865, Eq. 1, from a level to one far from it and for flows.

    Args:
        noisy: latents at ``sigma``.
        noise: standard normal, independent of that in ``noisy``.
        sigma: noise level now, in [0, 1].
        higher: noise level to reach, at least ``sigma``; where they are the same nothing changes.
    """
    low, high = expand_sigma(sigma, noisy), expand_sigma(higher, noisy)
    # Pure noise has no clean share left, and stays.
    share = torch.where(low < 1, (1 - high) / torch.where(low < 1, 1 - low, 1), 1)
    spread = (high**2 - (share * low) ** 2).clamp(min=0).sqrt()
    return (share * noisy + spread * noise).to(noisy.dtype)


def euler_step(
    noisy: Float[Tensor, "b n c h w"],
    velocity: Float[Tensor, "b n c h w"],
    sigma: Sigma,
    next_sigma: Sigma,
) -> Float[Tensor, "b n c h w"]:
    """Move along the velocity: ``noisy + (next_sigma - sigma) * velocity``.

    Exact for any step size while the velocity is constant along the path.

    Args:
        noisy: latents at ``sigma``.
        velocity: predicted ``noise - clean`` at ``sigma``.
        sigma: noise level now, in [0, 1].
        next_sigma: noise level after the step, lower than ``sigma`` when denoising.
    """
    step = expand_sigma(next_sigma, noisy) - expand_sigma(sigma, noisy)
    return (noisy + step * velocity).to(noisy.dtype)
