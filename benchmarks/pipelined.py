"""Long sequences whose frames are finished beside the next grid, against between grids.

    python benchmarks/pipelined.py --model MODEL --frames 128 --upscale 4 --device cuda
    python benchmarks/pipelined.py --frames 20 --steps 2 --repeats 1          # small, on a CPU

Both ways write the same frames as PNG, which is checked, in turns, each as often. Told is how many
times faster beside is, and the share of the wall time that finishing takes between grids: what
could be gained at most.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from filmgrid.generator import Generator
from filmgrid.long import stream
from filmgrid.longrun import generate_long
from filmgrid.models.precision import choose_device
from filmgrid.request import GenerateRequest
from filmgrid.request.text import parse_upscale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--prompt", default="a small yellow star bouncing on a black background")
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--steps", type=int, help="by default the model's own")
    parser.add_argument("--upscale", default="1")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file for what was measured")
    args = parser.parse_args()
    request = GenerateRequest(
        prompt=args.prompt,
        model=args.model,
        frames=args.frames,
        steps=args.steps,
        upscale=parse_upscale(args.upscale),
        device=args.device,
    )
    generator = Generator.from_pretrained(args.model, choose_device(args.device).type)
    for _ in stream(generator, request.model_copy(update={"frames": 20})):
        pass  # what is slow the first time
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    between = []
    for repeat in range(args.repeats):
        files: dict[str, list[bytes]] = {}
        for pipelined in ("off", "on") if repeat % 2 == 0 else ("on", "off"):
            taken, busy, files[pipelined] = run(generator, request, pipelined)
            seconds[pipelined].append(taken)
            if pipelined == "off":
                between.append(1 - busy / taken)
        if files["off"] != files["on"]:
            raise SystemExit("The two ways made other frames.")
    ratios = [off / on for off, on in zip(seconds["off"], seconds["on"], strict=True)]
    told = {
        "device": str(generator.device),
        "frames": args.frames,
        "upscale": args.upscale,
        "seconds between grids": round(median(seconds["off"]), 3),
        "seconds beside": round(median(seconds["on"]), 3),
        "times faster": round(median(ratios), 3),
        "lowest and highest": [round(min(ratios), 3), round(max(ratios), 3)],
        "share of finishing, between grids": round(median(between), 3),
    }
    print(json.dumps(told, indent=2))
    if args.out is not None:
        args.out.write_text(json.dumps(told, indent=2))


def run(
    generator: Generator, request: GenerateRequest, pipelined: str
) -> tuple[float, float, list[bytes]]:
    """Seconds that it takes, those of them in which velocities are computed, and the frames."""
    folder, busy, answer = Path(tempfile.mkdtemp()), 0.0, generator.answer

    def timed(wanted):
        nonlocal busy
        began = time.perf_counter()
        made = answer(wanted)
        if made.is_cuda and pipelined == "off":  # beside, waiting here would be what is measured
            import torch

            torch.cuda.synchronize(made.device)
        busy += time.perf_counter() - began
        return made

    generator.answer = timed
    try:
        began = time.perf_counter()
        generate_long(generator, request, folder / "frames", pipelined=pipelined)
        taken = time.perf_counter() - began
        made = [path.read_bytes() for path in sorted((folder / "frames").glob("*.png"))]
    finally:
        generator.answer = answer
        shutil.rmtree(folder)
    return taken, busy, made


if __name__ == "__main__":
    main()
