"""Settings: what every configuration is built on. Free of torch."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from filmgrid.errors import ConfigError


class Settings(BaseModel):
    """Frozen; an unknown key is an error; the text below a field is its help.

    Raises:
        ConfigError: if a key is unknown or missing, or a value does not fit.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    if not TYPE_CHECKING:  # type checkers see the fields as arguments

        def __init__(self, **values):
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ConfigError(explain(error, type(self).model_fields)) from error


def explain(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Say in one line what a pydantic model did not accept, where, and what fits.

    Args:
        error: what pydantic raised; the first of its complaints is told.
        known: keys among which a misspelled one is looked for.
    """
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{place}: {message}" if place else message
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, known, n=1)
        fix = f"Did you mean {near[0]}?" if near else "Check its spelling, or leave it out."
        return f"{place} is not a known key. {fix}"
    if first["type"] == "missing":
        return f"{place} is missing."
    return f"{place}: {message} (got {first['input']!r})."
