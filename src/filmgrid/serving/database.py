"""The file that knows all jobs: SQLite in WAL mode, one connection for each thread."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filmgrid.errors import ConfigError

SCHEMA = 2
"""Version of the tables. Form 1 had paces of its own, by shapes that the engine did not know."""
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,
    name TEXT,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    resolved TEXT,
    layout TEXT NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    num_frames INTEGER NOT NULL,
    fps REAL NOT NULL,
    created REAL NOT NULL,
    deadline REAL,
    started REAL,
    finished REAL,
    step INTEGER NOT NULL DEFAULT 0,
    num_steps INTEGER NOT NULL DEFAULT 0,
    reached INTEGER NOT NULL DEFAULT 0,
    sigma REAL,
    eta REAL,
    preview INTEGER,
    error TEXT,
    pinned INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    cancel INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL,
    moved INTEGER NOT NULL DEFAULT 0,
    shown INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE INDEX IF NOT EXISTS jobs_by_changed ON jobs (changed);
CREATE INDEX IF NOT EXISTS jobs_by_moved ON jobs (moved);
CREATE INDEX IF NOT EXISTS jobs_by_shown ON jobs (shown);
CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY, changed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS clock (now INTEGER NOT NULL);
INSERT INTO clock SELECT 0 WHERE NOT EXISTS (SELECT * FROM clock);
CREATE TABLE IF NOT EXISTS workers (
    id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    device TEXT NOT NULL,
    state TEXT NOT NULL,
    lease REAL NOT NULL,
    steps INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS uploads (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    file TEXT NOT NULL,
    num_frames INTEGER NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    fps REAL,
    layout TEXT,
    bytes INTEGER NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS costs (shape TEXT PRIMARY KEY, told TEXT NOT NULL);
DROP TABLE IF EXISTS paces;
"""


class Database:
    """Connections to one file, made when a thread first asks.

    Args:
        path: the file, which is made if there is none.
        durable: whether a change is on the disk before it is answered, so that it outlives a loss
            of power too. Workers tell steps, which may be told again.

    Raises:
        ConfigError: if the file is of a later version or no database.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self.durable = durable
        self._local = threading.local()
        try:
            with self.write() as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > SCHEMA:
                    raise ConfigError(
                        f"{path} was written by a later version of filmgrid (form {version}, and "
                        f"this one knows {SCHEMA}). Use that version, or another --workspace."
                    )
                for statement in TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA}")
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{path} cannot be used as a database: {error}. Use another --workspace, or move "
                "the file away."
            ) from error

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'NORMAL'}")
            self._local.connection = found
        return found

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside; it is undone if the body fails."""
        db = self.connection
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def version(self) -> int:
        """A number that differs after others have written."""
        return self.connection.execute("PRAGMA data_version").fetchone()[0]


def tick(db: sqlite3.Connection) -> int:
    """The next number of a change, within a transaction."""
    return db.execute("UPDATE clock SET now = now + 1 RETURNING now").fetchone()[0]
