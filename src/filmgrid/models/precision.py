"""Which device and which dtype: chosen once, by the policy that the README states."""

from typing import Literal

import torch

from filmgrid.errors import ConfigError

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]


def choose_device(device: Device = "auto") -> torch.device:
    """The device asked for; ``auto`` is CUDA, else Apple's MPS, else the CPU.

    Raises:
        ConfigError: if the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    elif not there.get(device, True):
        raise ConfigError(f"There is no {device} device on this machine. Use cpu, or auto.")
    return torch.device(device)


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype that multiplies fastest at enough precision.

    ``auto`` is bfloat16 where the machine has instructions for it: CUDA GPUs since Ampere, and
    CPUs with AVX512-BF16 or AMX. Elsewhere bfloat16 is emulated, up to a hundred times slower
    than float32, so float32 it is.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32
