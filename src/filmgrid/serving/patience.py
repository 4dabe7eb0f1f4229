"""How long a worker may take to get on, before it is taken to hang."""

import time
from collections.abc import Callable

TIMES = 30.0
"""Times what a step is known to take that it may take."""
LOADING = 10.0
"""Times as long that a model may take to be loaded, downloads and all."""


class Patience:
    """The moment until which a worker is believed to get on, whatever its thread is doing.

    The thread that works says what comes; the one that tells that the process lives looks here
    first. A step takes what steps of its shape took, times :data:`TIMES`, and never less than the
    time that is allowed in any case: it covers kernels that are compiled and clips that are read.

    Args:
        allowed: seconds for whatever comes.
        clock: gives seconds.
    """

    def __init__(self, allowed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.allowed, self._clock = allowed, clock
        self._since, self._granted = clock(), allowed

    def step(self, expected: float = 0.0) -> None:
        """A turn begins, with steps that are known to take some seconds."""
        self._begin(max(self.allowed, TIMES * expected))

    def load(self) -> None:
        """A model is to be loaded."""
        self._begin(LOADING * self.allowed)

    def _begin(self, granted: float) -> None:
        self._since, self._granted = self._clock(), granted

    @property
    def overdue(self) -> float | None:
        """Seconds without getting on, if they are too many."""
        passed = self._clock() - self._since
        return passed if passed > self._granted else None
