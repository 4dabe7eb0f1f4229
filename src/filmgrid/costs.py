"""What a plan costs: operations and memory, counted on a sketch of the model."""

import copy
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from filmgrid.errors import ConfigError
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.loading import Loading
from filmgrid.models.adapters import add_lora
from filmgrid.models.codec import Codec, WholeGrid
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.models.sketch import Sketch, sketch_model
from filmgrid.models.vae import VaeCodec
from filmgrid.planning import Plan

log = logging.getLogger(__name__)

USABLE = 0.95
"""Share of a GPU's memory that the system leaves to a process."""
GROUPS = 16
"""Part of a network that group offloading holds at a time: one of so many, at the most."""
PROCESS_BYTES = 550 * 2**20
"""Memory of a Python process that has imported torch and diffusers, measured on Linux."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan will cost.

    Args:
        tokens: image tokens of one sequence.
        passes: calls of the network for one sequence, guidance counted.
        flops: floating-point operations of all sequences in the backbone.
        weight_bytes: of each network that takes part.
        work_bytes: beside them, at the peak of a pass or of coding frames.
    """

    tokens: int
    passes: int
    flops: float
    weight_bytes: dict[str, int]
    work_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Peak with all networks in memory, and a Python process around them."""
        return PROCESS_BYTES + sum(self.weight_bytes.values()) + self.work_bytes

    @property
    def offloaded_bytes(self) -> int:
        """Peak on a GPU that holds one network at a time."""
        return max(self.weight_bytes.values()) + self.work_bytes


def cost_of(plan: Plan, sketch: Sketch, num_steps: int, count: int = 1, batch: int = 1) -> Cost:
    """Count the tokens, passes, operations and memory of a plan.

    Args:
        plan: what is generated.
        sketch: of the model.
        num_steps: steps that are really made, fewer than planned where a start below 1 is cut.
        count: sequences in all.
        batch: sequences computed at once.
    """
    per_step = 2 if plan.two_passes else 1
    passes = num_steps * per_step
    flops = flops_of_pass(sketch, plan.layout, plan.cell)
    at_once = max(1, min(batch, count)) * per_step
    work = work_of_pass(sketch, plan.layout, plan.cell, at_once)
    if "vae" in sketch.parts:
        work = max(work, work_of_coding(sketch, plan))
    weights = {
        name: sum(each.numel() * each.element_size() for each in part.parameters())
        for name, part in sketch.parts.items()
    }
    tokens = sketch.facts.num_tokens(plan.layout, plan.cell)
    return Cost(tokens, passes, float(flops * passes * count), weights, work)


BITS = {"none": 16, "fp8": 8, "int8": 8, "nf4": 4.5}
"""Bits of a weight under each kind of quantisation; nf4 with its scales."""
LADDER: list[dict[str, Any]] = [
    {"offload": "none", "quantize": "none"},
    {"offload": "model", "quantize": "none"},
    {"offload": "model", "quantize": "int8"},
    {"offload": "model", "quantize": "nf4"},
    {"offload": "group", "quantize": "none"},
]
"""Ways of loading, the fastest first."""


def fitted(loading: Loading, plan: Plan, model: str) -> Loading:
    """What ``fit_memory``, if it is asked for, chooses for a model, and tell it; see ``fitting``.

    Args:
        loading: as asked for.
        plan: what is generated.
        model: a name, folder or Hub id; its weights are not loaded.

    Raises:
        ConfigError: if the work alone does not fit, or another option says otherwise.
    """
    if loading.fit_memory is None:
        return loading
    chosen = fitting(loading, plan, sketch_model(model))
    log.info(f"For {loading.fit_memory}: offload {chosen.offload}, {chosen.quantize} weights")
    return chosen


def fitting(loading: Loading, plan: Plan, sketch: Sketch) -> Loading:
    """Replace ``fit_memory`` by the fastest way of loading that it leaves room for.

    Args:
        loading: with ``fit_memory``; without, it is given back as it is.
        plan: what is generated.
        sketch: of the model.

    Raises:
        ConfigError: if the work alone does not fit, or another option says otherwise.
    """
    if loading.fit_memory is None:
        return loading
    if loading.offload != "none" or loading.quantize != "none":
        raise ConfigError(
            f"fit_memory {loading.fit_memory} chooses offload and quantize. Leave these out, or "
            "leave it out."
        )
    room = int(loading.fit_memory.removesuffix("gb")) * 2**30 * USABLE
    cost = cost_of(plan, sketch, plan.num_steps)
    for way in LADDER:
        weights = dict(cost.weight_bytes)
        weights["transformer"] = int(weights["transformer"] * BITS[way["quantize"]] / 16)
        held = {
            "none": sum(weights.values()),
            "model": max(weights.values()),
            "group": max(weights.values()) // GROUPS,
        }[way["offload"]]
        if held + cost.work_bytes < room:
            return loading.model_copy(update={**way, "fit_memory": None})
    raise ConfigError(
        f"{plan.layout} cells of {plan.cell} px take {cost.work_bytes / 2**30:.1f} GiB beside the "
        f"weights, too much for {loading.fit_memory}. Use a smaller layout or cell."
    )


def flops_of_pass(sketch: Sketch, layout: Layout, cell: CellSize) -> int:
    """Operations of one call of the backbone for one sequence.

    Matrix products, convolutions and attention; a multiplication and an addition are two.

    Args:
        sketch: of the model.
        layout: of the grid.
        cell: size of a frame in pixels.
    """
    with torch.device("meta"), counting() as counter:
        call_backbone(sketch, layout, cell, 1)
    return counter.get_total_flops()


def work_of_pass(sketch: Sketch, layout: Layout, cell: CellSize, batch: int) -> int:
    """Bytes beside the weights at the peak of one call of the backbone."""
    return _peak_of(lambda: call_backbone(sketch, layout, cell, batch))


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """What a step of the training of a LoRA takes.

    Args:
        layers: linear layers that it changes.
        trained: numbers that train.
        flops: of one forward and backward pass, those done twice counted twice.
        weight_bytes: of the network below it.
        lora_bytes: of the numbers that train, their gradients, AdamW's memory and the average,
            each in 32 bits.
        work_bytes: beside them, at the peak of the pass.
    """

    layers: int
    trained: int
    flops: float
    weight_bytes: int
    lora_bytes: int
    work_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Peak on a device that holds the network alone; prompts and frames are cached."""
        return self.weight_bytes + self.lora_bytes + self.work_bytes


def cost_of_training(
    sketch: Sketch,
    layout: Layout,
    cell: CellSize,
    *,
    rank: int,
    batch: int = 1,
    checkpointing: bool = True,
    quantize: str = "none",
) -> TrainingCost:
    """Count what a step of the training of a LoRA takes, by taking it with tensors of no memory.

    Args:
        sketch: of a pretrained pipeline.
        layout: of the grids.
        cell: size of a frame in pixels.
        rank: of the LoRA, in every linear layer of the blocks.
        batch: grids at once.
        checkpointing: whether blocks are computed again in the backward pass.
        quantize: bits of the weights below, as :class:`~filmgrid.loading.Loading` names them.

    Raises:
        ConfigError: if the model is a grid transformer of ours.
    """
    if not isinstance(sketch.backbone, PretrainedBackbone):
        raise ConfigError(
            f"The cost of a LoRA is counted for pretrained pipelines, and {sketch.facts.name} is a "
            "grid transformer. Leave lora_rank out."
        )
    network: Any = copy.deepcopy(sketch.backbone.module)
    layers = add_lora(network, rank)
    if checkpointing:
        network.enable_gradient_checkpointing()
    network.train()
    copied = replace(sketch, backbone=sketch.backbone.with_module(network))
    weights = [each for each in network.parameters() if not each.requires_grad]
    trained = 0
    for each in network.parameters():
        if each.requires_grad:
            trained += each.numel()
            each.data = each.data.to(weights[0].dtype)  # in which autocast multiplies it

    def step() -> None:
        for each in network.parameters():
            each.grad = None
        call_backbone(copied, layout, cell, batch).square().mean().backward()

    with torch.device("meta"), counting() as counter:
        step()
    with torch.device("meta"), _fused_attention(), _Living() as living:
        step()
    gradients = weights[0].element_size() * trained  # counted among what trains
    return TrainingCost(
        layers,
        trained,
        float(counter.get_total_flops()),
        int(sum(each.numel() * each.element_size() for each in weights) * BITS[quantize] / 16),
        NUMBERS * 4 * trained,
        max(0, living.peak - gradients),
    )


class _Fused(torch.autograd.Function):
    """Attention as fused kernels remember it: what goes in and out, and no scores."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(each) for each in ctx.saved_tensors[:3])


@contextmanager
def _fused_attention() -> Iterator[None]:
    """On the meta device, where torch has no fused attention, count memory as if it had."""
    before = F.scaled_dot_product_attention

    def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Any:
        return _Fused.apply(query, key, value)

    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.scaled_dot_product_attention = before


NUMBERS = 5
"""Numbers for each that trains: itself, its gradient, two of AdamW's and its average."""


def work_of_coding(sketch: Sketch, plan: Plan) -> int:
    """Bytes beside the weights at the peak of decoding a sequence."""
    codec: Codec = VaeCodec(sketch.parts["vae"])
    if plan.coding == "grid":
        codec = WholeGrid(codec, plan.layout)
    height, width = (side // codec.stride for side in plan.cell)
    shape = 1, plan.layout.num_cells, codec.channels, height, width
    return _peak_of(lambda: codec.decode(torch.zeros(shape)))


def call_backbone(sketch: Sketch, layout: Layout, cell: CellSize, batch: int) -> Tensor:
    """Call a sketched backbone once, on the device that tensors are made on now."""
    noisy = torch.zeros(batch, layout.num_cells, *latent_size(sketch, cell))
    sigma = torch.ones(batch, layout.num_cells)
    condition = sketch.backbone.blank(batch)
    if sketch.facts.guidance == "embedded":
        condition = {**condition, "guidance": torch.ones(batch)}
    return sketch.backbone.velocity(noisy, sigma, condition, layout)


def latent_size(sketch: Sketch, cell: CellSize) -> tuple[int, int, int]:
    """Channels, height and width of the latents of a cell."""
    if "vae" in sketch.parts:
        codec = VaeCodec(sketch.parts["vae"])
        return codec.channels, cell.height // codec.stride, cell.width // codec.stride
    factor = 1 if sketch.facts.upscaler is None else 2
    return 3, cell.height // factor, cell.width // factor


def counting() -> FlopCounterMode:
    """A counter that knows attention on CPUs, which torch's own leaves out (torch 2.13)."""
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    back = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    known = {fused: _attention_flops, back: _attention_back_flops}
    return FlopCounterMode(display=False, custom_mapping=known)


def _attention_flops(
    query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any
) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_back_flops(
    grad: Any, query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any
) -> int:
    """Four products where there were two, without the scores that fused kernels compute again."""
    return 2 * sdpa_flop_count(query, key, value)


def _peak_of(call: Callable[[], Any]) -> int:
    """Bytes of all tensors that a call makes, at the moment when they are most."""
    with torch.device("meta"), torch.inference_mode(), _Living() as living:
        call()
    return living.peak


class _Living(TorchDispatchMode):
    """Follows the memory that tensors would take; on the meta device they take none."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {id(each.untyped_storage()) for each in _tensors((args, kwargs))}
        for each in _tensors(made):
            storage = each.untyped_storage()
            if id(storage) not in self.known and id(storage) not in given:
                self._follow(storage)
        self.peak = max(self.peak, self.now)
        return made

    def _follow(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        self.now += size

        def gone(_: Any) -> None:
            self.now -= size
            del self.known[key]

        self.known[key] = weakref.ref(storage, gone)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
