"""Pieces of work beside each other, in a queue that does not grow."""

import threading
import time

import pytest

from filmgrid.errors import ConfigError
from filmgrid.pipeline import Pipeline


def drained(pipeline):
    found = []
    while pipeline.pending:
        found += pipeline.done(wait=5.0)
    return found


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_all_that_is_put_in_comes_out(threads):
    pipeline = Pipeline(threads, room=4)
    for number in range(20):
        pipeline.put(f"{number}", lambda number=number: number**2)
    assert {done.name: done.result for done in drained(pipeline)} == {
        f"{number}": number**2 for number in range(20)
    }
    assert pipeline.done() == []
    pipeline.close()


def test_without_threads_it_is_done_at_once_and_here():
    pipeline, seen = Pipeline(), []
    pipeline.put("a", lambda: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]
    assert not pipeline.overlaps


@pytest.mark.parametrize("threads", [0, 2])
def test_what_breaks_is_told_and_breaks_nothing_else(threads):
    def breaks():
        raise ValueError("broken")

    pipeline = Pipeline(threads)
    pipeline.put("bad", breaks)
    pipeline.put("good", lambda: 1)
    found = {done.name: done for done in drained(pipeline)}
    assert str(found["bad"].error) == "broken"
    assert found["good"].result == 1
    pipeline.close()


def test_who_puts_more_than_there_is_room_for_waits():
    pipeline, go, began = Pipeline(1, room=2), threading.Event(), []

    def work():
        began.append(1)
        go.wait(5)

    def put_three():
        for number in range(3):
            pipeline.put(f"{number}", work)
        began.append("all in")

    putting = threading.Thread(target=put_three)
    putting.start()
    time.sleep(0.2)
    assert began == [1]
    go.set()
    putting.join(5)
    assert "all in" in began
    assert len(drained(pipeline)) == 3
    pipeline.close()


def test_pieces_run_beside_each_other():
    pipeline, barrier = Pipeline(2), threading.Barrier(2, timeout=5)
    for name in "ab":
        pipeline.put(name, barrier.wait)
    assert [done.error for done in drained(pipeline)] == [None, None]
    pipeline.close()


def test_threads_without_room_are_refused():
    with pytest.raises(ConfigError, match="at least 4"):
        Pipeline(4, room=3)
