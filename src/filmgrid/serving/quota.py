"""Space: the oldest jobs and uploads that nobody pinned make room for new ones."""

import logging
import shutil
from pathlib import Path

from filmgrid.serving.config import ServeConfig
from filmgrid.serving.jobs import ID, Workspace
from filmgrid.serving.records import ConflictError
from filmgrid.serving.store import JobStore
from filmgrid.serving.uploads import UploadStore

log = logging.getLogger(__name__)


def used(store: JobStore) -> int:
    """Bytes that jobs and uploads take."""
    row = store.database.connection.execute(
        "SELECT (SELECT coalesce(sum(bytes), 0) FROM jobs)"
        " + (SELECT coalesce(sum(bytes), 0) FROM uploads)"
    ).fetchone()
    return row[0]


def tidy(config: ServeConfig, store: JobStore, uploads: UploadStore) -> int:
    """Delete the oldest that are not pinned until all fits; the last one that ended stays.

    Jobs go before uploads of the same age only as far as they are older; jobs keep copies of the
    uploads that they were made of.

    Returns:
        Number of jobs and uploads that went.
    """
    over = used(store) - config.quota
    if over <= 0:
        return 0
    rows = store.database.connection.execute(
        "SELECT id, finished AS at, bytes, 'job' AS kind FROM jobs"
        " WHERE state NOT IN ('queued', 'running') AND NOT pinned"
        " AND number != (SELECT number FROM jobs WHERE finished IS NOT NULL"
        " ORDER BY finished DESC LIMIT 1)"
        " UNION ALL SELECT id, created, bytes, 'upload' FROM uploads"
        " WHERE number != (SELECT max(number) FROM uploads) ORDER BY at"
    ).fetchall()
    workspace, count = Workspace(config.workspace), 0
    for row in rows:
        if over <= 0:
            break
        try:
            if row["kind"] == "job":
                remove_job(store, workspace, row["id"])
            else:
                uploads.remove(row["id"])
        except (ConflictError, KeyError):  # retried or deleted meanwhile
            continue
        over -= row["bytes"]
        count += 1
    if count:
        log.info(f"{count} old jobs and uploads were deleted to stay within the quota")
    return count


def remove_job(store: JobStore, workspace: Workspace, job: str) -> None:
    """Forget a job that has ended, and delete its folder.

    Raises:
        ConflictError: if it is still to be made.
        KeyError: if there is none.
    """
    store.remove(job)
    shutil.rmtree(workspace.job(job), ignore_errors=True)


def sweep(store: JobStore, workspace: Workspace) -> None:
    """Delete folders that a process which died left behind: without a job or upload of their own.

    Only when nobody else works here.
    """
    db = store.database.connection
    for folder, table in ((workspace.jobs, "jobs"), (workspace.uploads, "uploads")):
        known = {row[0] for row in db.execute(f"SELECT id FROM {table}")}
        for path in folder.iterdir():
            if path.name not in known and _is_ours(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return ID.fullmatch(path.name.removeprefix(".part-")) is not None
