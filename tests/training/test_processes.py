"""Two gloo processes against one that sees the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("two_processes.py")


def run(out, pipeline, data, dtype, processes, steps):
    """Train, and give back the gradient before the first step and the loss of every step."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    words = [str(out), str(pipeline), str(data), dtype, str(steps)]
    subprocess.run(
        [*command, f"--nproc_per_node={processes}", str(PROGRAM), *words],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    parts = [json.loads((out / f"losses-{rank}.json").read_text()) for rank in range(processes)]
    losses = torch.tensor(parts, dtype=torch.float64).mean(dim=0)
    return load_file(out / "gradient.safetensors"), losses


@pytest.mark.long
@pytest.mark.parametrize(
    ("dtype", "steps", "gradients", "curve"),
    [("float32", 1, 1e-5, 1e-5), ("float64", 6, 1e-9, 1e-6)],
)
def test_two_processes_learn_what_one_learns_from_the_same_sequences(
    models, data, tmp_path, dtype, steps, gradients, curve
):
    one, alone = run(tmp_path / "one", models["flux"], data, dtype, 1, steps)
    two, together = run(tmp_path / "two", models["flux"], data, dtype, 2, steps)
    largest = max(float(value.abs().max()) for value in one.values())
    assert largest > 0
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert float((value - two[name]).abs().max()) <= gradients * largest
    assert torch.allclose(alone, together, rtol=curve, atol=0)
