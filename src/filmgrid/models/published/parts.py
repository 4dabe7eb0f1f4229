"""Components of pipelines, named and not yet made. Free of torch."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a pipeline.

    Args:
        make: where its class, or a function that makes it, is found: ``"diffusers:AutoencoderKL"``.
        options: arguments.
        config: for networks of transformers, the class that the options are put into first.
    """

    make: str
    options: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = None

    def __call__(self) -> Any:
        """Make it."""
        make = find(self.make)
        if self.config is not None:
            return make(find(self.config)(**self.options))
        return make(**self.options)


def find(name: str) -> Any:
    """What ``"package.module:name"`` stands for; imports it."""
    return pkgutil.resolve_name(name)
