import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filmgrid.errors import ConfigError
from filmgrid.serving.database import Database
from filmgrid.serving.jobs import new_id
from filmgrid.serving.records import OPEN, ConflictError, Draft
from filmgrid.serving.store import JobStore
from filmgrid.serving.workforce import Workforce


class Store:
    """The jobs of a folder, as visitors and as workers see them."""

    def __init__(self, folder, **words):
        database = Database(folder / "jobs.sqlite3", durable=False)
        self.jobs, self.workers = JobStore(database), Workforce(database, **words)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.workers.hello("w", 1, "cpu", "ready")
    return made


def draft(key=None, seed=0, **words):
    sizes = {"layout": "4x4", "height": 64, "width": 64, "num_frames": 16, "fps": 8.0}
    return Draft(id=new_id(), request={"seed": seed}, num_steps=2, key=key, **sizes, **words)


def step(store, job, worker="w", at=1):
    return store.workers.advanced(job, worker, step=at, num_steps=2, sigma=0.5)


def finish(store, job, worker="w", publish=lambda: None):
    return store.workers.finish(job, worker, publish, {}, 10)


def test_a_job_goes_from_the_queue_to_its_worker_to_done(store):
    job = store.jobs.submit(draft()).id
    assert store.jobs.position(store.jobs.get(job)) == 0
    [taken] = store.workers.claim("w", 4)
    assert (taken.id, store.jobs.get(job).state) == (job, "queued")
    assert step(store, job)
    assert store.jobs.get(job).state == "running"
    assert finish(store, job)
    done = store.jobs.get(job)
    assert (done.state, done.step, done.worker, done.attempt) == ("done", 2, None, 1)


def test_the_same_key_gives_the_same_job(store):
    first = store.jobs.submit(draft("k"))
    assert store.jobs.submit(draft("k")).id == first.id
    with pytest.raises(ConflictError, match="another request"):
        store.jobs.submit(draft("k", seed=1))
    assert len(store.jobs.listed()) == 1


def test_a_key_sent_by_many_at_once_makes_one_job(tmp_path):
    def submit(_):
        return Store(tmp_path).jobs.submit(draft("k")).id

    Store(tmp_path)
    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(submit, range(12)))) == 1


def test_no_job_is_claimed_twice(tmp_path):
    store = Store(tmp_path)
    jobs = {store.jobs.submit(draft()).id for _ in range(40)}
    names = [f"w{number}" for number in range(4)]
    for name in names:
        store.workers.hello(name, 1, "cpu", "ready")
    taken: list[str] = []

    def work(name):
        mine = Store(tmp_path)
        while records := mine.workers.claim(name, 3):
            for record in records:
                taken.append(record.id)
                assert step(mine, record.id, name)
                assert finish(mine, record.id, name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, names))
    assert set(taken) == jobs and max(Counter(taken).values()) == 1
    assert store.jobs.counts()["done"] == 40


def test_a_worker_takes_no_more_than_its_share(store):
    store.workers.hello("other", 2, "cpu", "ready")
    for _ in range(6):
        store.jobs.submit(draft())
    assert len(store.workers.claim("w", 32)) == 3
    assert len(store.workers.claim("other", 32)) == 3


def test_the_most_urgent_are_taken_first(store):
    late, none, soon = (store.jobs.submit(draft(deadline_s=each)).id for each in (90, None, 10))
    assert [each.id for each in store.workers.claim("w", 3)] == [soon, late, none]


def test_a_dead_workers_job_is_in_the_queue_again(store):
    job = store.jobs.submit(draft()).id
    store.workers.claim("w", 1)
    step(store, job)
    assert store.workers.release(["w"], crashed=True) == 1
    assert store.jobs.get(job).state == "queued"
    assert not step(store, job)  # what the dead one may still send means nothing
    assert not finish(store, job)
    store.workers.hello("next", 2, "cpu", "ready")
    assert [each.id for each in store.workers.claim("next", 1)] == [job]


def crash(store, job, at):
    store.workers.hello("w", 1, "cpu", "ready")
    assert job in [each.id for each in store.workers.claim("w", 8)]
    if at:
        step(store, job, at=at)
    store.workers.release(["w"], crashed=True)


def test_a_job_that_kills_its_workers_is_given_up_with_a_reason(tmp_path):
    store = Store(tmp_path, attempts=3)
    job = store.jobs.submit(draft()).id
    for _ in range(2):
        crash(store, job, at=0)  # before its first step, so that none is known to run
        assert store.jobs.get(job).state == "queued"
    crash(store, job, at=0)
    assert store.jobs.get(job).state == "failed"
    assert "died or hung 3 times" in (store.jobs.get(job).error or "")
    assert store.jobs.retry(job).state == "queued"


def test_a_job_that_gets_on_between_crashes_is_not_given_up(tmp_path):
    store = Store(tmp_path, attempts=2)
    job = store.jobs.submit(draft()).id
    for at in range(1, 8):
        crash(store, job, at)
    assert store.jobs.get(job).state == "queued"


def test_who_is_to_blame_is_found_by_making_suspects_alone(tmp_path):
    store = Store(tmp_path, attempts=4)
    guilty = store.jobs.submit(draft()).id
    others = [store.jobs.submit(draft()).id for _ in range(3)]
    while store.jobs.get(guilty).is_open:
        store.workers.hello("w", 1, "cpu", "ready")
        taken = [each.id for each in store.workers.claim("w", 8)]
        if guilty in taken:
            store.workers.release(["w"], crashed=True)
            continue
        for job in taken:
            step(store, job)
            finish(store, job)
    assert store.jobs.get(guilty).state == "failed"
    while taken := store.workers.claim("w", 8):
        for each in taken:
            finish(store, each.id)
    assert {store.jobs.get(job).state for job in others} == {"done"}


def test_a_job_that_waits_is_cancelled_at_once_and_one_that_runs_by_its_worker(store):
    waits, runs = store.jobs.submit(draft()).id, store.jobs.submit(draft()).id
    assert store.jobs.cancel(waits).state == "cancelled"
    store.workers.claim("w", 2)
    step(store, runs)
    assert store.jobs.cancel(runs).state == "running"
    assert store.workers.cancelled("w") == [runs]
    assert not finish(store, runs)
    store.workers.drop(runs, "w")
    assert store.jobs.get(runs).state == "cancelled"
    assert store.jobs.retry(runs).state == "queued"
    assert store.workers.claim("w", 2)[0].id == runs


def test_a_cancelled_job_whose_worker_dies_stays_cancelled(store):
    job = store.jobs.submit(draft()).id
    store.workers.claim("w", 1)
    step(store, job)
    store.jobs.cancel(job)
    store.workers.release(["w"], crashed=True)
    assert store.jobs.get(job).state == "cancelled"


def test_a_result_that_cannot_be_published_leaves_the_job_open(store):
    job = store.jobs.submit(draft()).id
    store.workers.claim("w", 1)

    def full():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        finish(store, job, publish=full)
    assert store.jobs.get(job).is_open
    assert finish(store, job)


def test_what_ended_is_removed_and_what_is_made_is_not(store):
    job = store.jobs.submit(draft()).id
    with pytest.raises(ConflictError, match="Cancel it first"):
        store.jobs.remove(job)
    store.jobs.cancel(job)
    before = store.jobs.now()
    store.jobs.remove(job)
    assert store.jobs.find(job) is None
    assert store.jobs.changes(before) == ([], [job])
    with pytest.raises(KeyError):
        store.jobs.cancel(job)


def test_a_queue_may_be_full(store):
    store.jobs.submit(draft(), most=1)
    with pytest.raises(ConflictError, match="1 jobs wait already"):
        store.jobs.submit(draft(), most=1)


def test_changes_are_told_once_and_in_order(store):
    first, second = store.jobs.submit(draft()).id, store.jobs.submit(draft()).id
    seen = store.jobs.now()
    assert store.jobs.changes(seen) == ([], [])
    store.workers.claim("w", 2)
    step(store, second)
    store.workers.previewed(first, "w", 1)
    assert [each.id for each in store.jobs.changes(seen)[0]] == [second, first]
    assert [each.id for each in store.jobs.changes(seen, first)[0]] == [first]
    assert store.jobs.changes(store.jobs.now()) == ([], [])


def test_a_worker_without_a_sign_is_silent(tmp_path):
    store = Store(tmp_path, lease_s=0.05)
    store.workers.hello("w", 1, "cpu", "ready")
    assert store.workers.silent() == []
    time.sleep(0.06)
    assert store.workers.silent() == ["w"]
    store.workers.beat("w")
    assert store.workers.silent() == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "jobs.sqlite3").write_bytes(b"something else entirely" * 100)
    with pytest.raises(ConfigError, match="another --workspace"):
        Store(tmp_path)


def test_a_database_of_a_later_version_is_refused(tmp_path):
    Store(tmp_path)
    later = sqlite3.connect(tmp_path / "jobs.sqlite3")
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(ConfigError, match="a later version"):
        Store(tmp_path)


def test_a_database_of_the_form_before_opens_with_its_jobs(tmp_path):
    job = Store(tmp_path).jobs.submit(draft()).id
    earlier = sqlite3.connect(tmp_path / "jobs.sqlite3")
    earlier.execute("DROP TABLE costs")
    earlier.execute("CREATE TABLE paces (shape TEXT PRIMARY KEY, seconds REAL, count INTEGER)")
    earlier.execute("INSERT INTO paces VALUES ('mini 4x4', 1.0, 3)")
    earlier.execute("PRAGMA user_version = 1")
    earlier.commit()
    earlier.close()
    store = Store(tmp_path)
    assert store.jobs.get(job).state == "queued"
    tables = store.jobs.database.connection.execute("SELECT name FROM sqlite_master").fetchall()
    names = {row[0] for row in tables}
    assert "costs" in names and "paces" not in names


DIES = """
import os, sys
from pathlib import Path
from tests.serving.test_store import Store, draft
folder, window, job = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = Store(folder)

def publish():
    if window == "before": os.kill(os.getpid(), 9)
    (folder / "part").rename(folder / "result")
    if window == "between": os.kill(os.getpid(), 9)

store.workers.finish(job, "w", publish, {}, 1)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("window", ["before", "between", "after"])
def test_a_process_that_dies_while_finishing_leaves_all_or_nothing(tmp_path, window):
    store = Store(tmp_path)
    store.workers.hello("w", 1, "cpu", "ready")
    job = store.jobs.submit(draft()).id
    store.workers.claim("w", 1)
    (tmp_path / "part").mkdir()
    died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path), window, job])
    assert died.returncode == -9
    is_whole = (tmp_path / "result").is_dir()
    assert is_whole == (window != "before")
    assert (store.jobs.get(job).state == "done") == (window == "after")
    if store.jobs.get(job).is_open:
        store.workers.release(["w"], crashed=True)
        store.workers.hello("v", 2, "cpu", "ready")
        assert [each.id for each in store.workers.claim("v", 1)] == [job]
        assert finish(store, job, "v")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit", "claim", "step", "finish", "fail", "cancel", "drop", "crash", "retry"]
        ),
        st.integers(0, 3),
        st.sampled_from(["w", "v"]),
    ),
    max_size=40,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=ACTIONS)
def test_no_order_of_events_loses_or_doubles_a_job(tmp_path_factory, actions):
    store = Store(tmp_path_factory.mktemp("store"), attempts=1000)
    jobs: list[str] = []
    published: Counter[str] = Counter()
    ended: dict[str, str] = {}
    for action, number, worker in actions:
        job = jobs[number % len(jobs)] if jobs else ""
        if action == "submit":
            key = f"k{number}"
            known = store.jobs.by_key(key)
            made = store.jobs.submit(draft(key, seed=number)).id
            assert known is None or known.id == made
            if made not in jobs:
                jobs.append(made)
        elif action == "claim":
            store.workers.hello(worker, 1, "cpu", "ready")
            for record in store.workers.claim(worker, 4):
                assert store.jobs.get(record.id).state == "queued"
        elif action == "crash":
            store.workers.release([worker], crashed=True)
        elif not jobs:
            continue
        elif action == "step":
            step(store, job, worker)
        elif action == "finish":

            def publish(job=job):
                published[job] += 1

            finish(store, job, worker, publish)
        elif action == "fail":
            store.workers.fail(job, worker, "no")
        elif action == "cancel":
            store.jobs.cancel(job)
        elif action == "drop":
            if job in store.workers.cancelled(worker):
                store.workers.drop(job, worker)
        elif store.jobs.get(job).state in ("failed", "cancelled"):
            ended.pop(job, None)
            store.jobs.retry(job)
        for each, state in ended.items():
            assert store.jobs.get(each).state == state  # what has ended stays so
        states = {each: store.jobs.get(each).state for each in jobs}
        ended |= {each: state for each, state in states.items() if state not in OPEN}
        for each in jobs:
            record = store.jobs.get(each)
            assert published[each] == (record.state == "done")
            assert record.worker is None or record.is_open or record.cancel
    assert {each.id for each in store.jobs.listed(limit=200)} == set(jobs)
    for worker in ("w", "v"):
        store.workers.release([worker], crashed=False)
    store.workers.hello("last", 1, "cpu", "ready")
    while records := store.workers.claim("last", 8):
        for record in records:
            assert finish(store, record.id, "last")
    assert all(not store.jobs.get(each).is_open for each in jobs)
