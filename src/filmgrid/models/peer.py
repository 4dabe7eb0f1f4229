"""A process that computes its share of every pass of a network, for the one that started it.

``python -m`` this module. The first line of standard input says what to load, each further one the
shapes of a call; when it closes, the process ends.
"""

import json
import logging
import os
import sys
import threading
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from filmgrid.loading import Loading
from filmgrid.models.families import load_model
from filmgrid.models.precision import choose_device
from filmgrid.models.sharing import READY, join, split

LOOK_S = 1.0
"""Seconds between two looks whether the process that asks is there."""


def main() -> None:
    """Compute until the pipe closes."""
    logging.basicConfig(level=logging.WARNING, format="peer: %(message)s")
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with, args=(told["asking"],), daemon=True).start()
    device, dtype = choose_device(told["device"]), getattr(torch, told["dtype"])
    backbone, codec = load_model(told["model"], dtype, device, Loading(**told["loading"]))
    network: Any = backbone.module
    del backbone, codec  # and the encoders of text, which the other process has
    if device.type == "cuda":
        torch.cuda.empty_cache()
    os.write(sys.stdout.fileno(), READY)
    join(device, told["meeting"], told["count"], told["rank"])
    split(network, told["count"])
    with torch.inference_mode():
        for line in sys.stdin:
            network(**_received(json.loads(line), device))
    os._exit(0)  # what is left of the group has nothing to be waited for


def _leave_with(asking: int) -> None:
    """End with the process that asks, even in the middle of a pass that waits for it."""
    while os.getppid() == asking:
        time.sleep(LOOK_S)
    os._exit(3)


def _received(told: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The arguments of a call."""
    words: dict[str, Any] = dict(told["others"])
    for name, (dtype, *shape) in told["tensors"].items():
        made: Tensor = torch.empty(shape, dtype=getattr(torch, dtype), device=device)
        dist.broadcast(made, src=0)
        words[name] = made
    return words


if __name__ == "__main__":
    main()
