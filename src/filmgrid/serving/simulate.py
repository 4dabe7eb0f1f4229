"""What a policy would do: requests that come at random, devices that take time. Torch-free.

::

    costs = CostTable({"1x1": 0.016, "4x4": 0.1})
    trace = poisson_trace(seed=0, costs=costs, shares={"1x1": 1, "4x4": 1}, load=0.9, slack=1.5)
    outcome = simulate(trace, by_deadline, costs)
    outcome.met, outcome.wait("1x1")
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from statistics import fmean, median

from filmgrid.serving.policies import Policy, Situation, Step, Work
from filmgrid.serving.step_costs import CostModel, CostTable


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request of a trace.

    Args:
        job: its name.
        at: when it comes, in seconds.
        shape: what decides its cost.
        num_steps: steps that it makes.
        deadline: when it should be finished.
    """

    job: str
    at: float
    shape: str
    num_steps: int
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a request.

    Args:
        arrival: the request.
        started: when its first step began.
        finished: when its last step ended.
        isolated: seconds that it takes on a device of its own.
    """

    arrival: Arrival
    started: float
    finished: float
    isolated: float

    @property
    def on_time(self) -> bool:
        """Whether its deadline was met; a nanosecond is rounding."""
        return self.arrival.deadline is None or self.finished <= self.arrival.deadline + 1e-9

    @property
    def waited(self) -> float:
        """Seconds that it took beyond what it takes alone: before its first step, and between."""
        return self.finished - self.arrival.at - self.isolated


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trace.

    Args:
        served: every request.
        decisions: seconds of this thread that each call of the policy took.
        passes: rows of each pass.
    """

    served: tuple[Served, ...]
    decisions: tuple[float, ...]
    passes: tuple[int, ...]

    @property
    def met(self) -> float:
        """Share of the deadlines that were met."""
        return fmean(each.on_time for each in self.served)

    def wait(self, shape: str) -> float:
        """Median seconds that requests of a shape waited."""
        return median(each.waited for each in self.served if each.arrival.shape == shape)


def poisson_trace(
    seed: int,
    costs: CostTable,
    shares: Mapping[str, float],
    load: float,
    slack: float,
    *,
    count: int = 400,
    num_devices: int = 1,
    num_steps: int = 25,
) -> list[Arrival]:
    """Requests that come independently of each other.

    Args:
        seed: of the trace; the same one gives the same requests.
        costs: what steps take.
        shares: of the requests, by shape.
        load: work that comes, of what the devices can do one request at a time; 1 is all of it.
        slack: deadline over the latency on a device of its own.
        count: requests.
        num_devices: in all.
        num_steps: of each request.
    """
    draws = random.Random(seed)
    shapes, weights = list(shares), list(shares.values())
    work = sum(shares[each] * costs.step(each) for each in shapes) * num_steps / sum(weights)
    now, trace = 0.0, list[Arrival]()
    for number in range(count):
        now += draws.expovariate(load * num_devices / work)
        shape = draws.choices(shapes, weights)[0]
        due = now + slack * num_steps * costs.step(shape)
        trace.append(Arrival(f"{number:05d}", now, shape, num_steps, due))
    return trace


def simulate(
    trace: Sequence[Arrival],
    policy: Policy,
    truth: CostTable,
    *,
    num_devices: int = 1,
    most: int = 4,
    jitter: float = 0.0,
    seed: int = 0,
    believed: CostModel | None = None,
) -> Outcome:
    """Serve a trace. A request stays on the device of its first step.

    Args:
        trace: in the order of its times.
        policy: who goes next.
        truth: what steps take.
        num_devices: in all.
        most: rows of a pass.
        jitter: standard deviation of the logarithm of a step's time.
        seed: of the jitter.
        believed: what the policy thinks that steps take, corrected by each; by default the truth.
    """
    draws = random.Random(seed)
    works: dict[str, Work] = {}
    running: dict[int, tuple[float, Step]] = {}
    events: list[tuple[float, int, Arrival | Step, float]] = []
    asked = {arrival.job: arrival for arrival in trace}
    for number, arrival in enumerate(trace):
        heappush(events, (arrival.at, number, arrival, 0.0))
    started: dict[str, float] = {}
    served: list[Served] = []
    decisions: list[float] = []
    passes: list[int] = []
    ticket = len(trace)
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, _, event, seconds = heappop(events)
            if isinstance(event, Arrival):
                works[event.job] = Work(
                    event.job,
                    event.shape,
                    event.num_steps,
                    event.num_steps,
                    event.at,
                    event.deadline,
                    most=most,
                )
                continue
            for device in event.devices:
                del running[device]
            first = works[event.jobs[0]]
            if believed is not None:
                believed.observe(first.shape, len(event.jobs), len(event.devices), seconds)
            for job in event.jobs:
                work = works[job] = replace(works[job], last=now)
                if not work.steps_left:
                    del works[job]
                    isolated = work.num_steps * truth.step(work.shape)
                    served.append(Served(asked[job], started[job], now, isolated))
        free = [device for device in range(num_devices) if device not in running]
        if not free or not works:
            continue
        busy = {device: until for device, (until, _) in running.items()}
        situation = Situation(now, list(works.values()), free, believed or truth, busy)
        begun = time.thread_time()
        steps = policy(situation)
        decisions.append(time.thread_time() - begun)
        for step in steps:
            first = works[step.jobs[0]]
            seconds = truth.step(first.shape, len(step.jobs), len(step.devices))
            seconds *= draws.lognormvariate(0, jitter) if jitter else 1.0
            _check(step, works, running, most)
            for job in step.jobs:
                work = works[job]
                started.setdefault(job, now)
                works[job] = replace(
                    work,
                    steps_left=work.steps_left - 1,
                    device=step.devices[0],
                    width=len(step.devices),
                )
            for device in step.devices:
                running[device] = now + seconds, step
            passes.append(len(step.jobs))
            heappush(events, (now + seconds, ticket, step, seconds))
            ticket += 1
    assert len(served) == len(trace), "the policy left requests waiting for ever"
    served.sort(key=lambda each: each.arrival.job)
    return Outcome(tuple(served), tuple(decisions), tuple(passes))


def _check(
    step: Step,
    works: Mapping[str, Work],
    running: Mapping[int, tuple[float, Step]],
    most: int,
) -> None:
    """A policy may not do what a device cannot."""
    shapes = {works[job].shape for job in step.jobs}
    assert len(shapes) == 1, f"{step} mixes shapes {shapes}"
    assert len(set(step.jobs)) == len(step.jobs) <= most, f"{step} has too many rows"
    assert not running.keys() & set(step.devices), f"{step} uses a device that is busy"
    for job in step.jobs:
        home = works[job].device
        assert home is None or home == step.devices[0], f"{job} began on device {home}"
        assert works[job].steps_left > 0, f"{job} has no step left"
