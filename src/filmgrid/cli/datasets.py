"""What each command on datasets does."""

from filmgrid.captioning.config import CaptionConfig
from filmgrid.cli.parts import Action, of_kind
from filmgrid.cli.settings import Build, Caption, Preview, Render, Stats
from filmgrid.data.config import DatasetConfig
from filmgrid.data.meshes.config import RenderConfig


def _build(config: Build) -> None:
    from filmgrid.data.build import build_dataset

    report = build_dataset(of_kind(DatasetConfig, config))
    print(report.model_dump_json(indent=2) if config.json_output else report.text())


def _caption(config: Caption) -> None:
    from filmgrid.commands import caption

    asked = of_kind(CaptionConfig, config)
    told = caption(asked, dry_run=config.dry_run)
    print(told.model_dump_json(indent=2) if config.json_output else told.text())
    if told.failed:
        raise SystemExit(1)


def _render(config: Render) -> None:
    from filmgrid.commands import render

    for folder in render(of_kind(RenderConfig, config)):
        print(folder)


def _preview(config: Preview) -> None:
    from filmgrid.data.preview import draw_preview

    out = config.out or config.dataset.with_name(f"{config.dataset.name}-preview")
    for page in draw_preview(config.dataset, out, limit=config.limit, split=config.split):
        print(page)


def _stats(config: Stats) -> None:
    from filmgrid.data.stats import dataset_stats

    stats = dataset_stats(config.dataset)
    print(stats.model_dump_json(indent=2) if config.json_output else stats.text())


DATASET_ACTIONS: dict[str, Action] = {
    "dataset build": (Build, _build),
    "dataset caption": (Caption, _caption),
    "dataset render": (Render, _render),
    "dataset preview": (Preview, _preview),
    "dataset stats": (Stats, _stats),
}
