"""From the words of a command to what it is carried out with."""

from collections.abc import Callable
from typing import Any, TypeVar

from filmgrid.settings import Settings

Kind = TypeVar("Kind", bound=Settings)
Action = tuple[type[Settings], Callable[[Any], None]]
"""The words of a command, and what carries it out."""


def of_kind(kind: type[Kind], config: Settings) -> Kind:
    """The fields of a request or config among the words of a command."""
    return kind(**{name: getattr(config, name) for name in kind.model_fields})
