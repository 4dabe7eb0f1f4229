"""How noise levels follow the size of what is generated. Free of torch."""

import math


def layout_shift(num_cells: int, default_cells: int) -> float:
    """Factor of the shift for a layout beside the one that a model was made for.

    More cells of the same content show it through more noise, so their schedule spends more
    steps there. Source: Stable Diffusion 3, Eq. 23, with cells in place of pixels.

    Args:
        num_cells: of the layout in use.
        default_cells: of the layout that the shift was chosen for.
    """
    return math.sqrt(num_cells / default_cells)


def flux_mu(
    num_tokens: int,
    base_tokens: int = 256,
    max_tokens: int = 4096,
    base_shift: float = 0.5,
    max_shift: float = 1.15,
) -> float:
    """FLUX.1's resolution-dependent shift, linear in the number of image tokens.

    Not clamped: a 2048x2048 px grid has 16,384 tokens and gets ``mu`` 3.22.

    Source: ``get_lin_function`` of black-forest-labs/flux, ``calculate_shift`` of diffusers.

    Args:
        num_tokens: image tokens of the whole grid, (height / 16) * (width / 16) for FLUX.
        base_tokens: tokens at which ``mu`` is ``base_shift``.
        max_tokens: tokens at which ``mu`` is ``max_shift``.
        base_shift: ``mu`` at ``base_tokens``.
        max_shift: ``mu`` at ``max_tokens``.
    """
    slope = (max_shift - base_shift) / (max_tokens - base_tokens)
    return base_shift + slope * (num_tokens - base_tokens)


def flux2_mu(num_tokens: int, num_steps: int) -> float:
    """FLUX.2's empirical shift, which falls with the number of steps up to 4300 tokens.

    Two lines in the number of tokens were fitted, for 10 and for 200 steps; between them it is
    linear in the steps, and above 4300 tokens the second line holds for all.

    Source: ``compute_empirical_mu`` of black-forest-labs/flux2 and diffusers.

    Args:
        num_tokens: image tokens of the whole grid.
        num_steps: sampling steps of the whole schedule.
    """
    at_200 = 0.00016927 * num_tokens + 0.45666666
    if num_tokens > 4300:
        return at_200
    at_10 = 8.73809524e-05 * num_tokens + 1.89833333
    slope = (at_200 - at_10) / 190
    return at_200 + slope * (num_steps - 200)
