"""Answers that were paid for: a SQLite file that outlives any run."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filmgrid.errors import DatasetError

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    content TEXT NOT NULL,
    hint TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    fields TEXT NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    seconds REAL NOT NULL,
    answered TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (content, hint, model, version)
)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What decides an answer.

    Args:
        content: hash of the frames and how they lie.
        hint: what was said of them.
        model: name of the model, and the endpoint it was asked at.
        version: of all that was said before.
    """

    content: str
    hint: str
    model: str
    version: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and what it took.

    Args:
        fields: of the answer, ``caption`` among them.
        tokens_in: sent, over all attempts.
        tokens_out: answered, over all attempts.
        seconds: from the first request to the answer.
    """

    fields: dict[str, str]
    tokens_in: int
    tokens_out: int
    seconds: float


class AnswerCache:
    """Answers by content, hint, model and version of the prompt.

    Args:
        path: SQLite file; it is made when the first answer is kept.

    Raises:
        DatasetError: if the file is no such cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.exists():
            self._run(_TABLE)

    def find(self, asked: Asked) -> Answered | None:
        """What was answered, if it was asked before."""
        if not self._path.exists():
            return None
        key = (asked.content, asked.hint, asked.model, asked.version)
        rows = self._run(
            "SELECT fields, tokens_in, tokens_out, seconds FROM answers "
            "WHERE content = ? AND hint = ? AND model = ? AND version = ?",
            key,
        )
        return Answered(json.loads(rows[0][0]), *rows[0][1:]) if rows else None

    def keep(self, asked: Asked, answered: Answered) -> None:
        """Remember an answer; it is on the disk when this returns."""
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._run(_TABLE)
        self._run(
            "INSERT OR REPLACE INTO answers "
            "(content, hint, model, version, fields, tokens_in, tokens_out, seconds) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(asked.content, asked.hint, asked.model, asked.version),
                json.dumps(answered.fields, ensure_ascii=False),
                *(answered.tokens_in, answered.tokens_out, answered.seconds),
            ),
        )

    def usual(self, model: str, version: str) -> Answered | None:
        """Means over the answers of a model to one version of the prompt."""
        if not self._path.exists():
            return None
        rows = self._run(
            "SELECT avg(tokens_in), avg(tokens_out), avg(seconds) FROM answers "
            "WHERE model = ? AND version = ?",
            (model, version),
        )
        return None if rows[0][0] is None else Answered({}, *rows[0])

    def _run(self, command: str, values: tuple[object, ...] = ()) -> list[tuple]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as file, file:
                return file.execute(command, values).fetchall()
        except sqlite3.Error as error:
            raise DatasetError(
                f"The cache of captions {self._path} cannot be used: {error}. Delete it to ask "
                "everything again, or name another with --cache."
            ) from error
