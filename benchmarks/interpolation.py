"""Interpolation on held-out sequences, beside nearest keyframe and linear blending, in one run.

    python benchmarks/interpolation.py --dataset data/weizmann --model runs/weizmann

The frames between the keyframes are scored: PSNR and SSIM over all pixels, and PSNR over moving
pixels (where the real frames change). Every method gets the same sequences and keyframes. For
each sequence the samples of several seeds are scored one by one, and their mean frame as well.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from filmgrid.data.sequences import SequenceFolder
from filmgrid.data.titled import with_titles
from filmgrid.generator import Generator
from filmgrid.grid.reference import from_keyframes
from filmgrid.grid.spec import Layout
from filmgrid.metrics.frames import moving_pixels, psnr, ssim


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--split", default="held_out")
    parser.add_argument("--keyframes", default="0,5,10,15")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--sigma", type=float, default=1.0)
    parser.add_argument("--conditioning", default="auto")
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--pictures", type=Path, default=None)
    args = parser.parse_args()

    keys = [int(key) for key in args.keyframes.split(",")]
    generator = Generator.from_pretrained(args.model)
    scores: dict[str, list[dict[str, float]]] = defaultdict(list)
    folder = SequenceFolder(args.dataset, args.split)
    for index in range(len(folder))[: args.limit]:
        sequence = folder[index]
        real, layout = sequence.frames, sequence.layout
        made = {
            "nearest keyframe": nearest(real, keys),
            "linear blending": blend(real, keys, layout),
        }
        samples = generator(
            sequence.caption,
            keyframes={key: real[key] for key in keys},
            layout=layout,
            num_sequences=args.seeds,
            batch=args.seeds,
            num_inference_steps=args.steps,
            start_sigma=args.sigma,
            conditioning=args.conditioning,
        )
        ordered = [samples.arrays[samples.seeds.index(seed)] for seed in range(args.seeds)]
        made["mean of samples"] = np.round(np.mean(ordered, axis=0)).astype(np.uint8)
        for method, frames in made.items():
            scores[method].append(score(real, frames, keys))
        each = [score(real, frames, keys) for frames in ordered]
        mean = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
        scores["one sample"].append(mean)
        if args.pictures is not None:
            args.pictures.mkdir(parents=True, exist_ok=True)
            rows = {"real": real, **made, "one sample": ordered[0]}
            strip = [np.concatenate(list(frames), axis=1) for frames in rows.values()]
            titled = with_titles(strip, list(rows))
            Image.fromarray(titled).save(args.pictures / f"{index:03d}.png")
    report = {
        method: {name: float(np.mean([each[name] for each in entries])) for name in entries[0]}
        for method, entries in scores.items()
    }
    print(json.dumps({"sequences": len(scores["one sample"]), **vars_of(args)}, indent=None))
    print(f"{'':18}{'PSNR all':>10}{'SSIM all':>10}{'PSNR moving':>13}{'SSIM moving':>13}")
    for method, values in report.items():
        numbers = [values[name] for name in ("psnr", "ssim", "psnr_moving", "ssim_moving")]
        told = f"{numbers[0]:10.2f}{numbers[1]:10.4f}{numbers[2]:13.2f}{numbers[3]:13.4f}"
        print(f"{method:18}{told}")


def vars_of(args: argparse.Namespace) -> dict[str, str]:
    """What was measured, for the record."""
    return {name: str(value) for name, value in vars(args).items() if value is not None}


def score(real: np.ndarray, made: np.ndarray, keys: list[int]) -> dict[str, float]:
    """Fidelity of the frames between the keyframes."""
    between = [cell for cell in range(len(real)) if cell not in keys]
    moving = moving_pixels(real)[between]
    real, made = real[between], made[between]
    return {
        "psnr": psnr(real, made),
        "ssim": ssim(real, made),
        "psnr_moving": psnr(real, made, moving),
        "ssim_moving": ssim(real, made, moving),
    }


def nearest(real: np.ndarray, keys: list[int]) -> np.ndarray:
    """Each frame repeats the keyframe closest in time; the earlier one of two."""
    return np.stack([real[min(keys, key=lambda key: abs(key - cell))] for cell in range(len(real))])


def blend(real: np.ndarray, keys: list[int], layout: Layout) -> np.ndarray:
    """Linear blending, by the code that makes the reference of an interpolation."""
    images = {key: torch.from_numpy(real[key]).movedim(-1, 0)[None].float() for key in keys}
    cells = from_keyframes(images, layout).cells[0]
    return cells.round().to(torch.uint8).movedim(1, -1).numpy()


if __name__ == "__main__":
    main()
