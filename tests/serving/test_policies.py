"""Who goes next: rules that hold for any queue, and what each policy is for."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmgrid.serving.policies import (
    MOST_SHARE,
    SHARE,
    Situation,
    Step,
    Work,
    by_deadline,
    first_come,
    fixed_queues,
)
from filmgrid.serving.simulate import Arrival, simulate
from filmgrid.serving.step_costs import CostTable

SECONDS = {"short": 0.1, "middle": 0.5, "long": 2.0}
PLAIN = CostTable(SECONDS)
GAINS = CostTable(SECONDS, {"short": 0.3})


def work(job, shape="short", steps=10, **words):
    return Work(
        job, shape, steps, words.pop("num_steps", steps), words.pop("submitted", 0.0), **words
    )


def choose(works, now=0.0, free=(0,), costs=PLAIN, busy=None):
    return by_deadline(Situation(now, works, free, costs, busy or {}))


def test_what_is_due_first_goes_first():
    works = [work("later", deadline=90.0), work("soon", deadline=5.0)]
    assert choose(works) == [Step(("soon",), (0,))]


def test_a_long_request_gives_way_to_a_short_one_and_goes_on_where_it_was():
    long = work("long", "long", deadline=60.0, device=0, last=3.0)
    short = work("short", submitted=3.0, deadline=5.0)
    assert choose([long, short], now=3.0) == [Step(("short",), (0,))]
    assert choose([long], now=4.0) == [Step(("long",), (0,))]


def test_what_would_make_more_others_late_is_given_up():
    hopeless = work("long", "long", deadline=20.0)  # takes all 20 seconds
    short = [work(f"{number}", deadline=20.5 + number) for number in range(2)]
    assert choose([hopeless]) == [Step(("long",), (0,))]
    (step,) = choose([hopeless, *short], now=0.0)
    assert step.jobs == ("0",)


def test_of_what_is_late_the_shortest_goes_first():
    works = [work("long", "long", deadline=1.0), work("short", steps=30, deadline=1.0)]
    assert choose(works, now=2.0) == [Step(("short",), (0,))]


def test_the_oldest_of_what_is_late_has_its_share():
    late = work("old", "middle", deadline=1.0, submitted=0.0, last=50.0, device=0)
    busy = [work(f"{number}", submitted=49.0, deadline=1000.0) for number in range(3)]
    assert choose([late, *busy], now=50.0)[0].jobs == ("0",)
    assert choose([late, *busy], now=50.1 + SHARE * 0.5)[0].jobs == ("old",)
    tight = [work("tight", "long", submitted=50.0, deadline=140.0, steps=41)]
    assert choose([late, *tight], now=57.9)[0].jobs == ("tight",)
    assert choose([late, *tight], now=50.1 + MOST_SHARE * 0.5)[0].jobs == ("old",)


def test_without_a_deadline_short_goes_before_long_and_none_for_ever():
    long, short = work("long", "long"), work("short", submitted=10.0)
    assert choose([long, short], now=10.0)[0].jobs == ("short",)
    waited = replace(long, submitted=-138.0)  # due at 22, after 8 times its 20 seconds
    assert choose([waited, replace(short, steps_left=30, num_steps=30)])[0].jobs == ("long",)


@pytest.mark.parametrize(("costs", "together"), [(PLAIN, 1), (GAINS, 3)])
def test_passes_are_shared_only_where_the_device_gains(costs, together):
    works = [work(f"{number}", most=4, deadline=100.0) for number in range(3)]
    works.append(work("other", "middle", deadline=300.0, most=4))
    (step,) = choose(works, costs=costs)
    assert len(step.jobs) == together


def test_who_would_be_late_by_sharing_does_not_share():
    tight = work("tight", most=4, deadline=1.2)
    others = [work(f"{number}", most=4, deadline=100.0) for number in range(3)]
    assert choose([tight, *others], costs=GAINS) == [Step(("tight",), (0,))]
    loose = replace(tight, deadline=2.0)
    assert len(choose([loose, *others], costs=GAINS)[0].jobs) == 4


def test_sequences_of_one_request_count():
    works = [work("best", rows=3, most=4, deadline=9.0), work("one", most=4, deadline=10.0)]
    works += [work("two", rows=2, most=4, deadline=11.0)]
    (step,) = choose(works, costs=GAINS)
    assert step.jobs == ("best", "one")


def test_idle_devices_share_a_request_only_where_its_deadline_asks_for_it():
    alone = work("long", "long", deadline=20.0)  # 20 seconds on one device
    assert choose([alone], free=(0, 1, 2, 3)) == [Step(("long",), (0,))]
    hasty = replace(alone, deadline=14.0)  # 12.3 on two
    assert choose([hasty], free=(0, 1, 2, 3)) == [Step(("long",), (0, 1))]
    hastier = replace(alone, deadline=8.0)  # 7.6 on four
    assert choose([hastier], free=(0, 1, 2, 3)) == [Step(("long",), (0, 1, 2, 3))]
    late = replace(alone, deadline=1.0)
    assert choose([late], free=(0, 1, 2, 3)) == [Step(("long",), (0,))]


def test_who_needs_several_devices_keeps_them_from_step_to_step():
    shared = work(
        "shared", "long", steps=5, num_steps=10, deadline=14.0, device=1, width=2, last=6.2
    )
    fresh = [work(f"{number}", submitted=6.0, deadline=30.0) for number in range(2)]
    steps = choose([shared, *fresh], now=6.2, free=(0, 1))
    assert steps == [Step(("shared",), (1, 0))]


def test_first_come_is_first_served_to_its_end():
    works = [work("b", submitted=2.0), work("a", "long", submitted=1.0)]
    assert first_come(Situation(3.0, works, (0,), PLAIN)) == [Step(("a",), (0,))]
    begun = [works[0], replace(works[1], device=0, submitted=9.0)]
    assert first_come(Situation(3.0, begun, (0,), PLAIN)) == [Step(("a",), (0,))]


def test_fixed_queues_have_devices_of_their_own_or_take_turns():
    shares = {"short": 1.0, "long": 9.0}
    works = [work(f"{number}", submitted=number, most=4) for number in range(9)]
    policy = fixed_queues(shares, 4)
    steps = policy(Situation(0.0, works, (0, 1, 2, 3), GAINS))
    assert steps == [Step(("0", "1", "2", "3"), (3,))]
    turns = fixed_queues({"short": 1.0, "middle": 2.0, "long": 3.0}, 1)
    mixed = [*works[:4], work("m", "middle"), work("l", "long")]
    firsts = [turns(Situation(0.0, mixed, (0,), PLAIN))[0].jobs for _ in range(3)]
    assert firsts == [("l",), ("m",), ("0",)]


arrivals = st.lists(
    st.tuples(
        st.floats(0, 3),
        st.sampled_from(list(SECONDS)),
        st.integers(1, 12),
        st.one_of(st.none(), st.floats(0.1, 4)),
    ),
    min_size=1,
    max_size=25,
)


def trace_of(drawn):
    at, trace = 0.0, []
    for number, (gap, shape, steps, slack) in enumerate(drawn):
        at += gap
        due = None if slack is None else at + slack * steps * SECONDS[shape]
        trace.append(Arrival(f"{number:03d}", at, shape, steps, due))
    return trace


@settings(max_examples=60, deadline=None)
@given(arrivals, st.integers(1, 5), st.sampled_from([PLAIN, GAINS]))
def test_every_request_is_finished_whatever_comes(drawn, num_devices, costs):
    """``simulate`` itself refuses steps that a device cannot make."""
    trace = trace_of(drawn)
    for policy in (by_deadline, first_come, fixed_queues(SECONDS, num_devices)):
        outcome = simulate(trace, policy, costs, num_devices=num_devices)
        assert len(outcome.served) == len(trace)
        for served in outcome.served:
            assert served.started >= served.arrival.at


@settings(max_examples=60, deadline=None)
@given(arrivals, st.integers(1, 3))
def test_no_device_is_idle_while_something_waits_that_it_could_do(drawn, num_devices):
    trace = trace_of(drawn)

    def watched(situation):
        steps = by_deadline(situation)
        used = {device for step in steps for device in step.devices}
        moved = {job for step in steps for job in step.jobs}
        for device in set(situation.free) - used:
            for each in situation.works:
                there = each.device in (None, device) and each.job not in moved
                assert not there, f"{device} is idle and {each} waits"
        return steps

    simulate(trace, watched, PLAIN, num_devices=num_devices)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(list(SECONDS)), st.floats(0.5, 1.5), st.integers(2, 8))
def test_a_late_request_goes_on_under_any_load(shape, load, steps):
    """However many come that are on time, the oldest that is late waits a bounded while."""
    work_of_short = steps * SECONDS["short"]
    count = int(150 / (work_of_short / load))
    trace = [Arrival("late", 0.0, shape, steps, 0.0)]
    trace += [
        Arrival(f"{number:05d}", at := number * work_of_short / load, "short", steps, at + 5.0)
        for number in range(count)
    ]
    outcome = simulate(trace, by_deadline, PLAIN)
    late = next(each for each in outcome.served if each.arrival.job == "late")
    assert late.finished <= steps * (MOST_SHARE + 1) * SECONDS[shape] + 5.0


@settings(max_examples=40, deadline=None)
@given(arrivals)
def test_no_more_deadlines_are_missed_than_by_first_come_where_all_come_at_once(drawn):
    """With nothing to come that is not known, giving up the longest is best on one device."""
    trace = [replace(each, at=0.0) for each in trace_of(drawn)]
    ours = simulate(trace, by_deadline, PLAIN)
    theirs = simulate(trace, first_come, PLAIN)
    assert ours.met >= theirs.met
