"""Jobs that nothing loses: what visitors ask of the queue, and are told of it.

Every change of a job takes the next number of one clock, which is the number of its event: who
has seen all up to a number asks for what came after.
"""

import json
import time

from filmgrid.serving.database import Database, tick
from filmgrid.serving.records import (
    COLUMNS,
    OPEN,
    ConflictError,
    Draft,
    JobRecord,
    State,
    same_request,
)


class JobStore:
    """The jobs of a workspace, for visitors.

    Args:
        database: of the workspace.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def submit(self, draft: Draft, most: int | None = None) -> JobRecord:
        """Queue a job; with a key that is known, give the job that has it.

        Args:
            draft: the job.
            most: jobs that may wait.

        Raises:
            ConflictError: if the key belongs to another request, or too many jobs wait.
        """
        asked = json.dumps(draft.request, sort_keys=True)
        with self.database.write() as db:
            if draft.key is not None:
                row = db.execute(
                    f"SELECT {COLUMNS} FROM jobs WHERE key = ?", (draft.key,)
                ).fetchone()
                if row is not None:
                    return same_request(JobRecord(*row), draft.request)
            waiting = db.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()[0]
            if most is not None and waiting >= most:
                raise ConflictError(f"{waiting} jobs wait already. Submit this one later.")
            now = time.time()
            values = {
                **{name: getattr(draft, name) for name in ("id", "key", "name", "layout")},
                **{name: getattr(draft, name) for name in ("height", "width", "num_frames")},
                **{name: getattr(draft, name) for name in ("fps", "num_steps", "bytes")},
                "state": "queued",
                "request": asked,
                "created": now,
                "deadline": None if draft.deadline_s is None else now + draft.deadline_s,
                "changed": tick(db),
            }
            db.execute(
                f"INSERT INTO jobs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                tuple(values.values()),
            )
        return self.get(draft.id)

    def by_key(self, key: str) -> JobRecord | None:
        """The job that was submitted under a key."""
        return self._one("key = ?", key)

    def find(self, job: str) -> JobRecord | None:
        """A job, if there is one."""
        return self._one("id = ?", job)

    def get(self, job: str) -> JobRecord:
        """A job.

        Raises:
            KeyError: if there is none.
        """
        found = self.find(job)
        if found is None:
            raise KeyError(job)
        return found

    def listed(
        self, state: State | None = None, limit: int = 50, before: int | None = None
    ) -> list[JobRecord]:
        """Jobs, the newest first."""
        where, values = ["number < ?"], [2**62 if before is None else before]
        if state is not None:
            where.append("state = ?")
        rows = self.database.connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?",
            (*values, *([state] if state else []), limit),
        )
        return [JobRecord(*row) for row in rows]

    def position(self, record: JobRecord) -> int | None:
        """Number of jobs before one that waits."""
        if record.state != "queued":
            return None
        return self.database.connection.execute(
            "SELECT count(*) FROM jobs WHERE state = 'queued' AND number < ?", (record.number,)
        ).fetchone()[0]

    def cancel(self, job: str) -> JobRecord:
        """Stop a job: at once if it waits, before its next step if it is being made.

        Raises:
            KeyError: if there is none.
        """
        with self.database.write() as db:
            now, number = time.time(), tick(db)
            db.execute(
                "UPDATE jobs SET cancel = 1, state = 'cancelled', finished = ?, eta = NULL,"
                " changed = ? WHERE id = ? AND state = 'queued'",
                (now, number, job),
            )
            db.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND state = 'running'", (job,))
        return self.get(job)

    def retry(self, job: str) -> JobRecord:
        """Queue a job again that failed or was cancelled.

        Raises:
            ConflictError: if there is nothing to make again.
            KeyError: if there is none.
        """
        record = self.get(job)
        if record.is_open:
            return record
        with self.database.write() as db:
            done = db.execute(
                "UPDATE jobs SET state = 'queued', cancel = 0, worker = NULL, error = NULL,"
                " started = NULL, finished = NULL, step = 0, reached = 0, crashes = 0, eta = NULL,"
                " sigma = NULL, preview = NULL, changed = ?"
                " WHERE id = ? AND state IN ('failed', 'cancelled')",
                (tick(db), job),
            ).rowcount
        if not done:
            raise ConflictError(f"Job {job} is done. Submit its request again, with another seed.")
        return self.get(job)

    def pin(self, job: str, *, pinned: bool) -> JobRecord:
        """Say whether a job stays when space is short.

        Raises:
            KeyError: if there is none.
        """
        with self.database.write() as db:
            db.execute(
                "UPDATE jobs SET pinned = ?, changed = ? WHERE id = ?", (pinned, tick(db), job)
            )
        return self.get(job)

    def remove(self, job: str) -> None:
        """Forget a job that has ended.

        Raises:
            ConflictError: if it is still to be made.
            KeyError: if there is none.
        """
        self.get(job)
        with self.database.write() as db:
            done = db.execute(
                "DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (job,)
            ).rowcount
            if not done:
                raise ConflictError(f"Job {job} is still being made. Cancel it first.")
            db.execute("INSERT INTO gone VALUES (?, ?)", (job, tick(db)))
            db.execute("DELETE FROM gone WHERE changed < (SELECT now FROM clock) - 10000")

    def weigh(self, job: str, size: int) -> None:
        """Note how many bytes the folder of a job takes."""
        with self.database.write() as db:
            db.execute("UPDATE jobs SET bytes = ? WHERE id = ?", (size, job))

    def now(self) -> int:
        """Number of the last change."""
        return self.database.connection.execute("SELECT now FROM clock").fetchone()[0]

    def changes(self, after: int, job: str | None = None) -> tuple[list[JobRecord], list[str]]:
        """Jobs that changed after a number, in the order of their changes, and those removed."""
        only = "" if job is None else " AND id = ?"
        values = (after, after, after, *([] if job is None else [job]))
        rows = self.database.connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE (changed > ? OR moved > ? OR shown > ?){only}"
            " ORDER BY max(changed, moved, shown)",
            values,
        ).fetchall()
        gone = self.database.connection.execute(
            f"SELECT id FROM gone WHERE changed > ?{only} ORDER BY changed",
            (after, *([] if job is None else [job])),
        )
        return [JobRecord(*row) for row in rows], [row[0] for row in gone]

    def counts(self) -> dict[str, int]:
        """Jobs in each state."""
        rows = self.database.connection.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        return {
            **dict.fromkeys((*OPEN, "done", "failed", "cancelled"), 0),
            **dict(map(tuple, rows)),
        }

    def longest_wait(self) -> float:
        """Seconds since the oldest job that waits was submitted."""
        row = self.database.connection.execute(
            "SELECT min(created) FROM jobs WHERE state = 'queued'"
        ).fetchone()
        return 0.0 if row[0] is None else time.time() - row[0]

    def _one(self, where: str, value: str) -> JobRecord | None:
        row = self.database.connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE {where}", (value,)
        ).fetchone()
        return None if row is None else JobRecord(*row)
