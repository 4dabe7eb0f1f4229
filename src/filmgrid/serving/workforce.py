"""Workers that claim jobs, with leases that end: who dies loses what it had, and nothing else."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from filmgrid.serving.database import Database, tick
from filmgrid.serving.records import COLUMNS, JobRecord, State


class Workforce:
    """The workers of a workspace and what they do with its jobs.

    Args:
        database: of the workspace.
        attempts: workers that a job may take down before it is given up.
        lease_s: seconds for which a worker is believed to live after a sign of it.
    """

    def __init__(self, database: Database, *, attempts: int = 5, lease_s: float = 30.0) -> None:
        self.database = database
        self.attempts = attempts
        self.lease_s = lease_s

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

    def listed(self) -> list[dict[str, Any]]:
        """The workers that are there."""
        rows = self.database.connection.execute("SELECT * FROM workers ORDER BY id")
        return [dict(row) for row in rows]

    def silent(self) -> list[str]:
        """Workers whose lease has ended."""
        rows = self.database.connection.execute(
            "SELECT id FROM workers WHERE lease < ?", (time.time(),)
        )
        return [row[0] for row in rows]

    def _end(self, job: str, worker: str, state: State, message: str | None) -> None:
        with self.database.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, worker = NULL, finished = ?, eta = NULL,"
                " changed = ? WHERE id = ? AND worker = ? AND state IN ('queued', 'running')",
                (state, message, time.time(), tick(db), job, worker),
            )
            db.execute("UPDATE jobs SET worker = NULL WHERE id = ? AND worker = ?", (job, worker))
