"""How long a number of operations takes here: measured, not remembered."""

import time
from dataclasses import dataclass

import torch

from filmgrid.models.precision import Device, Precision, choose_device, choose_dtype

SIDE = {"cpu": 1024, "cuda": 8192, "mps": 4096}
"""Side of the square matrices that are multiplied, large enough to fill the device."""
EFFICIENCY = {torch.float32: 0.35, torch.bfloat16: 0.2}
"""Share of the matrix peak that mini reaches while sampling one sequence on two CPU cores."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that people have.

    Args:
        memory: in GiB.
        tflops: published dense bf16 peak with 32-bit accumulation, 1e12 operations per second.
    """

    memory: int
    tflops: float


GPUS: dict[str, Gpu] = {
    "h200": Gpu(141, 989),
    "h100": Gpu(80, 989),
    "a100": Gpu(80, 312),
    "l40s": Gpu(48, 362),
    "rtx5090": Gpu(32, 210),
    "rtx4090": Gpu(24, 165),
    "rtx3090": Gpu(24, 71),
}
GPU_EFFICIENCY = 0.5
"""Share of the published peak that a large transformer reaches in bf16: an assumption."""


def seconds_on(gpu: Gpu, flops: float) -> float:
    """Estimate the time of some operations of a large transformer on a GPU that is not here."""
    return flops / (gpu.tflops * 1e12 * GPU_EFFICIENCY)


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
    return sorted(matrix_rates(device, dtype, SIDE[device.type], 5))[2]


def matrix_rates(device: torch.device, dtype: torch.dtype, side: int, count: int) -> list[float]:
    """Operations per second of each of ``count`` square matrix products, after one more.

    Args:
        device: where they run.
        dtype: of the matrices.
        side: rows and columns of them.
        count: products that are timed.
    """
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    rates: list[float] = []
    for _ in range(count + 1):
        synchronize(device)
        started = time.perf_counter()
        torch.matmul(left, right)
        synchronize(device)
        rates.append(2 * side**3 / (time.perf_counter() - started))
    return rates[1:]


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all it was given, so that a clock means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
