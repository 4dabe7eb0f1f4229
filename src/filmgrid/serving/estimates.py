"""What requests would take here: counted on a sketch of their model, and by what was timed."""

import threading
from dataclasses import replace
from functools import cached_property
from typing import Any

from filmgrid.loading import Loading
from filmgrid.planning import Plan
from filmgrid.request import GenerateRequest
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.kept_costs import KeptCosts
from filmgrid.serving.step_costs import LEAST, CostModel, shape_of


class Estimates:
    """Costs of plans, each kind of them counted once. What takes torch is loaded when asked.

    Args:
        config: of the server.
        kept: what its workers timed.
    """

    def __init__(self, config: ServeConfig, kept: KeptCosts) -> None:
        self.config, self.kept = config, kept
        self._counting = threading.Lock()
        self._costs: dict[Any, tuple[Any, int]] = {}
        self._sketches: dict[str, Any] = {}
        self._loadings: dict[str, Loading] = {}
        self._predicted: dict[str, float] = {}

    def of(self, plan: Plan, request: GenerateRequest) -> tuple[Any, int, float]:
        """What one grid costs; passes of all, and seconds alone, by what the workers learned."""
        cost, num_steps = self._cost(plan, request)
        with self._counting:
            shape = self._shape(plan, request)
            if shape not in self._predicted:
                predicted = cost.flops / max(1, num_steps) / self._operations_per_second
                self._predicted[shape] = max(LEAST, predicted)
            costs = CostModel()
            for each, seconds in self._predicted.items():
                costs.expect(each, seconds)
        costs.restore(self.kept.read())
        rows = 1 if request.is_long else self._batch(request)
        steps = plan.all_steps(num_steps)
        passes = request.best_of * steps * (2 if plan.two_passes else 1)
        turns = steps * -(-request.best_of // rows)
        return cost, passes, turns * costs.step(shape, rows) + costs.ending(shape)

    def _shape(self, plan: Plan, request: GenerateRequest) -> str:
        """The shape that a request has for the workers."""
        from filmgrid.models.precision import choose_device, choose_dtype
        from filmgrid.serving.loaded import loading_of

        if request.model not in self._loadings:
            self._loadings[request.model] = loading_of(self.config, request.model)
        device = choose_device(self.config.device)
        dtype = str(choose_dtype(self.config.precision, device)).removeprefix("torch.")
        return shape_of(request.model, device.type, dtype, self._loadings[request.model], plan)

    def _batch(self, request: GenerateRequest) -> int:
        return min(request.batch, self.config.max_batch, request.best_of)

    def _cost(self, plan: Plan, request: GenerateRequest) -> tuple[Any, int]:
        """What one grid of a plan costs, and its steps; counted once for each kind."""
        batch = self._batch(request)
        start = request.sigma, request.strength, request.respaced, plan.task
        kind = request.model, plan.layout, plan.cell, plan.num_steps, plan.shift, plan.two_passes
        key = (*kind, plan.coding, plan.solver, plan.jumps, start, batch)
        with self._counting:  # sketches are counted under modes of torch's that all threads see
            from filmgrid.costs import cost_of
            from filmgrid.models.sketch import sketch_model
            from filmgrid.walking import sigmas_of

            if len(self._costs) > 1000:
                self._costs.clear()
                self._predicted.clear()
            if key not in self._costs:
                if request.model not in self._sketches:
                    self._sketches[request.model] = sketch_model(request.model)
                num_steps = len(sigmas_of(plan, request)) - 1
                cost = cost_of(plan, self._sketches[request.model], num_steps, batch, batch)
                cost = replace(cost, flops=cost.flops / batch)
                self._costs[key] = cost, num_steps
            return self._costs[key]

    @cached_property
    def _operations_per_second(self) -> float:
        from filmgrid.speed import seconds_for

        return 1e12 / seconds_for(1e12, self.config.device, self.config.precision)
