import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from filmgrid.serving import kept_costs
from filmgrid.serving.database import Database
from filmgrid.serving.kept_costs import KeptCosts
from filmgrid.serving.step_costs import REMEMBERED, TRIED, CostModel
from filmgrid.serving.worker import Worker


def open_kept(folder):
    return KeptCosts(Database(folder / "jobs.sqlite3", durable=False))


def test_what_is_kept_is_what_was_learned(tmp_path):
    kept, model = open_kept(tmp_path), CostModel()
    model.expect("4x4", 0.5)
    model.expect("8x8", 2.0)
    model.observe("4x4", 1, 1, 1.0)
    model.observe("4x4", 2, 1, 1.5)
    model.observe_ending("4x4", 0.25)
    kept.add(model.news())
    again = CostModel()
    again.restore(open_kept(tmp_path).read())
    assert again.snapshot() == model.snapshot()
    assert again.step("8x8") == 4.0  # corrected as in the worker that learned it


def test_what_was_restored_is_no_news(tmp_path):
    kept, model = open_kept(tmp_path), CostModel()
    model.observe("4x4", 1, 1, 1.0)
    kept.add(model.news())
    model.restore(kept.read())
    kept.add(model.news())
    assert kept.read()["steps"] == [["4x4", 1, 1, [1.0]]]


def test_workers_that_write_at_once_lose_nothing_of_each_other(tmp_path):
    open_kept(tmp_path)

    def work(number):
        kept, model = open_kept(tmp_path), CostModel()
        model.observe(f"own {number}", 1, 1, float(number))
        model.observe("common", number + 1, 1, 1.0)
        model.observe("common", 16, 1, float(number))
        kept.add(model.news())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    told = {tuple(key): seen for *key, seen in open_kept(tmp_path).read()["steps"]}
    assert {key for key in told if key[0] != "common"} == {(f"own {n}", 1, 1) for n in range(6)}
    assert {rows for name, rows, _ in told if name == "common"} == {1, 2, 3, 4, 5, 6, 16}
    assert sorted(told["common", 16, 1]) == [0, 1, 2, 3, 4, 5]


def test_only_the_last_timings_and_shapes_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_costs, "MOST_SHAPES", 3)
    kept, model = open_kept(tmp_path), CostModel()
    for seconds in range(REMEMBERED + 5):
        model.observe("a", 1, 1, float(seconds))
    kept.add(model.news())
    for shape in ("b", "c", "a", "d"):
        model.observe(shape, 1, 1, 1.0)
        kept.add(model.news())
    told = {shape: seen for shape, _, _, seen in kept.read()["steps"]}
    assert set(told) == {"c", "a", "d"}
    assert told["a"] == [float(each) for each in range(6, REMEMBERED + 5)] + [1.0]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_plan_is_told_by_what_a_worker_learned(service, batch):
    """Worker and server name the shapes alike, and read one model."""
    asked = {"prompt": "a star", "layout": "1x1", "cell": 32, "steps": TRIED, "batch": batch}
    asked["best_of"] = batch
    job = service.submit(asked).id
    worker = Worker("w", service.config)
    service.workforce.hello("w", 1, "cpu", "ready")
    while service.store.get(job).is_open:
        worker.turn()
    assert service.store.get(job).state == "done"
    [[shape, rows, devices, seen]] = worker.engine.costs.snapshot()["steps"]
    assert (rows, devices, len(seen)) == (batch, 1, TRIED)
    costs = worker.engine.costs
    told = TRIED * sorted(seen)[TRIED // 2] + costs.ending(shape)
    assert service.plan(asked).seconds == pytest.approx(told, abs=0.006)
    later = Worker("v", service.config)
    assert json.dumps(later.engine.costs.snapshot()) == json.dumps(costs.snapshot())
