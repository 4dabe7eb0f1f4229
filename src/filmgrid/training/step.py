"""One optimiser step: noise, velocity, losses, gradients."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from filmgrid.models.motion import MotionCompensation
from filmgrid.process.flow import add_noise, velocity_from_clean, velocity_of
from filmgrid.training.batches import Batch
from filmgrid.training.iddpm import bound, hybrid_loss
from filmgrid.training.losses import (
    base_loss,
    photometric_loss,
    ramp_weight,
    residual_of,
    temporal_loss,
)
from filmgrid.training.optim import learning_rate_factor
from filmgrid.training.sharding import average_numbers, put_together
from filmgrid.training.state import TrainState

NOISE_STREAM = 0x9E3779B97F4A7C15
"""Spreads seed and batch number over the 63 bits of a noise seed."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one optimiser step did.

    Args:
        step: number of the step, from 1.
        base: base loss.
        temporal: temporal loss, unweighted.
        grad_norm: norm of the gradient before it was clipped.
        lr_factor: learning rates relative to their highest.
        sequences: sequences seen in the step, by all processes.
    """

    step: int
    base: float
    temporal: float
    grad_norm: float
    lr_factor: float
    sequences: int


def train_step(state: TrainState, batches: Sequence[Batch]) -> StepReport:
    """Accumulate the gradients of some batches, then move the weights once."""
    config, accelerator = state.config, state.accelerator
    step = state.progress.step
    factor = learning_rate_factor(step, config.steps, config.optim.warmup_steps, config.optim.decay)
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor
    base_sum = temporal_sum = torch.zeros((), device=accelerator.device)
    state.module.train()
    for index, batch in enumerate(batches):
        last = index == len(batches) - 1
        wait = nullcontext() if last else accelerator.no_sync(_wrapped(state))
        with wait:
            base, temporal = losses_of(state, batch)
            weight = config.loss.weight
            if config.loss.temporal == "grid":
                weight = ramp_weight(step, config.steps, weight, config.loss.ramp)
            accelerator.backward((base + weight * temporal) / len(batches))
        base_sum = base_sum + base.detach()
        temporal_sum = temporal_sum + temporal.detach()
    if config.shard:
        average_numbers(state.weights.values())
    norm = accelerator.clip_grad_norm_(state.weights.values(), config.optim.clip_norm)
    for optimizer in state.optimizers:
        optimizer.step()
    state.ema.step(state.weights.values())
    state.progress.step += 1
    state.progress.ema_step = state.ema.optimization_step
    return StepReport(
        state.progress.step,
        float(base_sum) / len(batches),  # read last: reading waits for the device
        float(temporal_sum) / len(batches),
        float(put_together(norm)) if norm is not None else float("nan"),
        factor,
        sum(len(batch.frames) for batch in batches) * accelerator.num_processes,
    )


def losses_of(state: TrainState, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Base and temporal loss of a batch."""
    device, facts = state.accelerator.device, state.backbone.facts
    with torch.no_grad():
        clean = state.code(batch.frames, batch.layout)
        shown = clean if batch.shown is None else state.code(batch.shown, batch.layout)
        condition = state.backbone.encode(batch.prompts)
        if batch.given is not None:
            condition = {**condition, "given": state.code(batch.given, batch.layout)}
    if facts.guidance == "embedded":
        told = torch.full((len(clean),), state.config.embedded_guidance, device=device)
        condition = {**condition, "guidance": told}
    seed = (state.config.seed * NOISE_STREAM + batch.number) % 2**63
    generator = torch.Generator(device).manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator, device=device)
    sigma = torch.from_numpy(batch.sigma).to(device)
    keep = torch.from_numpy(batch.keep).to(device)
    noisy = add_noise(shown, noise, sigma)
    wrap = state.config.loss.temporal != "grid-release"
    autocast = torch.autocast(device.type, state.dtype, enabled=state.dtype != torch.float32)
    if state.config.objective == "iddpm":
        with autocast:
            said = state.backbone.noise(noisy, sigma, condition, batch.layout)
        predicted, share = said.float().chunk(2, dim=2)
        residual = residual_of(predicted, noise, sigma, keep)
        base = hybrid_loss(
            base_loss(residual, keep), bound(noisy, clean, predicted, share, sigma), keep
        )
        return base, temporal_loss(residual, keep, batch.layout, wrap)
    with autocast:
        velocity = state.backbone.velocity(noisy, sigma, condition, batch.layout)
    # What was noised may be a degraded sequence; the way leads to the sharp one all the same.
    mended = batch.shown is not None
    target = velocity_from_clean(noisy, clean, sigma) if mended else velocity_of(clean, noise)
    floor = 0.0 if facts.is_pretrained else state.config.loss.sigma_floor
    residual = residual_of(velocity, target, sigma, keep, floor)
    base = base_loss(residual, keep)
    compensation = getattr(state.module, "compensation", None)
    if isinstance(compensation, MotionCompensation) and compensation.placed is not None:
        missed = photometric_loss(*compensation.placed, clean, keep)
        base = base + state.config.loss.photometric * missed
    return base, temporal_loss(residual, keep, batch.layout, wrap)


def _wrapped(state: TrainState) -> torch.nn.Module:
    """The network as accelerate prepared it, under the compiler."""
    running = state.backbone.module
    return getattr(running, "_orig_mod", running)
