"""The model card of a run, and its way to the Hub."""

import logging
from pathlib import Path

import yaml
from huggingface_hub import HfApi, ModelCardData
from huggingface_hub.errors import HfHubHTTPError

from filmgrid.models.facts import BackboneFacts
from filmgrid.models.places import hub_id_of
from filmgrid.training.config import TrainConfig

log = logging.getLogger(__name__)

CARD = """---
{head}
---

# {name}

{what}

It paints sequences as one grid: {layouts}, cells of {cell} px. Prompts are worded as {wording}.

## Use

With [filmgrid](https://github.com/filmgrid/filmgrid):

```
filmgrid generate "PROMPT" {use} --layout {layout} --out sequence.mp4
```
{diffusers}
## Training

{step} steps of `filmgrid train` ({seconds:.1f} hours), with these settings:

```yaml
{settings}```

Versions: {versions}.
"""
IN_DIFFUSERS = """
With diffusers, as any LoRA: `pipeline.load_lora_weights("{place}")`.
"""


def write_card(config: TrainConfig, facts: BackboneFacts, folder: Path) -> None:
    """Write ``README.md`` beside the weights of a checkpoint.

    Args:
        config: of the run.
        facts: of the model, which tell how far it has come.
        folder: of the weights.
    """
    place = config.push_to or "FOLDER"
    of_pipeline = facts.is_pretrained
    told = facts.training["progress"]
    settings = config.model_dump(mode="json", exclude={"out"}, exclude_defaults=True)
    of_lora = of_pipeline and config.lora is not None
    use = f"--model {config.start_from} --lora {place}" if of_lora else f"--model {place}"
    if config.lora is not None and of_pipeline:
        what = f"A LoRA of rank {config.lora.rank} on {facts.name}. {facts.licence_sentence}"
    elif of_pipeline:
        what = f"{facts.name}, trained on with all its weights. {facts.licence_sentence}"
    else:
        what = "A grid transformer of filmgrid, trained from scratch or from another one."
        if config.lora is not None:
            what += (
                f" Its low-rank changes, of rank {config.lora.rank}, are merged into it, and lie "
                f"beside it as a LoRA: `--model {config.start_from} --lora {place}`."
            )
    text = CARD.format(
        head=_head(config, facts).to_yaml(),
        name=config.name,
        what=what,
        layouts=", ".join(facts.trained_layouts),
        layout=facts.layout,
        cell=facts.default_cell,
        wording="the content alone" if facts.wording == "none" else f"filmgrid's {facts.wording}",
        use=use,
        diffusers=IN_DIFFUSERS.format(place=place) if of_lora else "",
        step=told["step"],
        seconds=told["seconds"] / 3600,
        settings=yaml.safe_dump(settings, sort_keys=False),
        versions=", ".join(f"{name} {version}" for name, version in facts.versions.items()),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def push(config: TrainConfig, checkpoint: Path) -> str | None:
    """Push the weights and card of a checkpoint to the Hub, and say where they are.

    A push that fails never ends a run: it is logged, with the command that does it later.

    Args:
        config: whose ``push_to`` names the repository; it is made if it is not there.
        checkpoint: of the run.

    Returns:
        Address of the commit, or None.
    """
    assert config.push_to is not None
    folder = checkpoint / "model"
    hub = HfApi(library_name="filmgrid")
    try:
        hub.create_repo(config.push_to, private=config.push_private, exist_ok=True)
        done = hub.upload_folder(
            repo_id=config.push_to, folder_path=folder, commit_message=f"{checkpoint.name}"
        )
    except (OSError, HfHubHTTPError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        log.warning(
            f"{folder} was not pushed to {config.push_to}: {text} Push it later with "
            f"`hf upload {config.push_to} {folder}`."
        )
        return None
    return done.commit_url


def _head(config: TrainConfig, facts: BackboneFacts) -> ModelCardData:
    tags = ["filmgrid", "image-sequence"]
    base = None
    if facts.is_pretrained:
        tags += ["lora", "diffusers"] if config.lora else ["diffusers"]
        base = hub_id_of(config.start_from or "")
    known = facts.licence if facts.is_pretrained else config.licence
    return ModelCardData(
        license=None if known == "unknown" else known,
        base_model=base,
        tags=tags,
        library_name="diffusers" if facts.is_pretrained else "filmgrid",
    )
