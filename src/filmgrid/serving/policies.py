"""Who goes next: plain functions from what waits to the steps that are made now. Torch-free.

A policy sees a :class:`Situation` whenever a device is free and says which requests make their
next step on it. Nothing is promised for longer than a step, so a long request gives way to a short
one at its next step, and goes on where it was.

Source: the step as the unit, deadlines met with the least devices, and a cost model behind it are
TetriServe's (arXiv:2510.01565), for one GPU or many and without its rounds.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heappushpop

from filmgrid.serving.step_costs import Costs

PATIENCE = 8.0
"""A request without a deadline is due after so many times what it takes alone."""
SHARE, MOST_SHARE = 16.0, 200.0
"""Of requests that are late, the oldest makes a step when it has waited for so many of its own and
that makes none late; and for so many at the most, whatever it does to others."""
WORTH = 1.05
"""Sequences per second in one pass, over those one by one, that make a device share it."""
WIDTHS: tuple[int, ...] = (2, 4, 8)
"""Devices that a request may be shared by."""


@dataclass(frozen=True, slots=True)
class Work:
    """A request that is not finished.

    Args:
        job: its name.
        shape: what decides what its steps cost; those of one shape may share a pass.
        steps_left: to be made, without one that is being made.
        num_steps: in all.
        submitted: when it came, in seconds of any clock.
        deadline: when it should be finished, on the same clock; None says nothing.
        rows: sequences in its pass.
        most: rows of its shape that fit into a pass.
        device: where it began; None before.
        width: devices that shared its last step.
        last: when its last step ended; None before.
    """

    job: str
    shape: str
    steps_left: int
    num_steps: int
    submitted: float
    deadline: float | None = None
    rows: int = 1
    most: int = 1
    device: int | None = None
    width: int = 1
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy decides by.

    Args:
        now: time.
        works: all that is not finished.
        free: devices that make no step.
        busy: when the step of each other device ends.
        costs: seconds of steps.
    """

    now: float
    works: Sequence[Work]
    free: Sequence[int]
    costs: Costs
    busy: Mapping[int, float] = field(default_factory=dict[int, float])


@dataclass(frozen=True, slots=True)
class Step:
    """One pass.

    Args:
        jobs: requests that make their next step in it, all of one shape.
        devices: where; several share it.
    """

    jobs: tuple[str, ...]
    devices: tuple[int, ...]


Policy = Callable[[Situation], list[Step]]
"""Says what each free device does now; devices that are not named wait."""


def first_come(situation: Situation) -> list[Step]:
    """First come, first served: one request at a time on each device, to its end."""
    waiting = iter(sorted(_unstarted(situation), key=lambda work: work.submitted))
    steps: list[Step] = []
    begun = {work.device: work for work in situation.works if work.device is not None}
    for device in situation.free:
        work = begun.get(device) or next(waiting, None)
        if work is not None:
            steps.append(Step((work.job,), (device,)))
    return steps


def fixed_queues(shares: Mapping[str, float], num_devices: int) -> Policy:
    """A queue for each shape, which has devices of its own, or takes turns where they are fewer.

    Requests go to their end; what is at the head of a queue begins together where it pays.

    Args:
        shares: of the work that each shape is expected to bring.
        num_devices: in all.
    """
    homes = _homes(shares, num_devices)
    turns = dict.fromkeys(range(num_devices), 0)

    def policy(situation: Situation) -> list[Step]:
        queues: dict[str, list[Work]] = defaultdict(list)
        begun: dict[int, list[Work]] = defaultdict(list)
        for work in sorted(situation.works, key=lambda work: work.submitted):
            if work.device is None:
                queues[work.shape].append(work)
            else:
                begun[work.device].append(work)
        steps: list[Step] = []
        for device in situation.free:
            chosen = begun[device]
            for _ in range(0 if chosen else len(homes[device])):
                shape = homes[device][turns[device] % len(homes[device])]
                turns[device] += 1
                if queues[shape]:
                    rows = _best_rows(shape, queues[shape], situation.costs)
                    chosen = _take(queues[shape], rows)
                    queues[shape] = [work for work in queues[shape] if work not in chosen]
                    break
            if chosen:
                steps.append(Step(tuple(work.job for work in chosen), (device,)))
        return steps

    return policy


def by_deadline(situation: Situation) -> list[Step]:
    """As many deadlines as can be met, and of what is late the shortest first.

    Requests that can still be on time are planned in the order of their deadlines, each on the
    device that is free first; where one would be late, the longest of those planned there is given
    up (Moore and Hodgson's rule, which is best for one device). Every free device makes a step of
    the first in its plan. With none left, it makes one of what is late, shortest first; the oldest
    of these is never kept waiting for more than :data:`MOST_SHARE` of its own steps. Devices that
    are left over share a request that only so can be on time. Others of the same shape join a pass
    where that is faster than one by one, and makes none late.
    """
    plan = _Plan(situation)
    steps = plan.shared_before()
    steps += [step for device in situation.free for step in plan.alone(device, plan.urgent)]
    steps += plan.shared_now()
    steps += [step for device in situation.free for step in plan.alone(device, plan.shortest)]
    return steps


class _Plan:
    """Who is on time where, for :func:`by_deadline`."""

    def __init__(self, situation: Situation) -> None:
        self.now, self.costs = situation.now, situation.costs
        self.open = set(situation.free)
        self.taken: set[str] = set()
        kinds = {(work.shape, work.rows) for work in situation.works}
        self.price = {kind: self.costs.step(*kind) for kind in kinds}
        self.after = {shape: self.costs.ending(shape) for shape, _ in kinds}
        self.works = situation.works
        self.here: dict[int | None, list[Work]] = defaultdict(list)
        self.late: list[Work] = []
        self.chosen: dict[int, list[Work]] = {}
        self.slack: dict[int, float] = {}
        ready = dict.fromkeys(situation.free, self.now) | dict(situation.busy)
        self.ready = ready
        self._admit(situation)

    def due(self, work: Work) -> float:
        if work.deadline is not None:
            return work.deadline
        alone = work.num_steps * self.price[work.shape, work.rows] + self.after[work.shape]
        return work.submitted + PATIENCE * alone

    def left(self, work: Work) -> float:
        """Seconds on one device."""
        return work.steps_left * self.price[work.shape, work.rows] + self.after[work.shape]

    def can_run(self, work: Work) -> bool:
        return work.job not in self.taken and (work.device is None or work.device in self.open)

    def _admit(self, situation: Situation) -> None:
        now, hopeful = self.now, list[tuple[float, float, int]]()
        for place, work in enumerate(situation.works):
            begins = now
            if work.device is not None and work.device in situation.busy:
                begins = situation.busy[work.device]  # it makes a step, or waits for who does
            else:
                self.here[work.device].append(work)
            due, left = self.due(work), self.left(work)
            if begins + left <= due + 1e-9 * abs(due):
                hopeful.append((due, left, place))
            elif begins == now:
                self.late.append(work)
        hopeful.sort()
        ends = dict(self.ready)
        soonest = [(end, device) for device, end in ends.items()]
        heapify(soonest)
        kept: dict[int, list[tuple[float, int]]] = defaultdict(list)  # longest first
        first: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
        dropped: set[int] = set()
        for due, left, place in hopeful:
            device = situation.works[place].device
            if device is None:
                while soonest[0][0] != ends[soonest[0][1]]:
                    heappop(soonest)
                device = soonest[0][1]
            end = ends[device] + left
            if end <= due + 1e-9 * abs(due):
                heappush(kept[device], (-left, place))
            else:
                longest, out = heappushpop(kept[device], (-left, place))
                end += longest
                dropped.add(out)
            first[device].append((due, end, place))
            ends[device] = end
            heappush(soonest, (end, device))
        for device in situation.free:
            mine = [each for each in first[device] if each[2] not in dropped]
            self.chosen[device] = [situation.works[place] for _, _, place in mine]
            self.slack[device] = min((due - end for due, end, _ in mine), default=float("inf"))
        for place in dropped:
            work = situation.works[place]
            if work.device not in situation.busy:
                self.late.append(work)

    def take(self, works: Sequence[Work], devices: Sequence[int]) -> None:
        self.taken.update(work.job for work in works)
        self.open.difference_update(devices)

    def alone(self, device: int, choose: Callable[[int], Work | None]) -> list[Step]:
        """A step of one device, if it is free and there is one to choose, and who joins it."""
        lead = choose(device) if device in self.open else None
        if lead is None:
            return []
        together = [lead, *self.companions(lead, device)]
        self.take(together, (device,))
        return [Step(tuple(work.job for work in together), (device,))]

    def urgent(self, device: int) -> Work | None:
        """What has waited too long, or else the first that is on time here."""
        late = self._late_here(device)
        if late:
            oldest = min(late, key=lambda work: (work.submitted, work.job))
            since = oldest.submitted if oldest.last is None else oldest.last
            price = self.price[oldest.shape, oldest.rows]
            share = SHARE if price <= self.slack[device] else MOST_SHARE
            if self.now - since > share * price:
                return oldest
        return next((work for work in self.chosen[device] if work.job not in self.taken), None)

    def shortest(self, device: int) -> Work | None:
        """Of what is late, what has least left."""
        late = self._late_here(device)
        return min(late, key=lambda work: (self.left(work), work.submitted, work.job), default=None)

    def _late_here(self, device: int) -> list[Work]:
        return [
            work
            for work in self.late
            if work.job not in self.taken and (work.device is None or work.device == device)
        ]

    def companions(self, lead: Work, device: int) -> list[Work]:
        """Others that share the lead's pass, if that is worth it."""
        if lead.most <= lead.rows:
            return []
        like = [
            work
            for place in (None, device)
            for work in self.here[place]
            if work.shape == lead.shape and work is not lead and work.job not in self.taken
        ]
        like.sort(key=lambda work: (work.device is None, self.due(work)))
        rows = _best_rows(lead.shape, [lead, *like], self.costs)
        joined = _take(like, rows - lead.rows) if rows > lead.rows else []
        if not joined:
            return []
        total = lead.rows + sum(work.rows for work in joined)
        pass_seconds = self.costs.step(lead.shape, total)
        longer = pass_seconds - self.price[lead.shape, lead.rows]
        on_time = self.now + self.left(lead) <= self.due(lead)
        ends = self.now + lead.steps_left * pass_seconds + self.after[lead.shape]
        if (on_time and ends > self.due(lead)) or longer > self.slack[device]:
            return []
        return joined

    def shared_before(self) -> list[Step]:
        """Requests go on being shared where they are on time so and not otherwise."""
        steps: list[Step] = []
        for work in self.works:
            if work.width > 1 and work.device in self.open:
                steps += self._shared(work, work.width)
        return steps

    def shared_now(self) -> list[Step]:
        """Share what is late among the devices that nothing else needs, cheapest first."""
        steps: list[Step] = []
        if len(self.open) < 2:
            return steps
        for work in sorted(self.late, key=self.left):
            if len(self.open) >= 2 and self.can_run(work):
                steps += self._shared(work, len(self.open))
        return steps

    def _shared(self, work: Work, most: int) -> list[Step]:
        due = self.due(work)
        if self.now + self.left(work) <= due:
            return []
        for width in WIDTHS:
            if width > min(most, len(self.open)):
                break
            seconds = self.costs.step(work.shape, work.rows, width)
            if self.now + work.steps_left * seconds + self.after[work.shape] <= due:
                others = sorted(self.open - {work.device})
                home = others[0] if work.device is None else work.device
                devices = (home, *[each for each in others if each != home][: width - 1])
                self.take([work], devices)
                return [Step((work.job,), devices)]
        return []


def _unstarted(situation: Situation) -> list[Work]:
    return [work for work in situation.works if work.device is None]


def _best_rows(shape: str, works: Sequence[Work], costs: Costs) -> int:
    """Rows of the first works that are made fastest in one pass; those of the first, if none is."""
    lead = works[0].rows
    most = min(works[0].most, sum(work.rows for work in works))
    best, rate = lead, WORTH * lead / costs.step(shape, lead)
    for rows in range(lead + 1, most + 1):
        now = rows / costs.step(shape, rows)
        if now >= rate:
            best, rate = rows, now
    return best


def _take(works: Sequence[Work], rows: int) -> list[Work]:
    """The first works that have no more rows than asked."""
    taken: list[Work] = []
    for work in works:
        if work.rows <= rows:
            taken.append(work)
            rows -= work.rows
    return taken


def _homes(shares: Mapping[str, float], num_devices: int) -> list[list[str]]:
    """Shapes of each device: by their share of the work, each at least one device."""
    shapes = sorted(shares, key=lambda shape: -shares[shape])
    if num_devices < len(shapes):
        return [list(shapes) for _ in range(num_devices)]
    counts = dict.fromkeys(shapes, 1)
    whole = sum(shares.values())
    for _ in range(num_devices - len(shapes)):
        behind = max(shapes, key=lambda shape: shares[shape] / whole / counts[shape])
        counts[behind] += 1
    return [[shape] for shape in shapes for _ in range(counts[shape])]
