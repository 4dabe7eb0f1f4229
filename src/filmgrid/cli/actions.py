"""What each command does: one library call, and what is printed of it."""

import json

import tyro

from filmgrid.cli.datasets import DATASET_ACTIONS
from filmgrid.cli.measuring import MEASURING_ACTIONS
from filmgrid.cli.media import MEDIA_ACTIONS
from filmgrid.cli.parts import Action, of_kind
from filmgrid.cli.settings import Generate, ImportDit, Models, Plan, Repro, Serve
from filmgrid.cli.training import train_by
from filmgrid.request import GenerateRequest
from filmgrid.request.models import PlanRequest


def carry_out(name: str, sentence: str, words: list[str]) -> None:
    """Read the words of a command and carry it out; ``sentence`` says in its help what it does."""
    if name == "train":
        train_by(words)
        return
    settings, action = ACTIONS[name]
    if "--help" in words or "-h" in words:
        words = ["--help"]  # tyro leaves out of its help what was given already
    config = tyro.cli(
        settings,
        prog=f"filmgrid {'evaluate' if name == 'measure' else name}",
        description=sentence,
        args=words,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.EnumChoicesFromValues),
    )
    action(config)


def _generate(config: Generate) -> None:
    from filmgrid.commands import generate

    request = of_kind(GenerateRequest, config)
    generate(
        request,
        config.out,
        config.scale,
        dry_run=config.dry_run,
        as_json=config.json_output,
        resume=config.resume,
        pipelined=config.pipelined,
    )


def _plan(config: Plan) -> None:
    from filmgrid.planned import plan_generation

    request = of_kind(PlanRequest, config)
    plan_generation(request, as_json=config.json_output)


def _import_dit(config: ImportDit) -> None:
    from filmgrid.importing import import_dit

    names = ("positions", "layout", "weights")
    facts = import_dit(
        config.file, config.vae, config.out, **{name: getattr(config, name) for name in names}
    )
    print(f"{config.out}: {facts.licence_sentence}")


def _models(config: Models) -> None:
    from filmgrid.models.places import find_model, load_facts, shipped_models

    facts = [load_facts(find_model(name)) for name in shipped_models()]
    if config.json_output:
        print(json.dumps([fact.model_dump(mode="json") for fact in facts], indent=2))
        return
    for fact in facts:
        print(
            f"{fact.name}: {fact.layout} of {fact.default_cell} px, trained on "
            f"{', '.join(fact.trained_layouts)}, {fact.licence}"
        )


def _serve(config: Serve) -> None:
    from filmgrid.serving.config import ServeConfig
    from filmgrid.serving.extra import check_extra

    check_extra()
    from filmgrid.serving.server import serve

    serve(of_kind(ServeConfig, config))


def _repro(config: Repro) -> None:
    from filmgrid.repeating import repeat

    repeat(
        config.file,
        config.out,
        config.scale,
        device=config.device,
        precision=config.precision,
        as_json=config.json_output,
    )


ACTIONS: dict[str, Action] = {
    "generate": (Generate, _generate),
    "plan": (Plan, _plan),
    "import-dit": (ImportDit, _import_dit),
    "models": (Models, _models),
    "serve": (Serve, _serve),
    "repro": (Repro, _repro),
    **DATASET_ACTIONS,
    **MEDIA_ACTIONS,
    **MEASURING_ACTIONS,
}
