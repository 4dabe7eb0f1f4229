"""The simulation is a queue that can be worked out by hand, and its traces are the same again."""

import json
from statistics import fmean

import pytest

from filmgrid.serving.policies import Step, by_deadline, first_come, fixed_queues
from filmgrid.serving.simulate import Arrival, poisson_trace, simulate
from filmgrid.serving.step_costs import (
    EFFICIENCY,
    TRIED,
    UNTRIED,
    CostModel,
    CostTable,
    speedup,
)

COSTS = CostTable({"1x1": 0.5, "4x4": 2.0})
EQUAL = {"1x1": 1.0, "4x4": 1.0}


def test_a_queue_worked_out_by_hand():
    trace = [
        Arrival("a", 0.0, "4x4", 2, 4.0),
        Arrival("b", 1.0, "1x1", 2, 3.0),
        Arrival("c", 10.0, "1x1", 1, 10.4),
    ]
    outcome = simulate(trace, first_come, COSTS)
    assert [each.started for each in outcome.served] == [0.0, 4.0, 10.0]
    assert [each.finished for each in outcome.served] == [4.0, 5.0, 10.5]
    assert [each.waited for each in outcome.served] == [0.0, 3.0, 0.0]
    assert outcome.met == pytest.approx(1 / 3)
    assert outcome.wait("1x1") == pytest.approx(1.5)
    ours = simulate(trace, by_deadline, COSTS)
    assert [each.finished for each in ours.served] == [5.0, 3.0, 10.5]  # of two, one can be on time
    loose = [Arrival("a", 0.0, "4x4", 2, 9.0), *trace[1:]]
    assert [each.finished for each in simulate(loose, by_deadline, COSTS).served] == [
        5.0,
        3.0,
        10.5,
    ]


def test_a_shared_pass_and_shared_devices_take_what_the_table_says():
    table = CostTable({"1x1": 1.0}, {"1x1": 0.5})
    trace = [Arrival(f"{number}", 0.0, "1x1", 3, 100.0) for number in range(3)]
    outcome = simulate(trace, by_deadline, table)
    assert {each.finished for each in outcome.served} == {3 * 2.0}
    assert outcome.passes == (3, 3, 3)
    hasty = [Arrival("a", 0.0, "4x4", 2, 3.0)]
    (served,) = simulate(hasty, by_deadline, COSTS, num_devices=3).served
    assert served.finished == pytest.approx(4.0 / (2 * EFFICIENCY))


def test_a_trace_is_its_seed():
    words = {"costs": COSTS, "shares": EQUAL, "load": 0.9, "slack": 1.2}
    trace = poisson_trace(3, **words)
    assert trace == poisson_trace(3, **words)
    assert trace != poisson_trace(4, **words)
    first = trace[0]
    assert first.deadline == pytest.approx(first.at + 1.2 * 25 * COSTS.step(first.shape))


@pytest.mark.parametrize("load", [0.7, 1.1])
def test_a_trace_brings_the_load_that_it_names(load):
    trace = poisson_trace(0, COSTS, EQUAL, load, 1.0, count=20_000, num_devices=4)
    work = sum(each.num_steps * COSTS.step(each.shape) for each in trace)
    assert work / (4 * trace[-1].at) == pytest.approx(load, rel=0.03)
    assert fmean(each.shape == "1x1" for each in trace) == pytest.approx(0.5, abs=0.02)


def test_waiting_in_a_single_queue_is_that_of_the_formula():
    """Pollaczek and Khinchine, for services of one length: load / (2 (1 - load)) of them."""
    one = CostTable({"1x1": 1.0})
    trace = poisson_trace(1, one, {"1x1": 1.0}, 0.6, 1.0, count=20_000, num_steps=1)
    waits = [each.waited for each in simulate(trace, first_come, one).served]
    assert fmean(waits) == pytest.approx(0.6 / (2 * 0.4), rel=0.08)


def test_ours_meets_more_deadlines_than_either_queue_at_90_percent():
    table = CostTable({"1x1": 0.016, "4x4": 0.1, "4x6": 0.14, "8x8": 0.5}, {"1x1": 0.4})
    shares = dict.fromkeys(table.seconds, 1.0)
    met = {"first": 0.0, "fixed": 0.0, "ours": 0.0}
    for seed in range(3):
        trace = poisson_trace(seed, table, shares, 0.9, 1.5, count=150)
        met["first"] += simulate(trace, first_come, table).met
        met["fixed"] += simulate(trace, fixed_queues(table.seconds, 1), table).met
        met["ours"] += simulate(trace, by_deadline, table).met
    assert met["ours"] > 1.3 * max(met["first"], met["fixed"])


def test_a_wrong_prediction_is_corrected_by_the_steps_that_are_made():
    model = CostModel()
    for shape, seconds in COSTS.seconds.items():
        model.expect(shape, seconds / 5)
    trace = poisson_trace(0, COSTS, EQUAL, 0.9, 1.5, count=100, num_steps=8)
    believed = simulate(trace, by_deadline, COSTS, believed=model, jitter=0.05, seed=1)
    known = simulate(trace, by_deadline, COSTS, jitter=0.05, seed=1)
    assert believed.met > known.met - 0.05
    assert model.step("4x4") == pytest.approx(2.0, rel=0.1)


def test_sharing_is_tried_and_given_up_where_it_gains_nothing():
    model, none = CostModel(), CostTable({"1x1": 1.0})
    model.expect("1x1", 1.0)
    trace = [Arrival(f"{number:03d}", 0.0, "1x1", 5, 1e6) for number in range(40)]
    outcome = simulate(trace, by_deadline, none, believed=model)
    shared = [place for place, rows in enumerate(outcome.passes) if rows > 1]
    assert shared == list(range(TRIED))
    gains = CostTable({"1x1": 1.0}, {"1x1": 0.3})
    model = CostModel()
    model.expect("1x1", 1.0)
    outcome = simulate(trace, by_deadline, gains, believed=model)
    assert set(outcome.passes) == {4}


def test_costs_that_were_never_timed_follow_from_those_that_were():
    model = CostModel()
    model.expect("a", 1.0)
    model.expect("b", 3.0)
    assert model.step("b") == 3.0
    model.observe("a", 1, 1, 2.0)
    assert model.step("a") == 2.0
    assert model.step("b") == 6.0  # this device is half as fast as predicted
    assert model.step("a", 2) == pytest.approx(2.0 * (1 + UNTRIED))
    for _ in range(TRIED):
        model.observe("a", 2, 1, 3.0)
    assert model.step("a", 2) == 3.0
    assert model.step("a", 4) == pytest.approx(2.0 * 2.5)
    assert model.step("a", 1, 4) == pytest.approx(2.0 / speedup(4))
    again = CostModel()
    again.restore(json.loads(json.dumps(model.snapshot())))
    assert again.step("a", 2) == 3.0


def test_a_policy_that_does_what_no_device_can_is_found_out():
    trace = [Arrival("a", 0.0, "1x1", 1), Arrival("b", 0.0, "4x4", 1)]
    with pytest.raises(AssertionError, match="mixes"):
        simulate(trace, lambda _: [Step(("a", "b"), (0,))], COSTS)
    with pytest.raises(AssertionError, match="for ever"):
        simulate(trace, lambda _: [], COSTS)
