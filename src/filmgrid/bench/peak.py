"""The measured matrix peak: what no result may exceed."""

from collections.abc import Callable

import torch

from filmgrid.errors import FilmgridError
from filmgrid.speed import matrix_rates

SIDES = {"cpu": (1024, 1536), "cuda": (4096, 8192), "mps": (2048, 4096)}
"""Squares that are tried; which is fastest differs between machines."""
PRODUCTS = 5
"""Products of each size in one probe."""


class ImpossibleError(FilmgridError):
    """A result that no machine of this speed can have reached."""


def matrix_probe(device: torch.device, dtype: torch.dtype) -> Callable[[], float]:
    """A function that multiplies matrices and gives the best operations per second it saw.

    In float32 on CUDA it multiplies in TF32, as convolutions there do unless told otherwise: a
    peak has to be one for all that runs.

    Args:
        device: of the subjects.
        dtype: that their matrix products use.
    """

    def probe() -> float:
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = allowed or torch.backends.cudnn.allow_tf32
        try:
            return max(
                rate
                for side in SIDES[device.type]
                for rate in matrix_rates(device, dtype, side, PRODUCTS)
            )
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed

    return probe


def share_of_peak(flops: float, seconds: float, peak: float, name: str) -> float:
    """Share of the matrix peak that a run reached, in (0, 1].

    Args:
        flops: operations of the run.
        seconds: its time.
        peak: operations per second of the best matrix product seen beside it.
        name: of the subject, for the message.

    Raises:
        ImpossibleError: if it exceeds 1: then the operations, the clock or the probe are wrong.
    """
    share = flops / seconds / peak
    if share > 1:
        raise ImpossibleError(
            f"{name} would have computed {flops / seconds / 1e9:,.0f} GFLOP/s, and the fastest "
            f"matrix product beside it {peak / 1e9:,.0f}: that is impossible, so no time is given. "
            "Its work was skipped, the clock did not wait for it, or the probe was disturbed; run "
            "again with more rounds."
        )
    return share
