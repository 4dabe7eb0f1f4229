"""Files of a multipart form, written to disk as they come, within a limit."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from filmgrid.errors import ConfigError, MediaError

OVERHEAD = 2**20
"""Bytes that a form may have besides its files."""
MOST_FIELD = 2**16
"""Bytes of a field that is no file."""


class TooLargeError(MediaError):
    """More bytes than are taken."""


class Form:
    """What came: fields by name, and files as (name told, where it is) in order.

    Args:
        folder: for the files, which exists.
        most: files at most.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.fields: dict[str, str] = {}
        self.files: list[tuple[str, Path]] = []
        self._header: list[bytes] = [b"", b""]
        self._headers: dict[str, bytes] = {}
        self._field, self._value = "", b""
        self._file: IO[bytes] | None = None

    @property
    def callbacks(self) -> dict[str, Callable[..., None]]:
        """For the parser."""
        names = (
            *("part_begin", "part_data", "part_end"),
            *("header_field", "header_value", "header_end", "headers_finished"),
        )
        return {f"on_{name}": getattr(self, f"_{name}") for name in names}

    def close(self) -> None:
        """Let go of a file that was not ended."""
        if self._file is not None:
            self._file.close()

    def _part_begin(self) -> None:
        self._headers, self._header, self._value = {}, [b"", b""], b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header[0].decode("latin-1").lower()] = self._header[1]
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        _, told = parse_options_header(self._headers.get("content-disposition", b""))
        self._field = told.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in told:
            return
        if len(self.files) >= self.most:
            raise TooLargeError(f"More than {self.most} files came at once. Send fewer.")
        name = told[b"filename"].decode("utf-8", "replace")
        path = self.folder / f"file-{len(self.files)}"
        self.files.append((name, path))
        self._file = path.open("wb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > MOST_FIELD:
            raise TooLargeError(f"A field of the form has more than {MOST_FIELD} bytes.")

    def _part_end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.fields[self._field] = self._value.decode("utf-8", "replace")


async def receive_form(request: Request, folder: Path, limit: int, most: int) -> Form:
    """Read a multipart form.

    Args:
        request: whose body is not read yet.
        folder: for the files, which exists.
        limit: bytes that are taken.
        most: files at most.

    Raises:
        ConfigError: if it is no such form.
        MediaError: if it was cut short, or the disk is full.
        TooLargeError: if it is longer than what is taken: at once if it says so, else while it
            comes.
    """
    kind, told = parse_options_header(request.headers.get("content-type"))
    boundary = told.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ConfigError(
            "An upload is a form of the type multipart/form-data with a field called file."
        )
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit + OVERHEAD:
        raise TooLargeError(_too_large(limit, f" of {int(length) / 2**20:,.0f} MB"))
    form, total = Form(folder, most), 0
    callbacks: Any = form.callbacks
    try:
        parser = MultipartParser(boundary, callbacks)
        async for chunk in request.stream():
            total += len(chunk)
            if total > limit + OVERHEAD:
                raise TooLargeError(_too_large(limit, ""))
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
    except FormParserError as error:
        raise ConfigError("The form is damaged or was cut short. Send it again.") from error
    except ClientDisconnect as error:
        raise MediaError("The upload was cut short. Send it again.") from error
    except OSError as error:
        raise MediaError(
            "The upload could not be stored: the disk of the server is full or read-only."
        ) from error
    finally:
        form.close()
    return form


def _too_large(limit: int, size: str) -> str:
    return (
        f"An upload{size} is more than the {limit / 2**20:,.0f} MB that are taken here. Cut it or "
        "make it smaller first."
    )
