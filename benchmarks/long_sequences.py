"""Long sequences beside GriDiT's released sampler, on one set of weights, in one run.

    python benchmarks/long_sequences.py --out long.json            # 64 frames, 5 seeds
    python benchmarks/long_sequences.py --quick                    # 28 frames, one seed, 25 steps
    python benchmarks/long_sequences.py --frames 1024 --seeds 1    # its own evening

Everything is counted per frame that is delivered, for the release delivers other numbers than it
is asked for. Measured on the frames:

- drift: how far looks have moved from those of the beginning (metrics.drift), 0 is none;
- speed: mean change from frame to frame after the first grid, over that within it; 1 is steady;
- seams: mean change from frame to frame where one grid ends and the next begins, over that within
  grids; 1 is none.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from filmgrid.data.titled import with_titles
from filmgrid.generator import Generator
from filmgrid.grid.windows import release_runs
from filmgrid.long import Stretch, stream
from filmgrid.long_release import stream_release
from filmgrid.metrics.drift import drift
from filmgrid.metrics.statistics import bootstrap_mean
from filmgrid.request import GenerateRequest
from filmgrid.sampling.release import Defects
from filmgrid.types import FrameArray
from filmgrid.walking import Progress

PROMPTS = (
    "a small yellow circle bouncing on a black background",
    "a big red square bouncing on a navy background",
    "a small blue heart circling clockwise on a grey background",
)
GRID, ROW = 16, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--prompts", nargs="+", default=PROMPTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for a sheet of each way")
    args = parser.parse_args()
    if args.quick:
        args.frames, args.steps, args.seeds = 28, 25, 1
    generator = Generator.from_pretrained(args.model)
    ways: dict[str, dict[str, Any]] = {
        "release, guidance as released": {"defects": Defects()},
        "release, guidance removed": {"defects": Defects(dead_guidance=False)},
        "release, noise level mended too": {"defects": Defects(False, False)},
        "ours, as many steps, 3 rows kept": {"steps": args.steps, "keep_rows": 3},
        "ours, as many steps, 2 rows kept": {"steps": args.steps, "keep_rows": 2},
        "ours, as it comes": {},
        "ours, 3 rows kept": {"keep_rows": 3},
        "ours, first row anchored": {"anchor": 4},
        "ours, stretches walked twice": {"resample": 2},
    }
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    shown: dict[str, FrameArray] = {}
    for seed in range(args.seeds):
        prompt = args.prompts[seed % len(args.prompts)]
        for way, words in ways.items():
            if way == "release, guidance as released" and seed:
                continue  # the same frames as without, at twice the cost
            asked = {"prompt": prompt, "model": args.model, "frames": args.frames, "seed": seed}
            if "defects" in words:
                asked |= {"sampler": "gridit-release", "steps": args.steps}
                events = stream_release(generator, GenerateRequest(**asked), words["defects"])
            else:
                events = stream(generator, GenerateRequest(**asked, **words))
            frames, row = run(events)
            dead = "defects" in words and words["defects"].dead_guidance
            row["passes of a grid per frame"] = row["steps of a grid per frame"] * (
                2 if dead else 1
            )
            ends = borders(args.frames, words, len(frames))
            row |= look(frames, ends)
            rows[way].append(row)
            shown.setdefault(way, frames)
            print(seed, way, {key: round(value, 3) for key, value in row.items()}, flush=True)
    told = {way: summed(seen) for way, seen in rows.items()}
    print(json.dumps(told, indent=2))
    if args.out is not None:
        args.out.write_text(
            json.dumps({"settings": vars(args), "ways": told}, default=str, indent=2)
        )
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
        sheets = [np.concatenate(list(frames[:64:2]), axis=1) for frames in shown.values()]
        wide = max(sheet.shape[1] for sheet in sheets)
        padded = [
            np.pad(sheet, ((0, 0), (0, wide - sheet.shape[1]), (0, 0)), constant_values=255)
            for sheet in sheets
        ]
        Image.fromarray(with_titles(padded, list(shown))).save(args.pictures / "long.png")


def run(events: Iterator[Any]) -> tuple[FrameArray, dict[str, float]]:
    """All frames, and what they cost."""
    started, steps, parts = time.perf_counter(), 0, []
    for event in events:
        if isinstance(event, Progress):
            steps += 1
        elif isinstance(event, Stretch):
            parts.append(event.arrays[0])
    frames = np.concatenate(parts)
    seconds = time.perf_counter() - started
    return frames, {
        "frames": len(frames),
        "steps of a grid per frame": steps / len(frames),
        "seconds per frame": seconds / len(frames),
    }


def borders(num_frames: int, words: dict[str, Any], delivered: int) -> list[int]:
    """Frames that are the first of another grid than the frame before."""
    if "defects" in words:
        runs = release_runs(num_frames)
        return [GRID + ROW * number for number in range(2 * runs)]
    new = GRID - ROW * words.get("keep_rows", 2)
    return list(range(GRID, delivered, new))


def look(frames: FrameArray, ends: list[int]) -> dict[str, float]:
    """What became of a sequence over time."""
    steps = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(1, 2, 3))
    across = np.array([end - 1 for end in ends])
    within = np.ones(len(steps), bool)
    within[across] = False
    return {
        "drift": drift(frames),
        "speed": float(steps[GRID:].mean() / steps[: GRID - 1].mean()),
        "seams": float(steps[across].mean() / steps[within].mean()),
    }


def summed(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of costs, means of looks with their intervals."""
    told: dict[str, Any] = {}
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        if key in ("drift", "speed", "seams") and len(rows) > 1:
            mean = bootstrap_mean(values)
            told[key] = {
                "mean": round(mean.value, 3),
                "low": round(mean.low, 3),
                "high": round(mean.high, 3),
            }
        else:
            told[key] = round(float(np.median(values)), 4)
    return told


if __name__ == "__main__":
    main()
