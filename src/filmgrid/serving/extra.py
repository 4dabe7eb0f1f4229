"""Whether the packages of the extra ``serve`` are there."""

from importlib.util import find_spec

from filmgrid.errors import ConfigError

PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "python_multipart")


def check_extra() -> None:
    """Refuse to serve without them.

    Raises:
        ConfigError: naming the command that installs them.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The server takes {', '.join(missing)}, which is not installed. Run "
            "`pip install 'filmgrid[serve]'`."
        )
