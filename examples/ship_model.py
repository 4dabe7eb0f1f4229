"""Put a trained model, or the upscaler, into the package in bfloat16; its card is beside it.

python examples/ship_model.py runs/mini mini
python examples/ship_model.py runs/upscaler upscaler
"""

import json
import sys
from pathlib import Path

import torch

from filmgrid.models.checkpoints import save_module
from filmgrid.models.families import load_mini, load_upscaler
from filmgrid.models.places import FACTS, SHIPPED, SHIPPED_UPSCALER


def main(run: str, name: str) -> None:
    if name == SHIPPED_UPSCALER:
        network = load_upscaler(run, torch.device("cpu"))
        network.to(torch.bfloat16).save_pretrained(SHIPPED / name)
    else:
        backbone = load_mini(run)
        save_module(backbone.module, backbone.facts, SHIPPED / name, torch.bfloat16)
    rewrite(SHIPPED / name / "config.json")
    rewrite(SHIPPED / name / FACTS)
    for path in (SHIPPED / name).iterdir():
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in (SHIPPED / name).iterdir())
    print(f"{SHIPPED / name}: {size / 2**20:.1f} MiB")


def rewrite(path: Path) -> None:
    """Leave out where things lay on the machine that trained the model."""
    if not path.is_file():
        return
    told = json.loads(path.read_bytes())
    told.pop("_name_or_path", None)
    config = told.get("training", {}).get("config", {})
    if config.get("start_from"):
        config["start_from"] = f"runs/{Path(config['start_from']).name}"
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
