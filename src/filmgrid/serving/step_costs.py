"""What a denoising step costs: predicted by a plan, corrected by the steps that were timed.

A *shape* names all that decides what a pass costs and which requests may share one: the model,
the layout, the size of a cell and the passes per step. *Rows* are sequences in a pass. Torch-free.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from filmgrid.loading import Loading
from filmgrid.planning import Plan

UNTRIED = 0.8
"""What each further row is thought to cost, of the first, before any was timed: so little that it
is tried, so much that nothing is built on it."""
TRIED = 3
"""Steps of a number of rows that are timed before they are believed."""
REMEMBERED = 15
"""Timed steps that a median is taken of."""
LEAST = 0.005
"""Seconds that a pass is predicted to take at least: its kernels must be launched."""
EFFICIENCY = 0.81
"""Share of the work of each half that remains when twice as many devices share a step: 2.63x on
four GPUs, as xDiT published for FLUX."""


class Costs(Protocol):
    """Seconds of steps, as policies ask for them."""

    def step(self, shape: str, rows: int = 1, devices: int = 1) -> float:
        """Seconds of one step."""
        ...

    def ending(self, shape: str) -> float:
        """Seconds from the last step of a request to its frames."""
        ...


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs that are known, for simulations.

    Args:
        seconds: of a step of one row, by shape.
        further: what each further row costs, of the first, by shape; 1 is no gain.
        efficiency: share that remains at every doubling of the devices.
    """

    seconds: Mapping[str, float]
    further: Mapping[str, float] = field(default_factory=dict[str, float])
    efficiency: float = EFFICIENCY

    def step(self, shape: str, rows: int = 1, devices: int = 1) -> float:
        """Seconds of one step."""
        whole = self.seconds[shape] * (1 + (rows - 1) * self.further.get(shape, 1.0))
        return whole / speedup(devices, self.efficiency)

    def ending(self, shape: str) -> float:
        """Nothing: the table has steps alone."""
        return 0.0


class Timings:
    """Seconds that were predicted of steps, and those that were timed."""

    def __init__(self) -> None:
        self.predicted: dict[str, float] = {}
        self.steps: dict[tuple[str, int, int], deque[float]] = {}
        self.endings: dict[str, deque[float]] = {}

    def add_step(self, shape: str, rows: int, devices: int, seconds: float) -> None:
        """Take in a step that was timed."""
        seen = self.steps.setdefault((shape, rows, devices), deque(maxlen=REMEMBERED))
        seen.append(seconds)

    def add_ending(self, shape: str, seconds: float) -> None:
        """Take in how long a request took from its last step to its frames."""
        self.endings.setdefault(shape, deque(maxlen=REMEMBERED)).append(seconds)

    def snapshot(self) -> dict[str, Any]:
        """All of it, to be kept as JSON."""
        return {
            "predicted": dict(self.predicted),
            "steps": [[*key, list(seen)] for key, seen in self.steps.items()],
            "endings": {shape: list(seen) for shape, seen in self.endings.items()},
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take in what :meth:`snapshot` gave, after what is there."""
        self.predicted.update(kept["predicted"])
        for shape, rows, devices, seen in kept["steps"]:
            for seconds in seen:
                self.add_step(shape, rows, devices, seconds)
        for shape, seen in kept["endings"].items():
            for seconds in seen:
                self.add_ending(shape, seconds)


class CostModel:
    """Costs that are predicted, and learned while they are paid.

    Args:
        efficiency: share that remains at every doubling of the devices, before it was timed.
    """

    def __init__(self, efficiency: float = EFFICIENCY) -> None:
        self.efficiency = efficiency
        self._all, self._fresh = Timings(), Timings()
        self._known: dict[tuple[str, int, int], float] = {}

    def expect(self, shape: str, seconds: float) -> None:
        """Take in what a plan predicts of a step of one row."""
        self._all.predicted[shape] = self._fresh.predicted[shape] = seconds
        self._known.clear()

    def knows(self, shape: str) -> bool:
        """Whether there is anything to estimate a shape's steps by."""
        return shape in self._all.predicted or (shape, 1, 1) in self._all.steps

    def observe(self, shape: str, rows: int, devices: int, seconds: float) -> None:
        """Take in a step that was timed."""
        for timings in (self._all, self._fresh):
            timings.add_step(shape, rows, devices, seconds)
        self._known.clear()

    def observe_ending(self, shape: str, seconds: float) -> None:
        """Take in how long a request took from its last step to its frames."""
        for timings in (self._all, self._fresh):
            timings.add_ending(shape, seconds)

    def snapshot(self) -> dict[str, Any]:
        """What was learned, to be kept as JSON."""
        return self._all.snapshot()

    def news(self) -> dict[str, Any]:
        """What was learned since this was last asked, in the form of :meth:`snapshot`."""
        told, self._fresh = self._fresh.snapshot(), Timings()
        return told

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take in what :meth:`snapshot` gave; it is no news."""
        self._all.restore(kept)
        self._known.clear()

    def step(self, shape: str, rows: int = 1, devices: int = 1) -> float:
        """Seconds of one step: the median of those that were timed, else what they imply."""
        key = shape, rows, devices
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._estimate(shape, rows, devices)
        return known

    def ending(self, shape: str) -> float:
        """Median seconds from a last step to the frames."""
        seen = self._all.endings.get(shape)
        return median(seen) if seen else 0.0

    def _estimate(self, shape: str, rows: int, devices: int) -> float:
        seen = self._all.steps.get((shape, rows, devices))
        if seen and (rows == devices == 1 or len(seen) >= TRIED):
            return median(seen)
        if devices > 1:
            return self.step(shape, rows) / speedup(devices, self.efficiency)
        if rows == 1:
            return self._all.predicted[shape] * self._correction()
        first = self.step(shape)
        return first * (1 + (rows - 1) * self._further(shape, rows))

    def _further(self, shape: str, rows: int) -> float:
        """What each further row costs, of the first, by the nearest number that was tried."""
        tried = [
            many
            for (name, many, devices), seen in self._all.steps.items()
            if name == shape and many > 1 and devices == 1 and len(seen) >= TRIED
        ]
        if not tried:
            return UNTRIED
        nearest = min(tried, key=lambda many: abs(many - rows))
        return (self.step(shape, nearest) / self.step(shape) - 1) / (nearest - 1)

    def _correction(self) -> float:
        """How much longer steps take here than predicted, by the shapes that were timed."""
        ratios = [
            median(seen) / self._all.predicted[shape]
            for (shape, rows, devices), seen in self._all.steps.items()
            if rows == devices == 1 and self._all.predicted.get(shape)
        ]
        return median(ratios) if ratios else 1.0


def speedup(devices: int, efficiency: float = EFFICIENCY) -> float:
    """How many times faster a step is on some devices, a power of 2."""
    doublings = devices.bit_length() - 1
    return (2 * efficiency) ** doublings


def shape_of(model: str, device: str, dtype: str, loading: Loading, plan: Plan) -> str:
    """What requests have in common that may share a pass: it is made of the same products.

    Args:
        model: as it is asked for.
        device: kind of it.
        dtype: of the products, such as ``bfloat16``.
        loading: how the model was brought into memory.
        plan: of the request.
    """
    told = loading.model_dump(mode="json", exclude_defaults=True)
    parts = [model, device, dtype, str(plan.layout), str(plan.cell)]
    parts += ["2 passes"] if plan.two_passes else []
    return " ".join(parts + ([json.dumps(told, sort_keys=True)] if told else []))
