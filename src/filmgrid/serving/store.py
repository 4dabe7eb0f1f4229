"""Jobs that nothing loses: a queue in SQLite, with workers that claim and leases that end.

::

    queued ── claimed, first step ──> running ──> done | failed
      ^ └──── cancelled ────────────────┘ │
      └────── its worker died ────────────┘

Every change of a job takes the next number of one clock, which is the number of its event: who
has seen all up to a number asks for what came after.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from filmgrid.errors import ConfigError
from filmgrid.serving.database import Database, tick

State = Literal["queued", "running", "done", "failed", "cancelled"]
OPEN = ("queued", "running")


class ConflictError(ConfigError):
    """What is asked of a job does not fit the state it is in."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the store keeps it.

    Args:
        number: order of submission.
        id: random.
        key: under which it was submitted, and is again.
        name: for people.
        state: where it is.
        request: as asked, JSON, with ``upload:`` and ``job:`` in place of files.
        resolved: the same with every choice made.
        layout: of its grids.
        height: of a finished frame in pixels.
        width: of a finished frame in pixels.
        num_frames: length of the sequence.
        fps: frames per second.
        created: when it was submitted; times are seconds since 1970.
        deadline: when it should be done.
        started: when its first step was made.
        finished: when it ended.
        step: steps done.
        num_steps: in all.
        reached: most steps that were ever done.
        sigma: noise level reached.
        eta: when it is expected to be done.
        preview: step of the latest preview.
        error: why it failed, one sentence.
        pinned: whether it stays when space is short.
        bytes: of its folder.
        attempt: times that a worker took it.
        crashes: times that a worker died while making it, since it last got on.
        worker: who has it.
        cancel: whether its worker is to drop it.
        changed: number of the last change of its state.
        moved: number of its last step.
        shown: number of its last preview.
    """

    number: int
    id: str
    key: str | None
    name: str | None
    state: State
    request: str
    resolved: str | None
    layout: str
    height: int
    width: int
    num_frames: int
    fps: float
    created: float
    deadline: float | None
    started: float | None
    finished: float | None
    step: int
    num_steps: int
    reached: int
    sigma: float | None
    eta: float | None
    preview: int | None
    error: str | None
    pinned: int
    bytes: int
    attempt: int
    crashes: int
    worker: str | None
    cancel: int
    changed: int
    moved: int
    shown: int

    @property
    def is_open(self) -> bool:
        """Whether there is something left to make."""
        return self.state in OPEN


COLUMNS = ", ".join(field.name for field in fields(JobRecord))


@dataclass(frozen=True, slots=True)
class Draft:
    """A job to submit; fields as those of :class:`JobRecord`."""

    id: str
    request: dict[str, Any]
    layout: str
    height: int
    width: int
    num_frames: int
    fps: float
    num_steps: int
    key: str | None = None
    name: str | None = None
    deadline_s: float | None = None
    bytes: int = 0


class JobStore:
    """The jobs of a workspace, for servers and workers alike.

    Args:
        database: of the workspace.
        attempts: workers that a job may take down before it is given up.
        lease_s: seconds for which a worker is believed to live after a sign of it.
    """

    def __init__(self, database: Database, *, attempts: int = 5, lease_s: float = 30.0) -> None:
        self.database = database
        self.attempts = attempts
        self.lease_s = lease_s

    # ---- what visitors ask -------------------------------------------------------------------

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

    # ---- what workers do ---------------------------------------------------------------------

    def hello(self, worker: str, pid: int, device: str, state: str) -> None:
        """A worker is there, or in another state."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO workers (id, pid, device, state, lease) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET state = excluded.state, lease = excluded.lease",
                (worker, pid, device, state, time.time() + self.lease_s),
            )

    def beat(self, worker: str) -> None:
        """A worker lives."""
        with self.database.write() as db:
            db.execute(
                "UPDATE workers SET lease = ? WHERE id = ?", (time.time() + self.lease_s, worker)
            )

    def claim(self, worker: str, most: int) -> list[JobRecord]:
        """Take jobs from the queue, the most urgent first: no more than a fair share of all.

        Jobs that saw two workers die are made last and each alone, so that it is known which of
        them it was.

        Args:
            worker: who takes them.
            most: jobs that it will have.
        """
        waiting = "state = 'queued' AND worker IS NULL"
        if not self.database.connection.execute(
            f"SELECT 1 FROM jobs WHERE {waiting} LIMIT 1"
        ).fetchone():
            return []
        with self.database.write() as db:
            count, own, suspects = db.execute(
                "SELECT count(*), coalesce(sum(worker = ?1), 0),"
                " coalesce(sum(worker = ?1 AND crashes > 1), 0) FROM jobs"
                " WHERE state IN ('queued', 'running')",
                (worker,),
            ).fetchone()
            living = db.execute("SELECT count(*) FROM workers WHERE state = 'ready'").fetchone()[0]
            share = min(most, -(-count // max(1, living))) - own
            if share < 1 or suspects:
                return []
            rows = db.execute(
                f"SELECT {COLUMNS} FROM jobs WHERE {waiting}"
                " ORDER BY crashes > 1, coalesce(deadline, 1e300), number LIMIT ?",
                (share,),
            ).fetchall()
            if rows and rows[0]["crashes"] > 1:
                rows = [] if own else rows[:1]
            rows = [row for row in rows if row["crashes"] <= 1] or rows
            for row in rows:
                db.execute(
                    "UPDATE jobs SET worker = ?, attempt = attempt + 1 WHERE id = ?",
                    (worker, row["id"]),
                )
        return [JobRecord(*row) for row in rows]

    def advanced(
        self,
        job: str,
        worker: str,
        *,
        step: int,
        num_steps: int,
        sigma: float,
        eta: float | None = None,
    ) -> bool:
        """A step was made.

        Args:
            job: of which.
            worker: who made it; a job that was taken from it does not change.
            step: steps done.
            num_steps: in all.
            sigma: noise level reached.
            eta: when it is expected to be done.

        Returns:
            Whether the job is still the worker's.
        """
        with self.database.write() as db:
            number = tick(db)
            moved = db.execute(
                "UPDATE jobs SET step = ?1, num_steps = ?2, sigma = ?3, eta = ?4, moved = ?5,"
                " crashes = CASE WHEN ?1 > reached THEN 0 ELSE crashes END,"
                " reached = max(reached, ?1)"
                " WHERE id = ?6 AND worker = ?7 AND state IN ('queued', 'running')",
                (step, num_steps, sigma, eta, number, job, worker),
            ).rowcount
            db.execute(
                "UPDATE jobs SET state = 'running', started = coalesce(started, ?), changed = ?"
                " WHERE id = ? AND worker = ? AND state = 'queued'",
                (time.time(), number, job, worker),
            )
            db.execute("UPDATE workers SET steps = steps + 1 WHERE id = ?", (worker,))
        return bool(moved)

    def previewed(self, job: str, worker: str, step: int) -> None:
        """A preview of a step can be seen."""
        with self.database.write() as db:
            db.execute(
                "UPDATE jobs SET preview = ?, shown = ? WHERE id = ? AND worker = ?",
                (step, tick(db), job, worker),
            )

    def finish(
        self, job: str, worker: str, publish: Callable[[], Any], resolved: Any, size: int
    ) -> bool:
        """A job is done: bring its result to its place and say so, or neither.

        A process that dies between both leaves a whole result and an open job, which the next
        worker finds finished.

        Args:
            job: which.
            worker: who made it.
            publish: brings the result to its place.
            resolved: its request with every choice made.
            size: bytes of its folder.

        Returns:
            Whether the job was still the worker's.
        """
        with self.database.write() as db:
            owned = db.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND worker = ? AND NOT cancel"
                " AND state IN ('queued', 'running')",
                (job, worker),
            ).fetchone()
            if owned is None:
                return False
            publish()
            db.execute(
                "UPDATE jobs SET state = 'done', worker = NULL, finished = ?, eta = NULL,"
                " started = coalesce(started, ?), step = num_steps, resolved = ?, bytes = ?,"
                " error = NULL, changed = ? WHERE id = ?",
                (time.time(), time.time(), json.dumps(resolved), size, tick(db), job),
            )
        return True

    def fail(self, job: str, worker: str, message: str) -> None:
        """A job cannot be made."""
        self._end(job, worker, "failed", message)

    def drop(self, job: str, worker: str) -> None:
        """A worker has let go of a job that was cancelled."""
        self._end(job, worker, "cancelled", None)

    def cancelled(self, worker: str) -> list[str]:
        """Jobs that a worker has and should drop."""
        rows = self.database.connection.execute(
            "SELECT id FROM jobs WHERE worker = ? AND cancel", (worker,)
        )
        return [row[0] for row in rows]

    def release(self, workers: Sequence[str], *, crashed: bool) -> int:
        """Give back what workers had that are no more.

        Args:
            workers: which.
            crashed: whether that counts against the jobs that they were making.

        Returns:
            Number of jobs that are in the queue again.
        """
        count = 0
        with self.database.write() as db:
            for worker in workers:
                number, now = tick(db), time.time()
                if crashed:  # which job it was is known if one had begun; else any of them
                    begun = db.execute(
                        "UPDATE jobs SET crashes = crashes + 1 WHERE worker = ?"
                        " AND state = 'running'",
                        (worker,),
                    ).rowcount
                    if not begun:
                        db.execute(
                            "UPDATE jobs SET crashes = crashes + 1 WHERE worker = ?"
                            " AND state = 'queued'",
                            (worker,),
                        )
                given_up = (
                    f"Its worker died or hung {self.attempts} times while making it. Use a "
                    "smaller layout or cell, or look into the server's log."
                )
                db.execute(
                    "UPDATE jobs SET state = 'failed', error = ?, worker = NULL, finished = ?,"
                    " eta = NULL, changed = ? WHERE worker = ? AND crashes >= ?"
                    " AND state IN ('queued', 'running')",
                    (given_up, now, number, worker, self.attempts),
                )
                db.execute(
                    "UPDATE jobs SET state = 'cancelled', worker = NULL, finished = ?, eta = NULL,"
                    " changed = ? WHERE worker = ? AND cancel AND state = 'running'",
                    (now, number, worker),
                )
                count += db.execute(
                    "UPDATE jobs SET state = 'queued', worker = NULL, eta = NULL, changed = ?"
                    " WHERE worker = ? AND state IN ('queued', 'running')",
                    (number, worker),
                ).rowcount
                db.execute("UPDATE jobs SET worker = NULL WHERE worker = ?", (worker,))
                db.execute("DELETE FROM workers WHERE id = ?", (worker,))
        return count

    def workers(self) -> list[dict[str, Any]]:
        """The workers that are there."""
        rows = self.database.connection.execute("SELECT * FROM workers ORDER BY id")
        return [dict(row) for row in rows]

    def silent(self) -> list[str]:
        """Workers whose lease has ended."""
        rows = self.database.connection.execute(
            "SELECT id FROM workers WHERE lease < ?", (time.time(),)
        )
        return [row[0] for row in rows]

    # ---- what is told of them ----------------------------------------------------------------

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

    def _end(self, job: str, worker: str, state: State, message: str | None) -> None:
        with self.database.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, worker = NULL, finished = ?, eta = NULL,"
                " changed = ? WHERE id = ? AND worker = ? AND state IN ('queued', 'running')",
                (state, message, time.time(), tick(db), job, worker),
            )
            db.execute("UPDATE jobs SET worker = NULL WHERE id = ? AND worker = ?", (job, worker))

    def _one(self, where: str, value: str) -> JobRecord | None:
        row = self.database.connection.execute(
            f"SELECT {COLUMNS} FROM jobs WHERE {where}", (value,)
        ).fetchone()
        return None if row is None else JobRecord(*row)


def same_request(record: JobRecord, request: dict[str, Any]) -> JobRecord:
    """The job of a key, if it was asked with the same request.

    Raises:
        ConflictError: if it was another.
    """
    if json.loads(record.request) != json.loads(json.dumps(request)):
        raise ConflictError(
            f"The key {record.key!r} belongs to job {record.id}, which has another request. Use a "
            "key of its own for each request."
        )
    return record
