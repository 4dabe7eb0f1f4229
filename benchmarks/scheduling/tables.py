"""Traces, policies and tables; the simulated part of the benchmark, which needs no torch."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median, stdev

from filmgrid.metrics.statistics import student_reach
from filmgrid.serving import policies as serving
from filmgrid.serving.policies import Policy, by_deadline, first_come, fixed_queues
from filmgrid.serving.simulate import Arrival, Outcome, poisson_trace, simulate
from filmgrid.serving.step_costs import CostTable

SHAPES = ("1x1", "4x4", "4x6", "8x8")
LOADS, SLACKS, SEEDS = (0.7, 0.9, 1.1), (1.0, 1.2, 1.5), range(5)
MINI = CostTable(
    {"1x1": 0.0131, "4x4": 0.0618, "4x6": 0.0965, "8x8": 0.3459},
    {"1x1": 0.27, "4x4": 0.87, "4x6": 0.94, "8x8": 1.1},
)
"""Seconds of a step of mini, bf16, guidance on, one thread, and what a further row costs."""


def policies(costs: CostTable, num_devices: int) -> dict[str, Policy]:
    """By name; what is fixed is fixed by the work that each shape brings."""
    fixed = fixed_queues(costs.seconds, num_devices)
    return {"first come": first_come, "fixed queues": fixed, "ours": by_deadline}


def interval(values: list[float]) -> str:
    """Mean over seeds, and how far a 95% interval of Student reaches."""
    if len(values) < 2:
        return f"{fmean(values):.3f}"
    reach = student_reach(0.95, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} ± {reach:.3f}"


def row(load: float, slack: float, found: dict[str, list[Outcome]]) -> str:
    met = {name: [each.met for each in outcomes] for name, outcomes in found.items()}
    waits = {name: [each.wait("1x1") for each in outcomes] for name, outcomes in found.items()}
    best = max(fmean(met["first come"]), fmean(met["fixed queues"]))
    cells = [f"{load:.0%}", f"{slack:g}", *(interval(each) for each in met.values())]
    cells += [f"{fmean(met['ours']) / best:.2f}" if best else "-"]
    cells += [f"{fmean(each):.2f}" for each in waits.values()]
    return "| " + " | ".join(cells) + " |"


HEAD = """| load | deadline | met: first come | fixed queues | ours | ours / best other | \
wait of 1x1, s: first come | fixed queues | ours |
|---|---|---|---|---|---|---|---|---|"""


def traces(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        lines = [
            json.dumps({"load": load, "slack": slack, **asdict(arrival)})
            for load in LOADS
            for slack in SLACKS
            for arrival in trace_of(seed, load, slack, 1)
        ]
        (out / f"trace-{seed}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out}: {len(SEEDS)} files")


def trace_of(seed: int, load: float, slack: float, num_devices: int) -> list[Arrival]:
    count, steps = {1: (200, 25), 8: (480, 25), 64: (960, 12)}[num_devices]
    shares = dict.fromkeys(SHAPES, 1.0)
    words = {"count": count, "num_devices": num_devices, "num_steps": steps}
    return poisson_trace(seed, MINI, shares, load, slack, **words)


def simulated(devices: list[int], loads: list[float], widths: list[int]) -> None:
    serving.WIDTHS = tuple(widths)
    for num_devices in devices:
        print(f"\n{num_devices} devices\n\n{HEAD}")
        times: list[float] = []
        for load in loads:
            for slack in SLACKS:
                found: dict[str, list[Outcome]] = {}
                for seed in SEEDS:
                    trace = trace_of(seed, load, slack, num_devices)
                    for name, policy in policies(MINI, num_devices).items():
                        words = {"num_devices": num_devices, "jitter": 0.05, "seed": seed}
                        outcome = simulate(trace, policy, MINI, **words)
                        found.setdefault(name, []).append(outcome)
                        if name == "ours":
                            times += outcome.decisions
                print(row(load, slack, found), flush=True)
        times.sort()
        print(
            f"\nA decision of ours: median {median(times) * 1e3:.3f} ms, 99% within "
            f"{times[int(len(times) * 0.99)] * 1e3:.3f} ms, longest {times[-1] * 1e3:.3f} ms, "
            f"of {len(times)}",
            flush=True,
        )
