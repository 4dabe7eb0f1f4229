"""Image sequences from image models: a sequence is laid out as one grid.

Importing this loads no torch and no weights; names are loaded when they are first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from filmgrid.errors import FilmgridError as FilmgridError
    from filmgrid.generator import Generator as Generator
    from filmgrid.grid.spec import Layout as Layout
    from filmgrid.request import GenerateRequest as GenerateRequest
    from filmgrid.training.config import TrainConfig as TrainConfig
    from filmgrid.training.run import train as train

_HOMES = {
    "FilmgridError": "filmgrid.errors",
    "GenerateRequest": "filmgrid.request",
    "Generator": "filmgrid.generator",
    "Layout": "filmgrid.grid.spec",
    "TrainConfig": "filmgrid.training.config",
    "train": "filmgrid.training.run",
}

__all__ = ["FilmgridError", "GenerateRequest", "Generator", "Layout", "TrainConfig", "train"]


def __getattr__(name: str) -> Any:
    """Load a public name from the room where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'filmgrid' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
