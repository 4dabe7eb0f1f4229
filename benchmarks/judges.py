"""Whether the judges of the world can be believed: what they read off real frames.

    python benchmarks/judges.py                       # 500 scenes of each sort at 64 px
    python benchmarks/judges.py --blur 0.7 --noise 6  # as a good but imperfect small model paints

Scenes are drawn from seeds that training never uses, rendered, blurred by a Gaussian (standard
deviation in pixels), given Gaussian noise (standard deviation in levels of 255), and read. Printed
is the share of scenes in which each word is right in all things, with its 95 % interval (Wilson).
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from filmgrid.data.world.motion_scenes import draw_motion_scene
from filmgrid.data.world.source import Scene, render
from filmgrid.data.world.turntables import draw_turntable
from filmgrid.evaluation.judges.motion import compare_motion, judge_motion
from filmgrid.evaluation.judges.silhouettes import hull_overlap
from filmgrid.evaluation.judges.turntable import compare_turntable, judge_turntable
from filmgrid.grid.spec import CellSize
from filmgrid.metrics.blur import blurred
from filmgrid.types import FrameArray

STREAM = 2024  # of seeds; training draws from [seed, index, 11]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--cell", type=int, default=64)
    parser.add_argument("--blur", type=float, default=0.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--hulls", type=int, default=100, help="turntables whose hull is measured")
    args = parser.parse_args()
    told = {
        "motion": judge_motions(args),
        "turntables": judge_turntables(args, 24),
        "stills of turntables": judge_turntables(args, 1),
    }
    for name, figures in told.items():
        print(name)
        for what, figure in figures.items():
            print(f"  {what}: {json.dumps(figure)}")


def judge_motions(args: argparse.Namespace) -> dict[str, object]:
    right, errors, seconds = defaultdict(list), [], 0.0
    for seed in range(args.count):
        scene = draw_motion_scene(np.random.default_rng([seed, STREAM]), 16)
        frames = spoilt(scene, 16, args, seed)
        started = time.perf_counter()
        seen = judge_motion(frames)
        seconds += time.perf_counter() - started
        collect(right, compare_motion(scene, seen))
        found = {thing.colour: thing for thing in seen.things}
        for thing in scene.things:
            if thing.colour in found:
                apart = found[thing.colour].centres - thing.track(16).centres
                errors.extend(np.linalg.norm(apart, axis=1) * args.cell)
    errors = np.array(errors)
    return {
        **{word: share(values) for word, values in right.items()},
        "position error in px, median": round(float(np.nanmedian(errors)), 3),
        "position error in px, 99th percentile": round(float(np.nanquantile(errors, 0.99)), 3),
        "seconds per 100 sequences": round(100 * seconds / args.count, 1),
    }


def judge_turntables(args: argparse.Namespace, num_frames: int) -> dict[str, object]:
    right, hulls, closed, seconds = defaultdict(list), [], [], 0.0
    for seed in range(args.count):
        scene = draw_turntable(np.random.default_rng([seed, STREAM]), num_frames)
        frames = spoilt(scene, num_frames, args, seed)
        started = time.perf_counter()
        seen = judge_turntable(frames)
        seconds += time.perf_counter() - started
        words = compare_turntable(scene, seen)
        if num_frames == 1:
            words = {word: words[word] for word in ("kind", "colour", "second colour")}
        collect(right, words)
        if num_frames > 1 and scene.act == "standing still":
            closed.append(seen is not None and seen.closes)
            if len(hulls) < args.hulls:
                hulls.append(hull_overlap(frames, scene.turn))
    figures: dict[str, object] = {word: share(values) for word, values in right.items()}
    if hulls:
        figures["closes, where it stands still"] = share(closed)
        figures["IoU with the visual hull, mean"] = round(float(np.mean(hulls)), 4)
        figures["IoU with the visual hull, least"] = round(float(np.min(hulls)), 4)
    figures["seconds per 100 sequences"] = round(100 * seconds / args.count, 1)
    return figures


def spoilt(scene: Scene, num_frames: int, args: argparse.Namespace, seed: int) -> FrameArray:
    """Frames of a scene, worse than they are by as much as is asked for."""
    frames = render([scene], num_frames, CellSize(args.cell, args.cell))[0].numpy()
    if not args.blur and not args.noise:
        return frames
    soft = blurred(frames, args.blur) if args.blur else frames.astype(np.float32)
    noise = np.random.default_rng([seed, STREAM + 1]).normal(0, args.noise, frames.shape)
    return (soft + noise).round().clip(0, 255).astype(np.uint8)


def collect(into: dict[str, list[bool]], words: dict[str, bool]) -> None:
    for word, value in words.items():
        into[word].append(value)
    into["all words"].append(all(words.values()))


def share(values: Iterable[bool]) -> dict[str, float | int]:
    """Share in percent with its Wilson interval, and of how many."""
    values = list(values)
    count, mean, z = len(values), float(np.mean(values)), 1.96
    middle = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (mean * (1 - mean) / count + z**2 / (4 * count**2)) ** 0.5
    low, high = 100 * (middle - half), 100 * (middle + half)
    return {
        "right %": round(100 * mean, 1),
        "from": round(low, 1),
        "to": round(min(100.0, high), 1),
        "of": count,
    }


if __name__ == "__main__":
    main()
