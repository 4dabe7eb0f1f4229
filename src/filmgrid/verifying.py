"""Whether a LoRA fits a model, what it moves, and what it leaves as it was."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from filmgrid.costs import fitted
from filmgrid.errors import ConfigError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.inputs import Described
from filmgrid.loading import parse_lora
from filmgrid.metrics.frames import psnr
from filmgrid.models.adapters import LORA_FILE, block_layers
from filmgrid.models.places import find_model, layouts_of_lora, load_facts
from filmgrid.models.placing import lora_place
from filmgrid.models.weight_files import read_weights
from filmgrid.planning import make_plan
from filmgrid.request.models import VerifyRequest
from filmgrid.result import Result

log = logging.getLogger(__name__)
SINGLE = Layout(1, 1)
SIGMAS = (0.9, 0.5)
"""Noise levels at which the network is asked with the LoRA and without."""
SAME = 40.0
"""PSNR in dB from which two pictures look the same."""


class LoraFit(BaseModel):
    """How the tensors of one LoRA met the layers of a model."""

    place: str
    tensors: int
    """In the file, under the names of diffusers."""
    layers: int
    """Of the transformer, that it changes."""
    of_layers: int
    """Linear layers in the blocks of the transformer."""
    ranks: tuple[int, ...]
    """That occur, rising."""
    unmatched: tuple[str, ...]
    """Tensors that no layer of the transformer took."""
    trained_layouts: tuple[str, ...]
    """That the file names; none if it does not say."""

    def text(self) -> str:
        """For people."""
        ranks = "-".join(str(rank) for rank in dict.fromkeys((self.ranks[0], self.ranks[-1])))
        lines = [
            self.place,
            f"  fits      {self.tensors - len(self.unmatched)} of {self.tensors} tensors, in "
            f"{self.layers} of {self.of_layers} linear layers of the blocks, rank {ranks}",
            f"  layouts   {', '.join(self.trained_layouts) or 'the file does not say'}",
        ]
        if self.unmatched:
            more = f" and {len(self.unmatched) - 3} more" if len(self.unmatched) > 3 else ""
            lines.append(f"  left out  {', '.join(self.unmatched[:3])}{more}")
        return "\n".join(lines)


class Effect(BaseModel):
    """What all LoRAs together do at one layout."""

    layout: str
    moved: float
    """Mean change of the network's answer, relative to its size without them, at SIGMAS."""
    psnr: tuple[float, ...]
    """Of the frames with them against those without, in dB, for each prompt."""


class LoraReport(BaseModel):
    """What ``filmgrid verify-lora`` found."""

    model: str
    loras: tuple[LoraFit, ...]
    single: Effect
    grid: Effect
    files: tuple[str, ...] = ()

    def text(self) -> str:
        """For people."""
        told = [lora.text() for lora in self.loras]
        for what, effect in (("single images", self.single), (self.grid.layout, self.grid)):
            told.append(
                f"{what}: the answer moves by {100 * effect.moved:.1f} %, frames by a PSNR of "
                f"{np.median(effect.psnr):.1f} dB"
            )
        told.append(self.verdict)
        return "\n".join([*told, *self.files])

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.grid.moved == 0 and self.single.moved == 0:
            return "It changes nothing: its weights are 0, or it is added at weight 0."
        if min(self.single.psnr) >= SAME:
            return f"Single images are kept: none is below {SAME:g} dB."
        if self.single.moved < 0.5 * self.grid.moved:
            return "Single images change, by less than half of what grids do."
        return "Single images change as grids do: look at them before you use both."


def verify_lora(request: VerifyRequest) -> LoraReport:
    """Load LoRAs into a model, compare its answers with and without them, and draw both.

    Args:
        request: which LoRAs and model, and what to draw.

    Raises:
        CheckpointError: if a LoRA or the model cannot be loaded, or do not fit at all.
        ConfigError: if the model takes no LoRAs.
    """
    if not request.lora:
        raise ConfigError("There is no LoRA to verify. Name a file, a folder or an id on the Hub.")
    facts = load_facts(find_model(request.model), request.model, request.lora_places)
    layout = Layout.parse(request.layout or str(facts.default_layout))
    plan = make_plan(request.generation(request.prompts[0], layout), facts, Described())
    for note in plan.notes:
        log.info(note)
    if facts.is_pretrained:
        log.info(facts.licence_sentence)
    loading = fitted(request.loading, plan, request.model)
    generator = Generator.from_pretrained(request.model, request.device, request.precision, loading)
    network: Any = generator.backbone.module
    fits = tuple(_fit(generator, text, f"lora{number}") for number, text in enumerate(request.lora))
    effects, files = [], []
    for each in (SINGLE, layout):
        made: dict[bool, list[Result]] = {}
        answers = {}
        for on in (False, True):
            (network.enable_adapters if on else network.disable_adapters)()
            answers[on] = _answers(generator, request, each)
            made[on] = [_draw(generator, request, each, prompt) for prompt in request.prompts]
            files += _save(made[on], request.out, f"{each}-{'with' if on else 'without'}")
        change = (answers[True] - answers[False]).square().mean()
        effects.append(
            Effect(
                layout=str(each),
                moved=float((change / answers[False].square().mean()).sqrt()),
                psnr=tuple(
                    min(psnr(one.arrays[0], two.arrays[0]), 100.0)
                    for one, two in zip(made[False], made[True], strict=True)
                ),
            )
        )
    return LoraReport(
        model=generator.backbone.facts.name,
        loras=fits,
        single=effects[0],
        grid=effects[1],
        files=tuple(files),
    )


def _fit(generator: Generator, text: str, name: str) -> LoraFit:
    place = parse_lora(text).place
    backbone: Any = generator.backbone
    where, options = lora_place(place)
    if backbone.facts.is_pretrained:
        weights = type(backbone.pipeline).lora_state_dict(where, **options)
        weights = weights[0] if isinstance(weights, tuple) else weights
    else:
        weights = read_weights(Path(where) / options.get("weight_name", LORA_FILE))
    network = backbone.module
    adapted = {
        layer for layer, module in network.named_modules() if name in getattr(module, "lora_A", ())
    }
    unmatched = [key for key in weights if _layer_of(key) not in adapted]
    ranks = {
        value.shape[0]
        for key, value in weights.items()
        if "lora_A" in key and key not in unmatched and value.ndim == 2
    }
    return LoraFit(
        place=place,
        tensors=len(weights),
        layers=len(adapted),
        of_layers=len(block_layers(network)),
        ranks=tuple(sorted(ranks)) or (0,),
        unmatched=tuple(unmatched),
        trained_layouts=layouts_of_lora(place),
    )


def _layer_of(key: str) -> str:
    """Layer of the transformer that a tensor changes."""
    inside, _, _ = key.partition(".lora")
    return inside.removeprefix("transformer.") if key.startswith("transformer.") else ""


@torch.inference_mode()
def _answers(generator: Generator, request: VerifyRequest, layout: Layout) -> torch.Tensor:
    """What the network says of the same noise, for every prompt and noise level."""
    backbone, codec = generator.backbone, generator.codec
    asked = request.generation(request.prompts[0], layout)
    plan = make_plan(asked, backbone.facts, Described())
    height, width = (side // codec.stride for side in plan.cell)
    random = torch.Generator().manual_seed(request.seed)
    shape = (1, layout.num_cells, codec.channels, height, width)
    noise = torch.randn(shape, generator=random).to(generator.device)
    told = []
    for prompt in request.prompts:
        condition = dict(backbone.encode([prompt]))
        if backbone.facts.guidance == "embedded":
            scale = backbone.facts.guidance_scale
            condition["guidance"] = torch.full((1,), scale, device=generator.device)
        for sigma in SIGMAS:
            backbone.begin()
            level = torch.full((1, layout.num_cells), sigma, device=generator.device)
            told.append(backbone.velocity(noise, level, condition, layout).float().cpu())
    return torch.stack(told)


def _draw(generator: Generator, request: VerifyRequest, layout: Layout, prompt: str) -> Result:
    return next(
        event
        for event in generator.generate(request.generation(prompt, layout))
        if isinstance(event, Result)
    )


def _save(results: Sequence[Result], out: Path | None, name: str) -> list[str]:
    """Write each as a picture of its grid."""
    if out is None:
        return []
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{number}-{name}.png" for number in range(len(results))]
    for result, path in zip(results, paths, strict=True):
        result.save(path)
    return [str(path) for path in paths]
