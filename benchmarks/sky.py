"""Sky clips from scratch: a grid transformer of 32-px cells, super-resolution to 128, any length.

    python benchmarks/sky.py data mdgan_real_video.mp4      # 48 clips in one mosaic, 8 held out
    python benchmarks/sky.py train                          # super-resolution, then sequences
    python benchmarks/sky.py measure --json sky.json

What is measured, on the 8 clips that no training sees:

- super-resolution four times, PSNR over bicubic interpolation, on clean and on degraded small
  frames, by number of steps; flicker, the error of the change from frame to frame, with noise
  that frames share and with noise of their own;
- long sequences: MMD of two feature sets to the held-out clips, beside that of the training clips
  to them, and the nearest training clip of each sequence.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.degrade import enlarged_again, made_small
from filmgrid.data.degrade_config import SuperResolutionConfig
from filmgrid.data.export import save_image, save_sequence
from filmgrid.data.manifest import Split
from filmgrid.data.provenance import Provenance
from filmgrid.data.sequences import SequenceFolder
from filmgrid.data.titled import with_titles
from filmgrid.evaluation.offline import offline_features
from filmgrid.generator import Generator
from filmgrid.long import Stretch, stream
from filmgrid.metrics.frames import psnr
from filmgrid.metrics.kernel import polynomial_mmd
from filmgrid.metrics.statistics import bootstrap_mean
from filmgrid.models.codec import frames_of, pixels_of
from filmgrid.models.families import load_mini
from filmgrid.models.precision import choose_device, choose_dtype
from filmgrid.process.resampling import coarse_part, resampled
from filmgrid.request import GenerateRequest
from filmgrid.sampling.upscale import SuperResolution
from filmgrid.training.config import TrainConfig
from filmgrid.training.run import train
from filmgrid.types import FrameArray

HELD_OUT = (8, 10, 14, 21, 26, 38, 39, 42)
"""Clips of the mosaic; none shows a scene of another clip."""
AUGMENT = {"flip": 0.5, "hue": 10, "saturation": 0.2, "contrast": 0.2, "scale": 0.2, "shift": 0.08}
FACTOR, LARGE, SMALL = 4, 128, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("data", "train", "measure"))
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--runs", type=Path, default=Path("runs/sky"))
    parser.add_argument("--only", choices=("larger", "sequences"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--count", type=int, default=16, help="long sequences")
    parser.add_argument("--frames", type=int, default=64, help="of each")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.what == "data":
        build(args.video, args.runs)
    elif args.what == "train":
        for name, config in configs(args.runs).items():
            if args.only in (None, name):
                changes = {} if args.steps is None else {"steps": args.steps}
                train(TrainConfig(**{**config.model_dump(), **changes}))
    else:
        told = {}
        if args.only in (None, "larger"):
            told["super-resolution"] = measure_larger(args.runs)
        if args.only in (None, "sequences"):
            told["sequences"] = measure_sequences(args.runs, args.count, args.frames)
        print(json.dumps(told, indent=2))
        if args.json:
            args.json.write_text(json.dumps(told, indent=2), encoding="utf-8")


def build(video: Path, runs: Path) -> None:
    """Cut the mosaic into two datasets, of grids of small frames and of large frames."""
    held_out = tuple(f"{video.name}#{clip}" for clip in HELD_OUT)
    shared: dict[str, Any] = {
        "sources": (video,),
        "mosaic": "6x8",
        "mosaic_gap": 2,
        "held_out_groups": held_out,
        "overwrite": True,
    }
    build_dataset(
        DatasetConfig(out=runs / "small", layout="4x4", cell=SMALL, fit="resize", step=1, **shared)
    )
    build_dataset(DatasetConfig(out=runs / "large", layout="1x1", cell=LARGE, **shared))


def configs(runs: Path) -> dict[str, TrainConfig]:
    """The two trainings: fifteen and forty minutes on two cores with bf16."""
    alone = {"max_words": 1, "text_depth": 0, "head_dim": 64}
    larger = {
        "out": runs / "larger",
        "name": "sky-larger",
        "data": [{"kind": "folder", "folder": runs / "large", "augment": {"flip": 0.5}}],
        "super_resolution": {"factor": FACTOR, "frame": LARGE},
        "cell": 64,
        "layouts": [{"layout": "1x1"}],
        "model": {**alone, "dim": 192, "depth": 6, "copies": False},
        "noise": {"mean": 1.5, "std": 1.5},
        "shift": 3.0,
        "num_steps": 4,
        "keep_probability": 0,
        "loss": {"temporal": "none"},
        "batch": 64,
        "steps": 1200,
        "optim": {"muon_lr": 0.014, "adamw_lr": 8e-4, "decay": 0.6},
        "ema": 0.995,
        "save_every": 200,
        "validate_every": 400,
    }
    sequences = {
        "out": runs / "sequences",
        "name": "sky-sequences",
        "data": [{"kind": "folder", "folder": runs / "small", "augment": AUGMENT}],
        "cell": SMALL,
        "layouts": [{"layout": "4x4"}],
        "model": {**alone, "dim": 256, "depth": 6},
        "noise": {"mean": 1.4, "std": 1.8},
        "shift": 4.0,
        "keep_probability": 0.5,
        "batch": 32,
        "steps": 1500,
        "optim": {"muon_lr": 0.018, "decay": 0.6},
        "ema": 0.995,
        "fps": 12,
        "save_every": 200,
        "validate_every": 500,
    }
    return {
        name: TrainConfig(**words) for name, words in (("larger", larger), ("sequences", sequences))
    }


def measure_larger(runs: Path) -> dict[str, Any]:
    """Super-resolution of the held-out clips, beside bicubic interpolation."""
    clips = [clip[:6] for clip in clips_of(runs / "large", "held_out").values()]
    device = choose_device("auto")
    backbone = load_mini(str(runs / "larger"))
    backbone.module.to(device).requires_grad_(False)
    dtype = choose_dtype("auto", device)
    told: dict[str, Any] = {}
    sheets = []
    for harm in ("clean", "degraded"):
        asked = SuperResolutionConfig(factor=FACTOR, degraded=float(harm == "degraded"))
        given = [
            enlarged_again(made_small(clip, FACTOR), asked, np.random.default_rng(number))
            for number, clip in enumerate(clips)
        ]
        told[harm] = {"bicubic psnr": _of([psnr(a, b) for a, b in zip(clips, given, strict=True)])}
        told[harm]["bicubic flicker"] = _of(_flicker(clips, given))
        coarse = [frames_of(coarse_part(pixels_of(clip), FACTOR)) for clip in given]
        told[harm]["gain dB of the coarse part alone"] = _of(_gains(clips, given, coarse))
        for steps, shared in ((1, True), (4, True), (4, False)):
            network = SuperResolution(backbone, device, dtype, num_steps=steps, shared_noise=shared)
            made = [frames_of(network.paint(pixels_of(clip, device))) for clip in given]
            gains = _gains(clips, given, made)
            way = f"{steps} step(s), {'shared' if shared else 'own'} noise"
            told[harm][way] = {"gain dB": _of(gains), "flicker": _of(_flicker(clips, made))}
            if shared:
                sheets.append((f"{harm}, {steps} step(s)", [each[0] for each in made]))
        sheets.append((f"{harm}, given", [each[0] for each in given]))
    sheets.append(("real", [clip[0] for clip in clips]))
    rows = [np.concatenate(frames, axis=1) for _, frames in sheets]
    picture = with_titles(rows, [title for title, _ in sheets])
    save_image(picture, runs / "larger.png", Provenance(kind="image"))
    return told


def measure_sequences(runs: Path, count: int, frames: int) -> dict[str, Any]:
    """Long sequences beside the clips that no training saw."""
    generator = Generator.from_pretrained(runs / "sequences")
    seeds = range(count)
    request = GenerateRequest(model=str(runs / "sequences"), frames=frames)
    parts = [
        event.arrays
        for event in stream(generator, request, seeds=seeds)
        if isinstance(event, Stretch)
    ]
    made = list(np.concatenate(parts, axis=1))
    small = {
        split: [_shrunk(clip) for clip in clips_of(runs / "large", split).values()]
        for split in ("train", "held_out")
    }
    told: dict[str, Any] = {"sequences": count, "frames": frames}
    ends = {"first 16": slice(0, 16), "last 16": slice(frames - 16, frames)}
    for name in ("offline-colour", "offline-motion"):
        real = _features(name, [clip[:16] for clip in small["held_out"]])
        seen = _features(name, [clip[:16] for clip in small["train"]])
        told[name] = {"training clips (floor)": _mmd(real, seen)}
        for where, part in ends.items():
            told[name][f"made, {where}"] = _mmd(
                real, _features(name, [clip[part] for clip in made])
            )
    told["speed"] = {
        "real": _of([_speed(clip) for clip in small["held_out"]]),
        **{where: _of([_speed(clip[part]) for clip in made]) for where, part in ends.items()},
    }
    told["nearest training clip"] = {
        "made": _of([_nearest(clip[:16], small["train"])[0] for clip in made]),
        "held out": _of([_nearest(clip[:16], small["train"])[0] for clip in small["held_out"]]),
    }
    _show(made, small["train"], runs)
    _show_large(made[:2], runs)
    return told


def clips_of(folder: Path, split: Split) -> dict[str, FrameArray]:
    """The clips of one side of the dataset of single frames, whole and in order."""
    found: dict[str, dict[int, FrameArray]] = {}
    for sequence in SequenceFolder(folder, split):
        entry = sequence.entry
        found.setdefault(entry.source, {})[entry.indices[0]] = sequence.frames[0]
    return {
        source: np.stack([frames[at] for at in sorted(frames)]) for source, frames in found.items()
    }


def _shrunk(clip: FrameArray) -> FrameArray:
    return made_small(clip, FACTOR)


def _gains(clips: list[FrameArray], given: list[FrameArray], made: list[FrameArray]) -> list[float]:
    """PSNR of each clip over that of what was given of it."""
    return [
        psnr(true, ours) - psnr(true, plain)
        for true, ours, plain in zip(clips, made, given, strict=True)
    ]


def _flicker(clips: list[FrameArray], made: list[FrameArray]) -> list[float]:
    """Mean size of the error of the change from frame to frame, in levels."""
    return [
        float(
            np.abs(np.diff(ours.astype(float), axis=0) - np.diff(true.astype(float), axis=0)).mean()
        )
        for true, ours in zip(clips, made, strict=True)
    ]


def _speed(clip: FrameArray) -> float:
    """Mean change from frame to frame, in levels."""
    return float(np.abs(np.diff(clip.astype(float), axis=0)).mean())


def _features(name: Any, clips: list[FrameArray]) -> np.ndarray:
    return np.stack(list(offline_features(name).extract(clips))).astype(np.float64)


def _mmd(real: np.ndarray, other: np.ndarray, draws: int = 200) -> dict[str, float]:
    """Unbiased MMD, and the middle nine tenths of its bootstrap by clip."""
    rng = np.random.default_rng(0)
    drawn = [
        polynomial_mmd(
            real[np.unique(rng.integers(len(real), size=len(real)))],
            other[np.unique(rng.integers(len(other), size=len(other)))],
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, (0.05, 0.95))
    value = polynomial_mmd(real, other)
    return {"mmd": float(value), "low": float(low), "high": float(high)}


def _nearest(clip: FrameArray, others: list[FrameArray]) -> tuple[float, FrameArray]:
    """Root mean square distance to the nearest stretch of other clips or their mirror images."""
    best, found = np.inf, others[0][: len(clip)]
    ours = clip.astype(np.float32)
    for other in others:
        for image in (other, other[:, :, ::-1]):
            for start in range(0, len(image) - len(clip) + 1, 2):
                part = image[start : start + len(clip)]
                distance = float(np.sqrt(np.square(ours - part).mean()))
                if distance < best:
                    best, found = distance, part
    return best, found


def _show(made: list[FrameArray], seen: list[FrameArray], runs: Path) -> None:
    """Every other frame of some sequences, above the nearest stretch of a training clip."""
    rows, titles = [], []
    for number, clip in enumerate(made[:6]):
        distance, near = _nearest(clip[:16], seen)
        picked = np.linspace(0, len(clip) - 1, 16).astype(int)
        rows += [np.concatenate(list(clip[picked]), axis=1), np.concatenate(list(near), axis=1)]
        titles += [f"sequence {number}, all of it", f"nearest training clip, {distance:.0f} levels"]
    save_image(with_titles(rows, titles), runs / "sequences.png", Provenance(kind="image"))


def _show_large(made: list[FrameArray], runs: Path) -> None:
    device = choose_device("auto")
    backbone = load_mini(str(runs / "larger"))
    backbone.module.to(device).requires_grad_(False)
    network = SuperResolution(backbone, device, choose_dtype("auto", device))
    for number, clip in enumerate(made):
        large = network(clip)
        save_sequence(large, runs / f"sky-{number}.mp4", fps=12, provenance=Provenance())
        picked = np.linspace(0, len(clip) - 1, 8).astype(int)
        plain = resampled(pixels_of(clip[picked]), LARGE, LARGE)
        rows = [np.concatenate(list(each), axis=1) for each in (frames_of(plain), large[picked])]
        sheet = with_titles(rows, ["bicubic", "super-resolution"])
        save_image(sheet, runs / f"sky-{number}.png", Provenance(kind="image"))


def _of(values: list[float]) -> dict[str, float]:
    found = bootstrap_mean(np.array(values))
    return {"mean": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
