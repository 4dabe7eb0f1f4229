"""What ``filmgrid plan`` says: the cost of a generation and of a training, before any download."""

import json
from typing import Any

from filmgrid.grid.spec import layouts_of
from filmgrid.inputs import Described
from filmgrid.planning import make_plan
from filmgrid.request.models import PlanRequest


def plan_generation(asked: PlanRequest, *, as_json: bool) -> None:
    """Say what a generation would take on this and on other machines; downloads no weights."""
    from filmgrid.costs import USABLE, cost_of, cost_of_training
    from filmgrid.models.sketch import sketch_model
    from filmgrid.speed import GPUS, seconds_for, seconds_on

    sketch = sketch_model(asked.model)
    layouts = [] if asked.frames is None else layouts_of(asked.frames)
    request = asked.to_request(str(layouts[0]) if layouts else asked.layout)
    plan = make_plan(request, sketch.facts, Described())
    cost = cost_of(plan, sketch, plan.num_steps, asked.batch, asked.batch)
    height, width = plan.layout.grid_size(plan.cell)
    gib, whole = 2**30, sum(cost.weight_bytes.values()) + cost.work_bytes
    devices: dict[str, Any] = {}
    if sketch.facts.is_pretrained:
        for name, gpu in GPUS.items():
            room = gpu.memory * gib * USABLE
            fits = "whole" if whole < room else "offloaded" if cost.offloaded_bytes < room else "no"
            devices[name] = {"seconds": seconds_on(gpu, cost.flops), "fits": fits}
    else:
        here = seconds_for(cost.flops, "auto", "auto")
        devices["this machine"] = {"seconds": here, "fits": "whole"}
    told: dict[str, Any] = {
        "model": sketch.facts.name,
        "licence": sketch.facts.licence,
        "layout": str(plan.layout),
        "layouts": [str(each) for each in layouts],
        "cell": list(plan.cell),
        "canvas": [height, width],
        "stride": sketch.facts.stride,
        "tokens": cost.tokens,
        "text_tokens": sketch.facts.text_length,
        "shift": round(plan.shift, 3),
        "steps": plan.num_steps,
        "passes": cost.passes,
        "guidance": plan.guidance_scale,
        "tflop_per_pass": cost.flops / cost.passes / asked.batch / 1e12,
        "tflop": cost.flops / 1e12,
        "parameters": sketch.num_parameters,
        "weights_gib": {name: size / gib for name, size in cost.weight_bytes.items()},
        "work_gib": cost.work_bytes / gib,
        "memory_gib": whole / gib,
        "offloaded_gib": cost.offloaded_bytes / gib,
        "devices": devices,
        "notes": [*plan.notes, *([sketch.facts.licence_note] if sketch.facts.licence_note else [])],
    }
    if asked.lora_rank is not None:
        training = cost_of_training(
            sketch,
            plan.layout,
            plan.cell,
            rank=asked.lora_rank,
            batch=asked.batch,
            checkpointing=asked.gradient_checkpointing,
            quantize=asked.quantize,
        )
        told["training"] = {
            "layers": training.layers,
            "trained": training.trained,
            "tflop_per_step": training.flops / 1e12,
            "weights_gib": training.weight_bytes / gib,
            "lora_gib": training.lora_bytes / gib,
            "work_gib": training.work_bytes / gib,
            "memory_gib": training.memory_bytes / gib,
            "devices": {
                name: {
                    "seconds_per_step": seconds_on(gpu, training.flops),
                    "fits": training.memory_bytes < gpu.memory * gib * USABLE,
                }
                for name, gpu in GPUS.items()
            },
        }
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(_plan_in_words(told))


def _plan_in_words(told: dict[str, Any]) -> str:
    height, width = told["canvas"]
    rows = {
        "model": f"{told['model']}, licence {told['licence']}",
        "grid": f"{told['layout']} cells of {told['cell'][0]}x{told['cell'][1]} px, a picture of "
        f"{height}x{width} px; sides of cells are multiples of {told['stride']}",
        "layouts": ", ".join(told["layouts"]),
        "tokens": f"{told['tokens']:,} of the picture"
        + (f", {told['text_tokens']} of the prompt" if told["text_tokens"] else ""),
        "steps": f"{told['steps']}, guidance {told['guidance']:g}, {told['passes']} passes, shift "
        f"{told['shift']:g}",
        "work": f"{_operations(told['tflop_per_pass'])} in a pass, {_operations(told['tflop'])} "
        "in all",
        "weights": ", ".join(
            f"{name} {_count(count)} ({_size(told['weights_gib'][name])})"
            for name, count in told["parameters"].items()
        ),
        "memory": f"{_size(told['memory_gib'])} with all networks on the device, "
        f"{_size(told['offloaded_gib'])} with one at a time; {_size(told['work_gib'])} of it for "
        "work",
        "time": "about "
        + "; ".join(
            f"{name} {time['seconds']:.3g} s{'' if time['fits'] == 'whole' else ', offloaded'}"
            if time["fits"] != "no"
            else f"{name} is too small"
            for name, time in told["devices"].items()
        ),
    }
    if "training" in told:
        rows["training"] = _training_in_words(told["training"])
    lines = [f"{name:9} {text}" for name, text in rows.items() if text]
    return "\n".join([*lines, *told["notes"]])


def _training_in_words(told: dict[str, Any]) -> str:
    return (
        f"{_count(told['trained'])} numbers in {told['layers']} layers, "
        f"{_operations(told['tflop_per_step'])} in a step, {_size(told['memory_gib'])} with the "
        f"network alone ({_size(told['lora_gib'])} for the LoRA and its optimiser, "
        f"{_size(told['work_gib'])} for work); about "
        + "; ".join(
            f"{name} {gpu['seconds_per_step']:.3g} s" if gpu["fits"] else f"{name} is too small"
            for name, gpu in told["devices"].items()
        )
        + " a step"
    )


def _count(count: int) -> str:
    return f"{count / 1e9:.2f}B" if count >= 1e8 else f"{count / 1e6:.1f}M"


def _size(gib: float) -> str:
    return f"{gib:.1f} GiB" if gib >= 0.95 else f"{gib * 1024:.0f} MiB"


def _operations(tflop: float) -> str:
    return f"{tflop:,.4g} TFLOP" if tflop >= 1 else f"{tflop * 1000:.3g} GFLOP"
