"""Every error a user can meet.

::

    FilmgridError              exit code 2, one sentence, no traceback without --debug
    ├── ConfigError            a request, configuration or flag that cannot be carried out
    ├── ShapeError             frames, grids or cells whose sizes do not fit together
    ├── MediaError             a file that cannot be read, or a place that cannot be written
    ├── DatasetError           a dataset that is empty, damaged or does not match its manifest
    ├── CheckpointError        weights or training state that cannot be loaded or saved
    └── SharingError           a process that shares a network and is no more

A message says what arrived, what fits, and the nearest fix. Our own mistakes are
``assert``s and are never caught.
"""


class FilmgridError(Exception):
    """Base of every error that a user can mend."""


class ConfigError(FilmgridError, ValueError):
    """A request, configuration or flag that cannot be carried out."""


class ShapeError(FilmgridError, ValueError):
    """Frames, grids or cells whose sizes do not fit together."""


class MediaError(FilmgridError):
    """A file that cannot be read, or a place that cannot be written."""


class DatasetError(FilmgridError):
    """A dataset that is empty, damaged or does not match its manifest."""


class CheckpointError(FilmgridError):
    """Weights or training state that cannot be loaded or saved."""


class SharingError(FilmgridError):
    """A process that computes its share of a network for this one and is no more."""


def first_sentence(error: Exception) -> str:
    """The first sentence of an error of another library, at most 120 characters, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:120].rstrip(".") + "."
