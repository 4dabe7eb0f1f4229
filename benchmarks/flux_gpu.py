"""FLUX.1-dev at its published size, with random weights, on one GPU.

    python benchmarks/flux_gpu.py --out flux_gpu.json      # three minutes on an H100
    python benchmarks/flux_gpu.py --tiny                   # the same on a small FLUX, on a CPU

Times 16 frames (4x4 cells of 256 px, 20 steps, prompts already encoded, frames decoded): our
sampler and diffusers' own pipeline on the same weights, eager, compiled, and compiled with the
linear layers in fp8; then fewer passes of the network, which bounds what a step cache can give,
without any claim on quality; then a LoRA training step at 512² and 1024² px. Every figure is the
least and the median of the repeats; later parts are skipped when ``--seconds`` are over.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxPipeline
from peft import LoraConfig

from filmgrid.grid.spec import Layout
from filmgrid.models.flux import FluxBackbone
from filmgrid.models.known import KNOWN
from filmgrid.models.pipelines import facts_of_parts
from filmgrid.models.published.build import build
from filmgrid.models.published.images import flux, tiny_flux
from filmgrid.models.vae import VaeCodec
from filmgrid.process.resolution import layout_shift
from filmgrid.process.schedules import linear_sigmas, shift_sigmas
from filmgrid.sampling.guidance import guided
from filmgrid.sampling.loop import sample

STEPS = 20
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16, of the makers' data sheets."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small FLUX, to try the script")
    parser.add_argument("--seconds", type=float, default=170.0, help="begin no part after these")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    bench = Bench(args)
    try:
        bench.run()
    finally:
        text = json.dumps(bench.found, indent=2)
        print(text)
        if args.out is not None:
            args.out.write_text(text + "\n", encoding="utf-8")


class Bench:
    """The parts of the benchmark, each with its figures in ``found``."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.started = time.perf_counter()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = torch.bfloat16
        wanted = tiny_flux() if args.tiny else flux()
        self.wanted = {name: wanted[name] for name in ("transformer", "vae", "scheduler")}
        self.side = 64 if args.tiny else 1024
        self.layout = Layout(4, 4)
        self.found: dict[str, Any] = {"torch": torch.__version__, "steps": STEPS}
        if self.device.type == "cuda":
            self.found["gpu"] = torch.cuda.get_device_name()

    def run(self) -> None:
        self.load()
        self.part("diffusers, eager", self.theirs)
        self.part("ours, eager", self.ours)
        self.part("ours, eager, 10 passes of 20", lambda: self.ours(STEPS // 2))
        self.train(self.side // 2)
        self.train(self.side)
        if self.device.type == "cuda":
            self.module.compile_repeated_blocks(fullgraph=True)
            self.part("ours, compiled", self.ours)
            self.part("diffusers, compiled", self.theirs)
            self.part("ours, compiled, 14 passes of 20", lambda: self.ours(14))
            self.part("ours, compiled, 10 passes of 20", lambda: self.ours(10))
            if not self.late():
                self.quantise()
                self.part("ours, compiled, fp8", self.ours)
                self.part("diffusers, compiled, fp8", self.theirs)

    def load(self) -> None:
        parts = build(self.wanted, self.device, self.dtype, "flux")
        self.module, self.vae = parts["transformer"], parts["vae"]
        facts = facts_of_parts(
            {"_class_name": "FluxPipeline"},
            self.module.config,
            self.vae.config,
            parts["scheduler"].config,
            KNOWN["flux1-dev"].hub,
        )
        self.backbone = FluxBackbone(facts, self.module, self.dtype)
        self.codec = VaeCodec(self.vae)
        self.pipeline = FluxPipeline(
            parts["scheduler"], self.vae, None, None, None, None, self.module
        )
        self.pipeline.set_progress_bar_config(disable=True)
        count = sum(each.numel() for each in self.module.parameters())
        self.found["parameters"] = count
        self.note(f"loaded {count / 1e9:.2f} billion weights")

    @torch.inference_mode()
    def ours(self, passes: int = STEPS) -> None:
        condition = self.backbone.blank(1)
        cell = self.side // 4 // self.codec.stride
        noise = torch.randn(1, 16, self.codec.channels, cell, cell, device=self.device)
        shift = layout_shift(16, 16) * 3.0
        sigmas = shift_sigmas(linear_sigmas(passes), shift).to(self.device)
        velocity_of = guided(self.backbone, condition, self.layout, 3.5)
        *_, state = sample(velocity_of, noise, sigmas)
        self.codec.decode(state.noisy.to(self.dtype)).sum().item()

    @torch.inference_mode()
    def theirs(self) -> None:
        condition = self.backbone.blank(1)
        made: Any = self.pipeline(
            prompt_embeds=condition["text"],
            pooled_prompt_embeds=condition["pooled"],
            height=self.side,
            width=self.side,
            num_inference_steps=STEPS,
            guidance_scale=3.5,
            output_type="pt",
        )
        made.images.sum().item()

    def train(self, side: int) -> None:
        """A LoRA step of rank 16 on all linear layers of the blocks, batch 1, checkpointed."""
        if self.late():
            return
        module: Any = self.module
        if not getattr(module, "peft_config", None):
            layers = r".*transformer_blocks\..*(to_q|to_k|to_v|to_out\.0|add_._proj|to_add_out|"
            layers += r"net\.0\.proj|net\.2|proj_mlp|proj_out|linear)"
            module.add_adapter(LoraConfig(r=16, lora_alpha=16, target_modules=layers))
            module.enable_gradient_checkpointing()
        weights = [each for each in module.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(weights, 1e-4)
        cell = side // 4 // self.codec.stride
        condition = self.backbone.blank(1) | {"guidance": torch.ones(1, device=self.device)}
        module.train()

        def step() -> None:
            noisy = torch.randn(1, 16, self.codec.channels, cell, cell, device=self.device)
            sigma = torch.full((1, 16), 0.5, device=self.device)
            velocity = self.backbone.velocity(noisy, sigma, condition, self.layout)
            velocity.float().square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            noisy.sum().item()
            self.wait()

        name = f"LoRA step at {side} px"
        self.part(name, step, repeats=6)
        flops = 2 * self.forward_flops(noisy_side=cell)  # the frozen weights get no gradient
        found = self.found.get(name)
        if found:
            found["trained weights"] = sum(each.numel() for each in weights)
            found["model TFLOP (forward, and backward to activations)"] = flops / 1e12
            peaks = [peak for kind, peak in PEAK_FLOPS.items() if kind in self.found.get("gpu", "")]
            if peaks:
                share = flops / found["median s"] / peaks[0]
                found["share of the bf16 peak"] = round(share, 3)
        module.eval()
        if side == self.side:
            module.disable_gradient_checkpointing()
            module.delete_adapters("default")

    def forward_flops(self, noisy_side: int) -> float:
        from torch.utils.flop_counter import FlopCounterMode

        noisy = torch.randn(1, 16, self.codec.channels, noisy_side, noisy_side, device=self.device)
        condition = self.backbone.blank(1) | {"guidance": torch.ones(1, device=self.device)}
        sigma = torch.full((1, 16), 0.5, device=self.device)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.backbone.velocity(noisy, sigma, condition, self.layout)
        return counter.get_total_flops()

    def quantise(self) -> None:
        """Linear layers of the blocks to fp8, weights and activations, scaled by row."""
        from torchao.quantization import (
            Float8DynamicActivationFloat8WeightConfig,
            PerRow,
            quantize_,
        )

        quantize_(
            self.module,
            Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()),
            lambda layer, name: isinstance(layer, torch.nn.Linear) and "blocks" in name,
        )

    def part(self, name: str, run: Callable[[], None], repeats: int = 0) -> None:
        if self.late():
            self.found[name] = None
            return
        try:
            began = time.perf_counter()
            run()
            self.wait()
            first = time.perf_counter() - began
            taken = []
            for _ in range(repeats or self.args.repeats):
                began = time.perf_counter()
                run()
                self.wait()
                taken.append(time.perf_counter() - began)
        except Exception as error:
            self.found[name] = {"failed": " ".join(str(error).split())[:300]}
            self.note(f"{name}: failed, {error!r:.300}")
            return
        self.found[name] = {
            "min s": round(min(taken), 4),
            "median s": round(statistics.median(taken), 4),
            "first s": round(first, 2),
        }
        if self.device.type == "cuda":
            self.found[name]["peak GiB"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
            torch.cuda.reset_peak_memory_stats()
        self.note(f"{name}: {self.found[name]}")

    def late(self) -> bool:
        return time.perf_counter() - self.started > self.args.seconds

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def note(self, text: str) -> None:
        print(f"{time.perf_counter() - self.started:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    main()
