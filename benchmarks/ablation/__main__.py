"""``python -m benchmarks.ablation``."""

import argparse
from pathlib import Path

from benchmarks.ablation import __doc__ as about
from benchmarks.ablation.arms import SEEDS
from benchmarks.ablation.report import report
from benchmarks.ablation.run import RESULTS, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train and score what is missing")
    running.add_argument("arms", nargs="*", help="by default all")
    running.add_argument("--work", type=Path, default=Path("runs/ablation"))
    running.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    running.add_argument("--minutes", type=float, help="begin nothing new after so many")
    running.add_argument("--share", type=float, default=1.0, help="of the steps, to try it out")
    reporting = commands.add_parser("report", help="bring docs/ablation.md up to date")
    for command in (running, reporting):
        command.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.command == "report":
        report(args.results, Path("docs"))
    else:
        if args.share < 1 and args.results == RESULTS:
            parser.error("Name --results with --share: what it finds means nothing.")
        run(args.work, args.results, args.seeds, args.arms, args.minutes, args.share)


if __name__ == "__main__":
    main()
