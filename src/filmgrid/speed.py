"""How long a number of operations takes here: measured, not remembered."""

import time

import torch

from filmgrid.models.precision import Device, Precision, choose_device, choose_dtype

SIDE = 1024
EFFICIENCY = {torch.float32: 0.35, torch.bfloat16: 0.2}
"""Share of the matrix peak that mini reaches while sampling one sequence on two CPU cores."""


def seconds_for(flops: float, device: Device, precision: Precision) -> float:
    """Estimate the time of some floating-point operations from a matrix product timed now.

    Args:
        flops: operations.
        device: where they will run.
        precision: in which dtype.
    """
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    return flops / (matrix_peak(place, dtype) * EFFICIENCY[dtype])


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a square matrix product: the median of five, after one."""
    left, right = (torch.randn(SIDE, SIDE, device=device, dtype=dtype) for _ in range(2))
    times: list[float] = []
    for _ in range(6):
        started = time.perf_counter()
        torch.matmul(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return 2 * SIDE**3 / sorted(times[1:])[2]
