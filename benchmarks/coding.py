"""Cells coded one by one against the whole grid as one image: bleeding, PSNR, time, memory.

    python benchmarks/coding.py --taef2 weights/ --clips videos/         # small, real weights
    python benchmarks/coding.py --folder FLUX.1-dev/vae --clips videos/  # any of diffusers
    python benchmarks/coding.py --random flux1-dev                       # time and memory alone

What is coded: the first frames of each clip, cut to a square, as a grid. *Bleeding*: one cell is
replaced by its negative; how much the other cells change once the grid has been encoded and
decoded, near the border (8 px) and farther in, in levels of 255. Cells that are coded one by one
cannot. *Mixed*: encoded one way and decoded the other, as happens if a model was trained on the
one and is sampled with the other.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image
from torch import nn

from filmgrid.data.media import read_clip
from filmgrid.errors import FilmgridError
from filmgrid.grid.spec import Layout
from filmgrid.metrics.frames import psnr
from filmgrid.models.codec import Codec, WholeGrid, frames_of, pixels_of
from filmgrid.models.published.build import build
from filmgrid.models.published.images import PUBLISHED
from filmgrid.models.vae import VaeCodec
from filmgrid.types import FrameArray

NEAR = 8
"""Pixels from a border that count as near."""
CELL = 5
"""That is replaced: one with neighbours on all sides in a 4x4 grid."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--taef2", type=Path, help="folder of taef2_encoder.pth and _decoder.pth")
    parser.add_argument("--folder", type=Path, help="of an autoencoder, as diffusers saves it")
    parser.add_argument("--random", help="known model whose autoencoder has random weights here")
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--layout", default="4x4")
    parser.add_argument("--cell", type=int, default=256)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["cells", "grid"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(timed(args)))
        return
    told: dict[str, Any] = {"layout": args.layout, "cell": args.cell, "dtype": args.dtype}
    if args.clips is not None:
        told["pictures"] = compare(args)
    runs = {"cells": [], "grid": []}
    for _ in range(args.repeats):  # in turn, so that a busy machine is busy for both
        for way, seen in runs.items():
            words = [sys.executable, *sys.argv, "--only", way]
            seen.append(json.loads(subprocess.check_output(words, text=True).splitlines()[-1]))
    told["cost"] = {
        way: {key: sorted(run[key] for run in seen) for key in seen[0]}
        for way, seen in runs.items()
    }
    print(json.dumps(told, indent=2))


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Medians over clips."""
    layout = Layout.parse(args.layout)
    one_by_one = open_codec(args)
    whole = WholeGrid(one_by_one, layout)
    rows = []
    for path in sorted(args.clips.iterdir()):
        try:
            frames = squares(path, layout.num_cells, args.cell)
        except FilmgridError:
            continue
        if frames is None:
            continue
        rows.append(look(frames, one_by_one, whole))
        print(path.name, {key: round(value, 2) for key, value in rows[-1].items()}, file=sys.stderr)
    return {"clips": len(rows)} | {
        key: round(float(np.median([row[key] for row in rows])), 3) for key in rows[0]
    }


@torch.inference_mode()
def look(frames: FrameArray, one_by_one: Codec, whole: Codec) -> dict[str, float]:
    """What becomes of one sequence."""
    cells, near = {}, border(frames.shape[1])
    for name, encode, decode in (
        ("cells", one_by_one, one_by_one),
        ("grid", whole, whole),
        ("cells to grid", one_by_one, whole),
        ("grid to cells", whole, one_by_one),
    ):
        cells[name] = decode_with(decode, encode.encode(pixels_of(frames[None])))
    row = {}
    for name, made in cells.items():
        row[f"{name}: dB"] = float(np.mean(psnr(frames, made)))
        error = np.square(frames.astype(float) - made)
        row[f"{name}: dB near borders"] = level(error[:, near].mean())
        row[f"{name}: dB farther in"] = level(error[:, ~near].mean())
    other = frames.copy()
    other[CELL] = 255 - other[CELL]
    others = np.arange(len(frames)) != CELL
    for name, codec in (("cells", one_by_one), ("grid", whole)):
        made = decode_with(codec, codec.encode(pixels_of(other[None])))
        change = np.abs(made.astype(float) - cells[name])[others]
        row[f"{name}: bleeding near borders"] = float(change[:, near].mean())
        row[f"{name}: bleeding farther in"] = float(change[:, ~near].mean())
        row[f"{name}: bleeding, most"] = float(change.max())
    return row


def decode_with(codec: Codec, latents: torch.Tensor) -> FrameArray:
    return frames_of(codec.decode(latents))[0]


def level(mean_square: float) -> float:
    return float(10 * np.log10(255**2 / mean_square))


def border(side: int) -> np.ndarray:
    """Where pixels are near the border of a cell."""
    inner = np.zeros((side, side), bool)
    inner[NEAR:-NEAR, NEAR:-NEAR] = True
    return ~inner


def squares(path: Path, count: int, side: int) -> FrameArray | None:
    """The first frames of a clip, their middle; none if there are too few or they are smaller."""
    frames = read_clip(path).frames[:count]
    short = min(frames.shape[1:3])
    if len(frames) < count or short < side:
        return None
    top, left = ((length - short) // 2 for length in frames.shape[1:3])
    cut = frames[:, top : top + short, left : left + short]
    return np.stack([np.asarray(Image.fromarray(each).resize((side, side))) for each in cut])


@torch.inference_mode()
def timed(args: argparse.Namespace) -> dict[str, float]:
    """Seconds of coding, and the most memory that the process took above its weights."""
    layout = Layout.parse(args.layout)
    codec = open_codec(args)
    coded: Codec = WholeGrid(codec, layout) if args.only == "grid" else codec
    pixels = torch.rand(1, layout.num_cells, 3, args.cell, args.cell) * 2 - 1
    small = WholeGrid(codec, Layout(1, 1))
    small.decode(small.encode(pixels[:, :1, :, :64, :64]))  # libraries load what they need
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    latents = coded.encode(pixels)
    encoded = time.perf_counter()
    coded.decode(latents)
    decoded = time.perf_counter()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == "linux" else 2**30
    return {
        "encode s": round(encoded - started, 3),
        "decode s": round(decoded - encoded, 3),
        "GiB above weights": round((most - before) / unit, 2),
    }


def open_codec(args: argparse.Namespace) -> Codec:
    dtype = getattr(torch, args.dtype)
    if args.taef2 is not None:
        return Taef2(args.taef2, dtype)
    if args.folder is not None:
        index = json.loads((args.folder / "config.json").read_bytes())
        kind = getattr(diffusers, index["_class_name"])
        return VaeCodec(kind.from_pretrained(args.folder, torch_dtype=dtype).eval())
    parts = {"vae": PUBLISHED[args.random][1]()["vae"]}
    return VaeCodec(build(parts, torch.device("cpu"), dtype, args.random)["vae"].eval())


class Taef2:
    """The small autoencoder of FLUX.2's latents, madebyollin/taesd, MIT.

    diffusers' AutoencoderTiny has no pooling in its blocks, which this one has.
    """

    stride = 8
    channels = 32

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.nets = {}
        for side in ("encoder", "decoder"):
            weights = torch.load(folder / f"taef2_{side}.pth", weights_only=True)
            net = Layers(weights, DOWN if side == "encoder" else UP)
            net.load_state_dict(weights)
            self.nets[side] = net.to(dtype).eval()

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        return self._run("encoder", frames / 2 + 0.5)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self._run("decoder", torch.tanh(latents / 3) * 3) * 2 - 1

    def _run(self, side: str, cells: torch.Tensor) -> torch.Tensor:
        made = [self.nets[side](cell[None].to(self.dtype)).float() for cell in cells.flatten(0, 1)]
        return torch.cat(made).unflatten(0, cells.shape[:2])


DOWN = {2: 2, 6: 2, 10: 2}
"""Stride of the convolutions of the encoder that have one, by their place."""
UP = {2: "relu", 6: "twice", 11: "twice", 16: "twice"}
"""What has no weights in the decoder, by its place."""


class Layers(nn.Sequential):
    """Convolutions and residual blocks, as the names of the weights say."""

    def __init__(self, weights: dict[str, torch.Tensor], special: dict[int, Any]) -> None:
        super().__init__()
        for place in range(max(int(name.split(".")[0]) for name in weights) + 1):
            if f"{place}.conv.0.weight" in weights:
                layer: nn.Module = Block(pools=f"{place}.pool.0.weight" in weights)
            elif f"{place}.weight" in weights:
                out, inside = weights[f"{place}.weight"].shape[:2]
                stride = special.get(place, 1)
                biased = f"{place}.bias" in weights
                layer = nn.Conv2d(inside, out, 3, padding=1, stride=stride, bias=biased)
            else:
                named = {"relu": nn.ReLU(), "twice": nn.Upsample(scale_factor=2)}
                layer = named.get(special.get(place, ""), nn.Identity())
            self.add_module(str(place), layer)


class Block(nn.Module):
    """Three convolutions beside a shortcut; before them, some add a normed mixture of channels."""

    def __init__(self, *, pools: bool, width: int = 64) -> None:
        super().__init__()
        three = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        self.conv = nn.Sequential(three[0], nn.ReLU(), three[1], nn.ReLU(), three[2])
        self.pool = None
        if pools:
            self.pool = nn.Sequential(
                nn.Conv2d(width, 4 * width, 1, bias=False),
                nn.GroupNorm(4, 4 * width),
                nn.ReLU(),
                nn.Conv2d(4 * width, width, 1, bias=False),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return torch.relu(self.conv(x) + x)


if __name__ == "__main__":
    main()
