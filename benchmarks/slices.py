"""Slices between those of a held-out scan, beside interpolation, in one run.

    python benchmarks/slices.py scan.nii.gz --model runs/ct --window soft --pictures out/

Every second slice is dropped and made again from its neighbours: by the model, by linear and by
cubic interpolation of the values along the axis. Scored are the dropped slices within the window:
PSNR in its range, mean absolute error in the values of the scan (Hounsfield units of a CT), and
SSIM of the 8-bit slices. The samples of several seeds are scored one by one, and their mean.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from filmgrid.data.titled import with_titles
from filmgrid.data.volumes import PLANES, Volume, parse_window, read_volume, slices
from filmgrid.generator import Generator
from filmgrid.metrics.frames import ssim
from filmgrid.request import GenerateRequest
from filmgrid.thinning import thinned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--window", default="soft")
    parser.add_argument("--plane", choices=sorted(PLANES), default="axial")
    parser.add_argument("--cell", help="size of the slices while all is made and scored")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="slices of the scan, from the middle")
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    window = parse_window(args.window) or (0.0, 0.0)
    scan = read_volume(args.scan)
    if args.window == "auto":
        window = slices(scan, args.plane)[1]
    axis = PLANES[args.plane]
    whole = middle(along(scan, axis), args.limit)
    generator = Generator.from_pretrained(args.model)
    known = across(scan, whole[::2], axis)
    words = {"cell": args.cell, "steps": args.steps, "guidance": args.guidance}
    samples = []
    for seed in range(args.seeds):
        request = GenerateRequest(
            video=args.scan, between=1, prompt=args.prompt, seed=seed, model=args.model, **words
        )
        samples.append(along(thinned(generator, known, request, args.plane, window), axis)[1::2])
    real = whole[1::2]
    if args.cell is not None:  # all at the size that the model paints
        size = samples[0].shape[1:]
        shrunk = resized(whole, size, window)
        real, whole = shrunk[1::2], shrunk
    made = {
        "linear": linear(whole[::2]),
        "cubic": cubic(whole[::2]),
        "mean of samples": np.mean(samples, axis=0),
    }
    rows = {way: score(real, each, window) for way, each in made.items()}
    each = [score(real, one, window) for one in samples]
    rows["one sample"] = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    told = {name: str(value) for name, value in vars(args).items() if value is not None}
    print(json.dumps({**told, "dropped slices": len(real), "window": list(window)}))
    print(f"{'':18}{'PSNR':>8}{'error':>9}{'SSIM':>9}")
    for way, row in rows.items():
        print(f"{way:18}{row['psnr']:8.2f}{row['error']:9.2f}{row['ssim']:9.4f}")
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
        shown = {"real": real, **made, "one sample": samples[0]}
        chosen = np.linspace(0, len(real) - 1, 6).astype(int)
        sheets = [np.concatenate(list(grey(v[chosen], window)), axis=1) for v in shown.values()]
        Image.fromarray(with_titles(sheets, list(shown))).save(args.pictures / "slices.png")


def along(volume: Volume, axis: int) -> np.ndarray:
    """Values with the slices first."""
    return np.moveaxis(volume.values, axis, 0)


def across(like: Volume, values: np.ndarray, axis: int) -> Volume:
    """A scan of every second slice."""
    spacing = list(like.spacing)
    spacing[axis] *= 2
    values = np.ascontiguousarray(np.moveaxis(values, 0, axis))
    return replace(like, values=values, spacing=(spacing[0], spacing[1], spacing[2]))


def middle(values: np.ndarray, limit: int | None) -> np.ndarray:
    """An odd number of slices, so that each dropped one has two neighbours."""
    count = min(len(values), limit or len(values))
    count -= 1 - count % 2
    first = (len(values) - count) // 2
    return values[first : first + count]


def linear(known: np.ndarray) -> np.ndarray:
    """The mean of both neighbours."""
    return (known[:-1] + known[1:]) / 2


def cubic(known: np.ndarray) -> np.ndarray:
    """Catmull-Rom's curve through four neighbours, the outermost repeated."""
    padded = np.concatenate([known[:1], known, known[-1:]])
    near, far = padded[1:-2] + padded[2:-1], padded[:-3] + padded[3:]
    return 9 / 16 * near - far / 16


def resized(values: np.ndarray, size: tuple[int, ...], window: tuple[float, float]) -> np.ndarray:
    """Slices of another size, in the values of the scan, within the window as the model sees it."""
    height, width = size
    made = [
        np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.LANCZOS))
        for one in np.clip(values, *window).astype(np.float32)
    ]
    return np.stack(made)


def grey(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """8-bit frames."""
    low, high = window
    levels = (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


def score(real: np.ndarray, made: np.ndarray, window: tuple[float, float]) -> dict[str, float]:
    """Of each slice, then the mean over slices; both within the window."""
    low, high = window
    one, two = np.clip(real, low, high), np.clip(made, low, high)
    squared = np.square(one - two).mean(axis=(1, 2))
    return {
        "psnr": float(np.mean(10 * np.log10((high - low) ** 2 / np.maximum(squared, 1e-9)))),
        "error": float(np.abs(one - two).mean()),
        "ssim": ssim(grey(real, window), grey(made, window)),
    }


if __name__ == "__main__":
    main()
