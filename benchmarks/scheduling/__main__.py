"""Who goes next: deadlines met and waits of three policies, on the same traces.

::

    python -m benchmarks.scheduling traces OUT     # the traces, a file for each seed
    python -m benchmarks.scheduling simulate       # on 1, 8 and 64 devices, and decision times
    python -m benchmarks.scheduling mini           # the same policies over the real mini
    python -m benchmarks.scheduling batching       # passes shared, against one by one
    python -m benchmarks.scheduling pipeline       # decoding beside denoising, against after it

``mini`` and ``batching`` count seconds of the thread that computes, so that neighbours on a shared
machine do not decide who wins, and skip idle time; ``pipeline`` counts seconds of the wall. Run
them with ``OMP_NUM_THREADS=1``: then a thread's seconds are all there are.
"""

import argparse
from pathlib import Path

from benchmarks.scheduling import tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("traces").add_argument("out", type=Path)
    asked = what.add_parser("simulate")
    asked.add_argument("--devices", type=int, nargs="+", default=[1, 64, 8])
    asked.add_argument("--loads", type=float, nargs="+", default=list(tables.LOADS))
    asked.add_argument("--widths", type=int, nargs="*", default=[2, 4, 8])
    asked = what.add_parser("mini")
    asked.add_argument("--steps", type=int, default=25)
    asked.add_argument("--count", type=int, default=20)
    asked.add_argument("--cell", type=int, default=32)
    asked.add_argument("--loads", type=float, nargs="+", default=[0.9])
    asked.add_argument("--slacks", type=float, nargs="+", default=list(tables.SLACKS))
    asked.add_argument("--seeds", type=int, nargs="+", default=list(tables.SEEDS))
    what.add_parser("batching").add_argument("--rounds", type=int, default=9)
    asked = what.add_parser("pipeline")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--count", type=int, default=4)
    told = parser.parse_args()
    if told.what == "traces":
        tables.traces(told.out)
    elif told.what == "simulate":
        tables.simulated(told.devices, told.loads, told.widths)
    else:
        from benchmarks.scheduling import measured

        if told.what == "mini":
            measured.mini(told.steps, told.count, told.cell, told.loads, told.slacks, told.seeds)
        elif told.what == "batching":
            measured.batching(told.rounds)
        else:
            measured.pipeline(told.rounds, told.count)


if __name__ == "__main__":
    main()
