"""Peak memory of one subject."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from filmgrid.bench.config import BenchConfig
from filmgrid.bench.subjects import Subject
from filmgrid.errors import ConfigError, FilmgridError

COUNTS = {
    "cuda": "GPU memory at the peak of one run: the subject's own weights and all its work",
    "cpu": "resident memory at the peak of a process that runs this subject alone, Python and "
    "its libraries included",
    "none": "not measured",
}


def cuda_peak(subject: Subject, device: torch.device) -> int:
    """Bytes that a run needs on a GPU: what it adds at its peak, and its own weights.

    Weights of other subjects, which are on the same device, are not counted.

    Args:
        subject: is run once.
        device: a CUDA device.
    """
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    subject.run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before + subject.weight_bytes


def process_peak(config: BenchConfig, text: str) -> int | None:
    """Bytes of resident memory that a fresh process needs to open a subject and run it twice.

    Args:
        config: of the benchmark.
        text: the subject's name.

    Raises:
        FilmgridError: in the words of that process, if it could not.
    """
    alone = config.model_copy(update={"subjects": (text,)})
    done = subprocess.run(
        [sys.executable, "-m", "filmgrid.bench.alone", alone.model_dump_json()],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2:
        raise FilmgridError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        told = (done.stderr.strip() or "it was killed, probably for want of memory").splitlines()
        raise ConfigError(
            f"The memory of {text} could not be measured: {told[-1][:200]}. Name fewer or smaller "
            "subjects, or leave it out with --no-memory."
        )
    return json.loads(done.stdout.splitlines()[-1])["peak_bytes"]


def own_peak() -> int | None:
    """Most bytes of resident memory that this process ever had, where the system tells.

    On Linux from /proc: what getrusage tells there begins with the size of the parent process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        try:
            import resource
        except ImportError:  # on Windows
            return None
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
