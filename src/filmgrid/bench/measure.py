"""Times that can be compared: all subjects in turn, round after round, the probe beside them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Clock = Callable[[], float]
Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """What was timed.

    Args:
        seconds: by subject, one per round.
        probes: operations per second of the matrix probe, one per round.
    """

    seconds: tuple[tuple[float, ...], ...]
    probes: tuple[float, ...]

    def ratios(self, subject: int) -> tuple[float, ...]:
        """Time of a subject over that of the first, in each round."""
        pairs = zip(self.seconds[subject], self.seconds[0], strict=True)
        return tuple(own / first for own, first in pairs)

    @property
    def peak(self) -> float:
        """The best of all probes: disturbances only ever slow one down."""
        return max(self.probes)


def time_in_turn(
    runs: Sequence[Run],
    rounds: int,
    warmup: int,
    probe: Callable[[], float],
    *,
    wait: Run = lambda: None,
    clock: Clock = time.perf_counter,
    show: Callable[[int], object] = lambda _: None,
) -> Times:
    """Time A, B, C, A, B, C, ...: what slows the machine for a while slows all of them.

    A ratio is taken within a round and only then averaged, so that drift falls out of it.

    Args:
        runs: what is timed; each gives what it likes.
        rounds: times that each is timed.
        warmup: times that each runs before, not timed.
        probe: gives operations per second of a matrix product; runs before every round.
        wait: returns when the device has done all it was given.
        clock: seconds from any origin.
        show: is told of every round that is done.
    """
    for run in runs:
        for _ in range(warmup):
            run()
    seconds: list[list[float]] = [[] for _ in runs]
    probes: list[float] = []
    for number in range(rounds):
        probes.append(probe())
        for run, own in zip(runs, seconds, strict=True):
            wait()
            started = clock()
            run()
            wait()
            own.append(clock() - started)
        show(number + 1)
    return Times(tuple(map(tuple, seconds)), tuple(probes))
