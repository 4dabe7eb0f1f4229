"""How fast the world is drawn, as training asks for it: one scene at a time, in one thread.

    python benchmarks/world_speed.py            # and --device cuda --batch 256 for a GPU

Prints sequences per second: drawing by lot, rendering and wording together.
"""

import argparse
import time

import numpy as np
import torch

from filmgrid.data.world.source import World, render
from filmgrid.grid.spec import CellSize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="per line")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, turntables, num_frames in (
        ("motion", 0.0, 16),
        ("motion", 0.0, 64),
        ("turntables", 1.0, 24),
        ("stills of both", 0.5, 1),
    ):
        for side in (32, 64):
            world, cell = World("train", turntables), CellSize(side, side)
            rate = measure(world, num_frames, cell, args)
            print(f"{name}, {num_frames} frames of {cell} px: {rate:.0f} sequences/s")


def measure(world: World, num_frames: int, cell: CellSize, args: argparse.Namespace) -> float:
    rng = np.random.default_rng(0)
    for warm in range(5):
        world.draw(warm, num_frames, cell, rng)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < args.seconds:
        if args.batch == 1 and args.device == "cpu":
            world.draw(done, num_frames, cell, rng)
        else:
            scenes = [world.scene(done + place, num_frames) for place in range(args.batch)]
            frames = render(scenes, num_frames, cell, args.device)
            frames[0, 0, 0, 0, 0].item()  # waits for the device
        done += args.batch
    return done / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
