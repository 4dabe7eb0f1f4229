"""``filmgrid serve``: one process that answers, and the workers beside it."""

import errno
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from filmgrid.errors import ConfigError, FilmgridError, MediaError
from filmgrid.serving.api import make_app
from filmgrid.serving.config import ServeConfig
from filmgrid.serving.quota import sweep
from filmgrid.serving.service import Service, find_token
from filmgrid.serving.supervisor import Supervisor

log = logging.getLogger(__name__)


def serve(config: ServeConfig) -> None:
    """Serve until stopped.

    Raises:
        ConfigError: if the port is taken, or another server uses the workspace.
        CheckpointError: if a model is not there.
        MediaError: if the workspace cannot be written.
    """
    config = config.model_copy(update={"workspace": config.workspace.absolute()})
    try:
        config.workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"{config.workspace} cannot be the workspace: {error.strerror}. Name another folder "
            "with --workspace."
        ) from error
    with _alone(config), _listening(config) as listening:
        service = Service(config)
        sweep(service.store, service.workspace)
        token = find_token(config)
        supervisor = Supervisor(config, service.store, service.workforce, service.uploads)
        server: uvicorn.Server | None = None

        @contextmanager
        def working() -> Iterator[None]:
            supervisor.start()
            threading.Thread(target=_warm_up, args=(service,), daemon=True).start()
            try:
                yield
            finally:
                supervisor.stop()

        app = make_app(service, token, working, lambda: server is not None and server.should_exit)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=3,
                timeout_keep_alive=75,  # less, and slow clients meet connections that just ended
                h11_max_incomplete_event_size=2**16,
            )
        )
        _greet(config, listening, token)
        server.run(sockets=[listening])


def _warm_up(service: Service) -> None:
    """Load what plans take, so that the first is told as soon as a later one."""
    try:
        service.warm_up()
    except FilmgridError as error:
        log.warning(f"plans will not be told: {error}")


def _greet(config: ServeConfig, listening: socket.socket, token: str | None) -> None:
    port = listening.getsockname()[1]
    host = f"[{config.host}]" if ":" in config.host else config.host
    if config.host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    address = f"http://{host}:{port}/"
    if token is not None:
        address += f"?token={token}"
    print(f"filmgrid is at {address} and keeps its jobs in {config.workspace}", flush=True)
    print("Stop it with Ctrl+C; jobs that wait or run go on when it starts again.", flush=True)


@contextmanager
def _listening(config: ServeConfig) -> Iterator[socket.socket]:
    """The socket, before anything is loaded, so that a port that is taken is told at once."""
    try:
        found = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except (OSError, UnicodeError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be listened on ({error})"
        raise ConfigError(
            f"Port {config.port} of {config.host} {why}. Use another --port (0 takes a free one) "
            "or --host."
        ) from error
    with listening:
        yield listening


@contextmanager
def _alone(config: ServeConfig) -> Iterator[None]:
    """Hold the workspace, so that no second server hands out the same jobs."""
    path = config.workspace / "lock"
    try:
        held = path.open("a+b")
    except OSError as error:
        raise MediaError(f"{path} could not be written: {error.strerror}.") from error
    with held:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"Another filmgrid serve uses {config.workspace}. Stop it, or name another folder "
                "with --workspace."
            ) from error
        os.set_inheritable(held.fileno(), False)
        yield
