"""Time and memory of all metrics that need no download, over many sequences.

    python benchmarks/evaluation_speed.py            # 1,000 sequences of 16 frames of 64x64 px

Runs ``filmgrid evaluate`` as a user would, in a process of its own, on clips in two .npy files:
moving things of the procedural world as the real side, the same with noise as the made side. The
bars are 5 minutes on 2 cores and 3 GiB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from filmgrid.data.world.source import World
from filmgrid.grid.spec import CellSize


def write_sets(folder: Path, count: int, num_frames: int, side: int, seed: int = 0) -> None:
    """Two files of clips, written one clip at a time."""
    world, random = World(), np.random.default_rng(seed)
    shape = (count, num_frames, side, side, 3)
    real, made = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape)
        for name in ("real", "made")
    )
    for index in range(count):
        frames = world.draw(index, num_frames, CellSize(side, side), random).frames
        textured = frames + random.normal(0, 3, (1, side, side, 1))
        real[index] = np.clip(textured, 0, 255)
        made[index] = np.clip(textured + random.normal(0, 6, frames.shape), 0, 255)


def main() -> None:
    """Write, evaluate, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--metrics", nargs="+", default=["all-offline", "kept"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_sets(folder, given.count, given.frames, given.side)
        words = ["--real", folder / "real.npy", "--generated", folder / "made.npy"]
        words += ["--layout", "4x4", "--kept", "0", "--metrics", *given.metrics]
        words += ["--out", folder / "found.json"]
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "filmgrid", "evaluate", *map(str, words)])
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    if status:
        raise SystemExit("filmgrid evaluate failed.")
    print(
        f"{given.count} pairs of sequences of {given.frames} frames of {given.side} px: "
        f"{seconds:.0f} s, peak memory {usage.ru_maxrss / 2**20:.2f} GiB, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
