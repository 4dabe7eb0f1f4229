"""AdamW and Muon on the matrices of a LoRA of mini, at equal steps, over several learning rates.

    python benchmarks/lora_optimizers.py --out lora-optimizers.json

mini learns a layout that it was never trained on. Before, and after each training, the loss is
measured on the same batches of scenes whose combinations are held out, with the same noise. Every
pair of optimiser and learning rate sees the same batches in the same order, seed by seed; each
optimiser is then read at its own best learning rate. What is there already is not trained again.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from filmgrid.models.families import load_mini
from filmgrid.training.batches import Batches, open_sources
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import WorldData
from filmgrid.training.learning_config import LayoutShare, LossConfig, OptimConfig
from filmgrid.training.model_config import LoraSettings, ModelConfig
from filmgrid.training.state import TrainState, start_state
from filmgrid.training.step import losses_of, train_step

ADAMW, MUON = "adamw", "muon"
RATES = {ADAMW: (3e-4, 1e-3, 3e-3), MUON: (3e-3, 1e-2, 3e-2)}
"""Learning rates of each, a factor of three apart."""
FIRST_MEASURED = 10_000
"""Number of the first batch that is measured, far from those that are trained on."""


@dataclass(frozen=True)
class Size:
    """How large the comparison is.

    Args:
        steps: of a training.
        batch: sequences in a step.
        measured: batches that the loss is measured on.
        rank: of the LoRA.
        layout: that mini does not know.
        seeds: repetitions.
    """

    steps: int = 60
    batch: int = 8
    measured: int = 6
    rank: int = 8
    layout: str = "2x3"
    seeds: int = 3


def config_of(
    size: Size, optimizer: str, rate: float, seed: int, model: str, out: Path
) -> TrainConfig:
    """A training that differs from the others by its optimiser alone."""
    network = load_mini(model).module
    return TrainConfig(
        out=out,
        name="lora",
        start_from=model,
        lora=LoraSettings(rank=size.rank),
        model=ModelConfig(**{key: network.config[key] for key in ModelConfig.model_fields}),
        data=(WorldData(turntables=0.0),),
        layouts=(LayoutShare(layout=size.layout),),
        loss=LossConfig(temporal="none"),
        optim=OptimConfig(
            matrices=optimizer, muon_lr=rate, adamw_lr=rate, weight_decay=0.0, warmup_steps=5
        ),
        cell=32,
        batch=size.batch,
        steps=size.steps,
        ema=0.0,
        compile=False,
        workers=0,
        device="cpu",
        seed=seed,
    )


def measure(state: TrainState, size: Size) -> float:
    """Mean loss on batches of held-out scenes; the same ones whatever was trained."""
    config = state.config.model_copy(
        update={"data": (WorldData(split="held_out", turntables=0.0),), "seed": 0}
    )
    batches = Batches(config, open_sources(config), facts=state.backbone.facts)
    trained, state.config = state.config, config
    state.module.eval()
    with torch.no_grad():
        numbers = range(FIRST_MEASURED, FIRST_MEASURED + size.measured)
        losses = [float(losses_of(state, batches[number])[0]) for number in numbers]
    state.config = trained
    return float(np.mean(losses))


def compare(size: Size, model: str, out: Path) -> dict[str, dict[str, list[float]]]:
    """Losses after training, by optimiser and rate and then by seed, and ``before``."""
    found = json.loads(out.read_text()) if out.is_file() else {}
    with tempfile.TemporaryDirectory() as place:
        for optimizer, rates in RATES.items():
            for rate in rates:
                done = found.setdefault(optimizer, {}).setdefault(f"{rate:g}", [])
                for seed in range(len(done), size.seeds):
                    config = config_of(size, optimizer, rate, seed, model, Path(place))
                    state = start_state(config)
                    if "before" not in found:
                        found["before"] = measure(state, size)
                    batches = Batches(config, open_sources(config), facts=state.backbone.facts)
                    for step in range(size.steps):
                        train_step(state, [batches[step]])
                    done.append(measure(state, size))
                    out.write_text(json.dumps(found, indent=1) + "\n")
                    print(f"{optimizer} {rate:g}, seed {seed}: {done[-1]:.4f}", flush=True)
    return found


def report(found: dict) -> str:
    """The losses as a table, and the difference at each one's best rate, seed by seed."""
    lines = [f"Before: {found['before']:.4f}", "", "| optimiser | rate | loss | by seed |"]
    lines.append("|---|---|---|---|")
    best = {}
    for optimizer in RATES:
        for rate, losses in found[optimizer].items():
            each = ", ".join(f"{loss:.4f}" for loss in losses)
            lines.append(f"| {optimizer} | {rate} | {np.mean(losses):.4f} | {each} |")
        best[optimizer] = min(found[optimizer], key=lambda rate: np.mean(found[optimizer][rate]))
    pairs = zip(*(found[name][best[name]] for name in (ADAMW, MUON)), strict=True)
    gaps = [muon - adamw for adamw, muon in pairs]
    gained = found["before"] - np.mean(found[ADAMW][best[ADAMW]])
    lines += [
        "",
        f"At the best rates, {best[ADAMW]} and {best[MUON]}, Muon's loss less AdamW's: "
        f"{np.mean(gaps):+.4f} (by seed {', '.join(f'{gap:+.4f}' for gap in gaps)}), "
        f"{100 * np.mean(gaps) / gained:+.0f} % of what AdamW gained.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("lora-optimizers.json"))
    parser.add_argument("--model", default="mini")
    parser.add_argument("--steps", type=int, default=Size.steps)
    parser.add_argument("--seeds", type=int, default=Size.seeds)
    args = parser.parse_args()
    print(report(compare(Size(steps=args.steps, seeds=args.seeds), args.model, args.out)))


if __name__ == "__main__":
    main()
