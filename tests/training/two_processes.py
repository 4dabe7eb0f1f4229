"""Train a LoRA in this process, one of several: OUT PIPELINE DATA DTYPE STEPS.

Together all processes see two batches a step, so that one alone accumulates both.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from filmgrid.training import state as states
from filmgrid.training.batches import Batches, open_sources
from filmgrid.training.config import TrainConfig
from filmgrid.training.data_config import FolderData
from filmgrid.training.learning_config import LayoutShare, OptimConfig
from filmgrid.training.model_config import LoraSettings
from filmgrid.training.step import train_step


def main(out: Path, pipeline: str, data: Path, dtype: torch.dtype, steps: int) -> None:
    torch.set_default_dtype(dtype)
    states.choose_dtype = lambda *_: dtype
    out.mkdir(exist_ok=True)
    config = TrainConfig(
        out=out,
        start_from=pipeline,
        lora=LoraSettings(rank=2),
        data=(FolderData(folder=data),),
        layouts=(LayoutShare(layout="2x2"), LayoutShare(layout="1x2")),
        cell=32,
        batch=2,
        steps=steps,
        keep_probability=0,
        optim=OptimConfig(adamw_lr=1e-2, warmup_steps=0),
        compile=False,
        workers=0,
        device="cpu",
    )
    state = states.start_state(config)
    with torch.no_grad():
        for index, (name, value) in enumerate(state.weights.items()):
            if "lora_B" in name:  # which are zero at first, and keep lora_A from any gradient
                value.normal_(std=0.1, generator=torch.Generator().manual_seed(index))
    accelerator = state.accelerator
    processes, rank = accelerator.num_processes, accelerator.process_index
    batches = Batches(config, open_sources(config), processes, state.backbone.facts)
    batches.total = 2 * steps
    gradients = {}

    def note(*_: object) -> None:
        if not gradients:
            gradients.update({name: each.grad.clone() for name, each in state.weights.items()})

    state.optimizers[0].optimizer.register_step_pre_hook(note)
    losses = []
    for step in range(steps):
        mine = range(2 * step + rank, 2 * step + 2, processes)
        report = train_step(state, [batches[number] for number in mine])
        losses.append(report.base + report.temporal)
    (out / f"losses-{rank}.json").write_text(json.dumps(losses))
    if rank == 0:
        save_file(
            {name: value.contiguous() for name, value in gradients.items()},
            out / "gradient.safetensors",
        )
    accelerator.end_training()


if __name__ == "__main__":
    out, pipeline, data, dtype, steps = sys.argv[1:]
    main(Path(out), pipeline, Path(data), getattr(torch, dtype), int(steps))
