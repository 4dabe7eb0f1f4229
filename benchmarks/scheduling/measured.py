"""The parts of the benchmark that run the real mini."""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import torch

from benchmarks.scheduling.tables import HEAD, SHAPES, policies, row
from filmgrid.data.pictures import to_picture
from filmgrid.generator import Generator
from filmgrid.inputs import Described
from filmgrid.pipeline import Pipeline
from filmgrid.planning import make_plan
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.sampling.guidance import Wanted, velocities
from filmgrid.serving.engine import Engine, Failed, Finished, Submission
from filmgrid.serving.policies import Policy
from filmgrid.serving.running import shape_here
from filmgrid.serving.simulate import Arrival, Outcome, Served, poisson_trace
from filmgrid.serving.step_costs import CostTable

PROMPT = "a red circle moving right on a navy background"


class Clock:
    """Seconds of this thread, and those that were skipped because nothing was to do."""

    def __init__(self) -> None:
        self.skipped = -time.thread_time()

    def __call__(self) -> float:
        return self.skipped + time.thread_time()

    def skip_to(self, moment: float) -> None:
        self.skipped += max(0.0, moment - self())


def request_of(shape: str, steps: int, seed: int, cell: int) -> GenerateRequest:
    return GenerateRequest(prompt=PROMPT, layout=shape, steps=steps, seed=seed, cell=cell)


def served_by_mini(
    engine: Engine, trace: list[Arrival], policy: Policy, alone: dict[str, float], cell: int
) -> Outcome:
    """Serve a trace with an engine that has made such requests, on the clock of its thread."""
    clock = Clock()
    engine.policy, engine.clock = policy, clock
    waiting, started, served = list(trace), dict[str, float](), list[Served]()
    asked = {arrival.job: arrival for arrival in trace}
    decisions: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        while waiting or engine.busy:
            if not engine.busy:
                clock.skip_to(waiting[0].at)
            while waiting and waiting[0].at <= clock():
                each = waiting.pop(0)
                request = request_of(each.shape, each.num_steps, int(each.job), cell)
                submission = Submission(each.job, request, each.deadline, each.at)
                engine.admit(submission, Path(folder) / each.job)
            for event in engine.step():
                started.setdefault(event.job, clock())
                assert not isinstance(event, Failed), event
                if isinstance(event, Finished):
                    arrival = asked[event.job]
                    lone = alone[arrival.shape]
                    served.append(Served(arrival, started[event.job], clock(), lone))
    served.sort(key=lambda each: each.arrival.job)
    return Outcome(tuple(served), tuple(decisions), ())


def mini(
    steps: int, count: int, cell: int, loads: list[float], slacks: list[float], seeds: list[int]
) -> None:
    generator = Generator.from_pretrained("mini", device="cpu")
    engine = Engine(lambda _: generator, timer=time.thread_time)
    alone = {shape: lone_seconds(engine, shape, steps, cell) for shape in SHAPES}
    print(f"alone, seconds: { {shape: round(each, 3) for shape, each in alone.items()} }")
    costs = CostTable({shape: seconds / steps for shape, seconds in alone.items()})
    shares = dict.fromkeys(SHAPES, 1.0)
    print(f"mini, {steps} steps, cells of {cell} px, {count} requests\n\n{HEAD}")
    for load in loads:
        for slack in slacks:
            found: dict[str, list[Outcome]] = {}
            for seed in seeds:
                words = {"count": count, "num_steps": steps}
                trace = poisson_trace(seed, costs, shares, load, slack, **words)
                for name, policy in policies(named(costs, generator, steps, cell), 1).items():
                    made = served_by_mini(engine, trace, policy, alone, cell)
                    found.setdefault(name, []).append(made)
                    told = f"{load} {slack} {seed} {name}: {made.met} {made.wait('1x1'):.4f}"
                    print(told, file=sys.stderr, flush=True)
            print(row(load, slack, found), flush=True)


def named(costs: CostTable, generator: Generator, steps: int, cell: int) -> CostTable:
    """The same by the names that the engine gives to shapes."""
    facts = generator.backbone.facts
    names = {
        shape: shape_here(
            generator, make_plan(request_of(shape, steps, 0, cell), facts, Described())
        )
        for shape in costs.seconds
    }
    return CostTable({names[shape]: seconds for shape, seconds in costs.seconds.items()})


def lone_seconds(engine: Engine, shape: str, steps: int, cell: int) -> float:
    """Of a request with nothing beside it: the median of five, after one."""
    seen: list[float] = []
    for number in range(6):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.thread_time()
            request = request_of(shape, steps, number, cell)
            engine.admit(Submission("a", request, None, 0.0), Path(folder))
            while engine.busy:
                engine.step()
            seen.append(time.thread_time() - begun)
    return median(seen[1:])


def batching(rounds: int) -> None:
    """Sequences per second of passes of several rows, over those of one, in the same round."""
    print("| dtype | layout | ms of one row | 2 rows: gain | 4 rows: gain |\n|---|---|---|---|---|")
    for precision in ("fp32", "bf16"):
        generator = Generator.from_pretrained("mini", device="cpu", precision=precision)
        facts = generator.backbone.facts
        for shape in SHAPES:
            plan = make_plan(request_of(shape, 25, 0, facts.cell[0]), facts, Described())
            wanted: list[Wanted] = []
            for seed in range(4):
                noise = generator.noise_of(plan, [seed])
                sigma = torch.full((1, plan.layout.num_cells), 0.9 - 0.2 * seed)
                wanted.append(Wanted(noise, sigma, generator.prompted(plan, 1)))
            ones: list[float] = []
            gains: dict[int, list[float]] = {2: [], 4: []}
            for number in range(rounds + 1):
                one = pass_seconds(generator, wanted[:1])
                many = {rows: pass_seconds(generator, wanted[:rows]) for rows in gains}
                if number:
                    ones.append(one)
                    for rows, seconds in many.items():
                        gains[rows].append(rows * one / seconds)
            cells = [precision, shape, f"{median(ones) * 1e3:.1f}"]
            for each in gains.values():
                low, mid, high = quantiles(each)
                cells.append(f"{mid:.2f} [{low:.2f}..{high:.2f}]")
            print("| " + " | ".join(cells) + " |", flush=True)


@torch.inference_mode()
def pass_seconds(generator: Generator, wanted: list[Wanted]) -> float:
    begun = time.thread_time()
    velocities(generator.backbone, wanted, generator.dtype)
    return time.thread_time() - begun


def pipeline(rounds: int, count: int) -> None:
    """Requests that are enlarged and written, with threads beside the steps and without."""
    generator = Generator.from_pretrained("mini", device="cpu")
    seen: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for number in range(rounds + 1):
        for threads, seconds in seen.items():
            taken = piped(generator, threads, count)
            if number:
                seconds.append(taken)
    print("| threads | seconds of the wall | gain in the same round |\n|---|---|---|")
    for threads, seconds in seen.items():
        gains = [off / on for off, on in zip(seen[0], seconds, strict=True)]
        low, mid, high = quantiles(gains)
        print(f"| {threads} | {median(seconds):.2f} | {mid:.2f} [{low:.2f}..{high:.2f}] |")


def piped(generator: Generator, threads: int, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:

        def write(job: str, result: Result) -> None:
            for place, frame in enumerate(result.arrays[0]):
                to_picture(frame).save(Path(folder) / f"{job}-{place:03d}.png")

        engine = Engine(lambda _: generator, pipeline=Pipeline(threads), write=write)
        for number in range(count):
            request = GenerateRequest(
                prompt=PROMPT, layout="2x4", steps=6, upscale=4, seed=number, cell=64
            )
            engine.admit(Submission(f"{number}", request, None, float(number)), Path(folder))
        begun = time.perf_counter()
        while engine.busy:
            engine.step()
        taken = time.perf_counter() - begun
        engine.close()
        return taken
