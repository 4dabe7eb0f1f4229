"""Going back up to more noise and down again, so that new cells fit those that stay. Free of torch.

Kept cells are shown at every level, but what is made beside them was begun before it knew them. A
jump noises it some levels further and walks those again, now beside the same kept cells.

Source: RePaint, arXiv:2201.09865, algorithm 1 and its schedule of jumps (``jump_length`` and
``jump_n_sample`` of its code), whose order of jumps this is.
"""

from dataclasses import dataclass

from filmgrid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Jumps:
    """How often a walk goes back, and how far.

    Args:
        rounds: times that every stretch is walked; 1 never goes back.
        length: steps of a stretch.
    """

    rounds: int
    length: int


def places(num_steps: int, jumps: Jumps | None) -> list[int]:
    """Which levels of a schedule a walk visits, in order, the start and the end among them.

    Stretches are counted from the end. What comes before the second of them is walked once: going
    back to where the walk began would forget all that was made.

    Args:
        num_steps: of the schedule.
        jumps: None goes straight down.
    """
    if jumps is None:
        return list(range(num_steps + 1))
    left = dict.fromkeys(range(num_steps, jumps.length, -jumps.length), jumps.rounds - 1)
    visited = [0]
    while visited[-1] < num_steps or left.get(num_steps, 0):
        here = visited[-1]
        if left.get(here, 0):
            left[here] -= 1
            visited.append(here - jumps.length)
        else:
            visited.append(here + 1)
    return visited


def count_steps(num_steps: int, jumps: Jumps | None) -> int:
    """Steps that are made, those that are made again among them."""
    if jumps is None or num_steps <= jumps.length:
        return num_steps
    stretches = -(-num_steps // jumps.length) - 1
    return num_steps + (jumps.rounds - 1) * jumps.length * stretches


def check_jumps(num_steps: int, jumps: Jumps | None) -> None:
    """Refuse jumps as far as the whole walk.

    Raises:
        ConfigError: with what fits.
    """
    if jumps is not None and 0 < num_steps <= jumps.length:
        fits = f"at most {num_steps - 1}" if num_steps > 1 else "more steps"
        raise ConfigError(
            f"Jumps of {jumps.length} steps go back to the start or beyond in a walk of "
            f"{num_steps}, which would forget all that was made. Use {fits}."
        )
