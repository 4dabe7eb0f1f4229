"""From a folder of clips to every task on a FLUX-class model, by the commands that it prints.

    python examples/from_clips.py CLIPS --work runs/clips --model flux2-klein-base-4b \
        --caption-model qwen3-vl --base-url http://localhost:11434/v1

Two datasets of the same clips, one of small cells with captions of what is seen, one of larger
cells with captions of what happens; a LoRA trained on the one and then on the other, as GRID's two
stages; then every task with it. The defaults are for one large GPU and an afternoon.

``--model tiny`` makes a FLUX.1 of random weights, a few MB: on a laptop, with ``--cells 16 32
--layout 2x2 --steps 20 10``, every step is the real one, and there is nothing to see.
"""

import shlex
from pathlib import Path
from typing import Annotated

import tyro
import yaml
from pydantic import BaseModel, ConfigDict

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.cli import main as filmgrid
from filmgrid.grid.spec import Layout


class Asked(BaseModel):
    """What to make of which clips."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    clips: Annotated[Path, tyro.conf.Positional]
    """Folder of videos."""
    work: Path
    """Folder for datasets, runs and sequences; what is in it is not made again."""
    model: str
    """A FLUX-class model by short name, Hub id or folder, or tiny."""
    caption_model: str
    """Vision-language model that writes the captions."""
    base_url: str | None = None
    """Where it is served; by default OpenAI's."""
    layout: str = "4x4"
    """Of the grids."""
    cells: tuple[int, int] = (128, 256)
    """Pixels of a cell in the two stages."""
    steps: tuple[int, int] = (1600, 400)
    """Of the two stages."""
    stride: int = 2
    """Frames of a clip from one cell to the next."""
    rank: int = 16
    """Of the LoRA."""
    sampling_steps: int = 20
    """Of every sequence."""


def main(asked: Asked) -> list[Path]:
    """Make all of it; returns the sequences."""
    work, model = asked.work, asked.model
    if model == "tiny":
        model = str(work / "tiny")
        if not (work / "tiny").is_dir():
            save_tiny("flux", work / "tiny")
    stages = []
    for style, cell, steps in zip(("coarse", "fine"), asked.cells, asked.steps, strict=True):
        data = work / f"data-{style}"
        if not data.is_dir():
            _run(
                "dataset", "build", asked.clips, "--out", data, "--layout", asked.layout,
                "--cell", cell, "--stride", asked.stride, "--fit", "crop",
            )  # fmt: skip
        served = [] if asked.base_url is None else ["--base-url", asked.base_url]
        _run(
            "dataset", "caption", data, "--model", asked.caption_model, *served,
            "--style", style, "--hint", "{stem}",
        )  # fmt: skip
        folder = [{"kind": "folder", "folder": str(data)}]
        stages.append({"data": folder, "cell": cell, "steps": steps})
    stages[1]["loss"] = {"ramp": 1e-3}
    base = {
        "start_from": model,
        "lora": {"rank": asked.rank},
        "layouts": [{"layout": asked.layout}],
        "batch": 1,
        "keep_probability": 0,
        "noise": {"kind": "uniform"},
        "optim": {"warmup_steps": 10, "decay": 0},
        "ema": 0.99,
        "gradient_checkpointing": True,
        "compile": False,
        "validate_every": 0,
    }
    curriculum = {"kind": "curriculum", "out": str(work / "lora"), "base": base, "stages": stages}
    path = work / "curriculum.yaml"
    path.write_text(yaml.safe_dump(curriculum, sort_keys=False), encoding="utf-8")
    _run("train", path)
    return _every_task(asked, model)


def _every_task(asked: Asked, model: str) -> list[Path]:
    work, last = asked.work, Layout.parse(asked.layout).num_cells - 1
    taller = Layout.parse(asked.layout)
    words = {
        "text": [],
        "image": ["--image", work / "first.png"],
        "between": [
            "--keyframe", f"0={work / 'first.png'}", "--keyframe", f"{last}={work / 'last.png'}"
        ],
        "redraw": ["--video", work / "text.png", "--redraw", "1-2"],
        "edit": ["--video", work / "text.png", "--sigma", 0.9],
        "restore": ["--video", work / "text.png", "--sigma", 0.6],
        "extend": [
            "--video", work / "text.png", "--task", "extend",
            "--layout", Layout(taller.rows + 1, taller.cols),
        ],
    }  # fmt: skip
    made = []
    for task, more in words.items():
        layout = [] if task == "extend" else ["--layout", asked.layout]
        out = work / f"{task}.{'png' if task == 'text' else 'mp4'}"
        _run(
            "generate", "a person moves", "--model", model, "--lora", work / "lora" / "stage-2",
            "--cell", asked.cells[1], "--steps", asked.sampling_steps, "--seed", 1,
            *layout, *more, "--out", out,
        )  # fmt: skip
        made.append(out)
        if task == "text":
            _run("split", out, "--out", f"{work / 'frames'}/")
            frames = sorted((work / "frames").glob("*.png"))
            for name, frame in (("first", frames[0]), ("last", frames[-1])):
                (work / f"{name}.png").write_bytes(frame.read_bytes())
    return made


def _run(*words: object) -> None:
    command = [str(word) for word in words]
    print(f"\nfilmgrid {shlex.join(command)}", flush=True)
    filmgrid(command)


if __name__ == "__main__":
    for sequence in main(tyro.cli(Asked, description=__doc__)):
        print(sequence)
