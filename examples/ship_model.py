"""Put a trained model into the package, in bfloat16 and with its card.

python examples/ship_model.py runs/mini mini
"""

import sys

import torch

from filmgrid.models.checkpoints import save_module
from filmgrid.models.families import load_backbone
from filmgrid.models.places import SHIPPED


def main(run: str, name: str) -> None:
    backbone = load_backbone(run)
    save_module(backbone.module, backbone.facts, SHIPPED / name, torch.bfloat16)
    size = sum(path.stat().st_size for path in (SHIPPED / name).iterdir())
    print(f"{SHIPPED / name}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
