"""How long one sequence takes, warm and in a process of its own, and how much memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filmgrid.bars.figure import Readings, Row, Setup
from filmgrid.bench.config import BenchConfig
from filmgrid.bench.memory import process_peak
from filmgrid.errors import FilmgridError
from filmgrid.models.facts import BackboneFacts

PROMPT = "a big red circle moving right slowly on a black background"
LAYOUT, STEPS = "4x4", 20
LEAST_GUIDANCE = 1.5
"""Guidance is part of the work, even for models whose default is none."""


class Speed:
    """16 frames in 20 steps with guidance, in the size of cell that the model makes."""

    name = "speed"
    rows: Sequence[Row] = (
        Row("warm", "16 frames, 20 steps with guidance: warm", 4, 4, "mean", "s", True),
        Row("cold", "  the whole process, cold", 12, 12, "mean", "s", True),
        Row("memory", "  memory of the process", 1.5, 1.5, "mean", "GiB", True),
    )
    full = 5
    settings: tuple[str, ...] = ()

    def unfit(self, facts: BackboneFacts) -> str:
        """Whatever a model was trained on, it takes its time."""
        return ""

    def run(self, setup: Setup, number: int) -> tuple[Readings, Readings]:
        """Time one sequence both ways; there is nothing true to compare with."""
        facts = setup.facts
        guidance = max(facts.guidance_scale, LEAST_GUIDANCE)
        words = setup.words(PROMPT, LAYOUT, number) | {
            "num_inference_steps": STEPS,
            "guidance_scale": guidance,
        }
        setup.generator(**words)  # what is done once is done
        started = time.perf_counter()
        setup.generator(**words)
        readings = {"warm": time.perf_counter() - started}
        readings["cold"] = _cold_seconds(setup, guidance)
        subject = f"{setup.place}:text:{LAYOUT}"
        config = setup.config
        bench = BenchConfig(
            subjects=(subject,), steps=STEPS, device=config.device, precision=config.precision
        )
        peak = process_peak(bench, subject)
        return readings if peak is None else {**readings, "memory": peak / 2**30}, {}


def _cold_seconds(setup: Setup, guidance: float) -> float:
    """Wall time of ``filmgrid generate`` from the shell, Python and its libraries included."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "filmgrid", "generate", PROMPT, "--model", setup.place]
        words += ["--layout", LAYOUT, "--steps", str(STEPS), "--guidance", str(guidance)]
        words += ["--device", setup.config.device, "--precision", setup.config.precision]
        words += ["--out", str(Path(folder) / "sequence.mp4")]
        started = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if done.returncode:
        told = (done.stderr.strip() or "it was killed").splitlines()[-1]
        raise FilmgridError(f"A process of its own could not generate: {told[:200]}")
    return seconds


SPEED = Speed()
