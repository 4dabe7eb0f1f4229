"""What each command on clips, pictures and volumes does."""

import json

from filmgrid.cli.parts import Action
from filmgrid.cli.settings import Info, Pack, Slices, Split, Thin, Upscale, Volume
from filmgrid.errors import ConfigError
from filmgrid.request import GenerateRequest
from filmgrid.request.upscale import UpscaleRequest


def _info(config: Info) -> None:
    from filmgrid.commands import describe

    facts = describe(config.file)
    if config.json_output:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        text = json.dumps(value) if isinstance(value, (dict, list)) else value
        print(f"{name:<12} {text}")


def _split(config: Split) -> None:
    from filmgrid.commands import split

    if config.layout is None and (config.gap or config.margin is not None):
        raise ConfigError("gap and margin belong to a layout. Add --layout ROWSxCOLS.")
    layout = config.layout and (config.layout, config.gap, config.margin)
    for path in split(config.grid, config.out, layout or None, config.fps):
        print(path)


def _pack(config: Pack) -> None:
    from filmgrid.commands import pack

    for path in pack(
        config.source,
        config.out,
        (config.layout, config.gap, config.margin),
        start=config.start,
        stride=config.stride,
    ):
        print(path)


def _slices(config: Slices) -> None:
    from filmgrid.commands import cut_volume

    for path in cut_volume(config.source, config.out, config.plane, config.window, config.index):
        print(path)


def _volume(config: Volume) -> None:
    from filmgrid.commands import assemble_volume

    print(
        assemble_volume(
            config.source,
            config.like,
            config.out,
            plane=config.plane,
            window=config.window,
            spacing=config.spacing,
        )
    )


def _upscale(config: Upscale) -> None:
    from filmgrid.commands import upscale

    for path in upscale(UpscaleRequest(**dict(config))):
        print(path)


def _thin(config: Thin) -> None:
    from filmgrid.commands import thin_volume

    names = ("between", "model", "cell", "prompt", "layout", "steps", "guidance", "seed", "device")
    asked = {name: getattr(config, name) for name in names}
    request = GenerateRequest(video=config.source, **asked)
    print(thin_volume(request, config.out, config.plane, config.window, config.index))


MEDIA_ACTIONS: dict[str, Action] = {
    "info": (Info, _info),
    "split": (Split, _split),
    "pack": (Pack, _pack),
    "slices": (Slices, _slices),
    "volume": (Volume, _volume),
    "upscale": (Upscale, _upscale),
    "thin": (Thin, _thin),
}
