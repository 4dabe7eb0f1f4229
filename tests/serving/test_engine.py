"""Requests that share steps come out as they would alone, and keep out of each other's way."""

import itertools
import json

import numpy as np
import pytest
import torch

from filmgrid.costs import work_of_pass
from filmgrid.data.export import save_sequence
from filmgrid.data.media import read_clip
from filmgrid.data.provenance import Provenance
from filmgrid.errors import ConfigError, MediaError
from filmgrid.generator import Generator
from filmgrid.longrun import MEMORY, generate_long
from filmgrid.models.sketch import sketch_model
from filmgrid.pipeline import Pipeline
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.serving.engine import Advanced, Engine, Failed, Finished, Submission, sentence
from filmgrid.serving.policies import Step
from filmgrid.serving.step_costs import CostModel

LEVELS = 1
"""Of 255: what frames may differ by when their steps were shared, in 32 bits."""
STEPS = 4


@pytest.fixture(scope="module")
def mini():
    return Generator.from_pretrained("mini", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def tiny(tiny_model):
    return Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")


def together(situation):
    """All of the first one's shape that fit, whatever it costs."""
    first, rows, jobs = situation.works[0], 0, list[str]()
    for work in situation.works:
        if work.shape == first.shape and rows + work.rows <= first.most:
            rows += work.rows
            jobs.append(work.job)
    return [Step(tuple(jobs), (0,))]


def in_turn(situation):
    """Each a step, the one that has waited longest first."""
    work = min(situation.works, key=lambda work: (work.last or 0, work.submitted, work.job))
    return [Step((work.job,), (0,))]


class Run:
    """An engine, what it was asked and what it said."""

    def __init__(self, generator, folder, policy=together, **words):
        self.generator, self.folder = generator, folder
        self.engine = Engine(lambda _: generator, policy, **words)
        self.asked, self.said, self.made = {}, [], {}

    def add(self, job, prompt="a red star moving right", steps=STEPS, **words):
        request = GenerateRequest(prompt=prompt, model=self.generator.name, steps=steps, **words)
        self.asked[job] = request
        submission = Submission(job, request, None, float(len(self.asked)))
        self.engine.admit(submission, self.folder / job)

    def step(self):
        events = self.engine.step()
        self.said.append([(type(event).__name__, event.job) for event in events])
        self.made |= {each.job: each for each in events if not isinstance(each, Advanced)}
        return events

    def all(self):
        while self.engine.busy:
            self.step()
        return self.made

    def alone(self, job):
        *_, result = self.generator.generate(self.asked[job])
        assert isinstance(result, Result)
        return result

    def off_by(self, job):
        """Most levels between a job's frames and those that it has alone."""
        ours, alone = self.made[job].result, self.alone(job)
        assert ours.seeds == alone.seeds
        assert ours.request == alone.request
        return int(np.abs(ours.arrays.astype(int) - alone.arrays).max())


def test_frames_of_a_shared_pass_are_those_of_a_pass_alone(mini, tmp_path):
    run = Run(mini, tmp_path)
    run.add("text", layout="1x3", seed=1)
    run.add("scaled", "a blue heart falls and then it lies on the ground", layout="1x3", guidance=5)
    run.add("unlike", layout="1x3", negative="a red circle", shift=2.0, seed=7, steps=3)
    run.all()
    assert run.said[0] == [("Advanced", "text"), ("Advanced", "scaled"), ("Advanced", "unlike")]
    for job in run.asked:
        assert run.off_by(job) <= LEVELS
        assert run.made[job].result.arrays.std() > 5


def test_a_request_joins_midway_and_another_leaves(mini, tmp_path):
    run = Run(mini, tmp_path)
    run.add("first", layout="1x2", seed=1)
    run.step()
    run.step()
    run.add("second", "a green ring", layout="1x2", seed=2)
    run.all()
    seen = [{job for _, job in events} for events in run.said]
    assert seen == [{"first"}] * 2 + [{"first", "second"}] * 2 + [{"second"}] * 2
    assert run.off_by("first") <= LEVELS
    assert run.off_by("second") <= LEVELS


def test_each_keeps_its_reference_and_its_kept_frames_exactly(tiny, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    save_sequence(frames, tmp_path / "clip", provenance=Provenance())
    run = Run(tiny, tmp_path)
    run.add("redraw", video=tmp_path / "clip", redraw="1,2", seed=3)
    run.add("edit", video=tmp_path / "clip", sigma=0.7, seed=4)
    run.add("image", image=tmp_path / "clip" / "00000.png", conditioning="replacement")
    run.all()
    assert len(run.said[0]) == 3
    for job in run.asked:
        assert run.off_by(job) <= LEVELS
    redrawn = run.made["redraw"].result.arrays[0]
    assert (redrawn[[0, 3]] == frames[[0, 3]]).all()
    assert (redrawn[[1, 2]] != frames[[1, 2]]).any()
    assert (run.made["image"].result.arrays[0, 0] == frames[0]).all()


def test_best_of_and_upscaled_frames_are_made(mini, tmp_path):
    run = Run(mini, tmp_path)
    run.add("best", layout="1x1", best_of=5, batch=4, seed=5)
    run.add("large", layout="1x1", upscale=2)
    run.all()
    assert run.off_by("best") <= LEVELS
    assert run.off_by("large") <= LEVELS
    assert run.made["large"].result.arrays.shape[2:] == (128, 128, 3)
    assert len(run.made["best"].result.seeds) == 5
    assert {rows for _, rows, *_ in run.engine.costs.snapshot()["steps"]} == {4, 2}


def test_no_pass_holds_more_sequences_than_allowed(tiny, tmp_path, monkeypatch):
    sizes, velocity = [], type(tiny.backbone).velocity

    def watch(self, noisy, *rest):
        sizes.append(0 if noisy.is_meta else len(noisy) // 2)  # guidance
        return velocity(self, noisy, *rest)

    monkeypatch.setattr(type(tiny.backbone), "velocity", watch)
    run = Run(tiny, tmp_path, max_batch=3)
    for number in range(5):
        run.add(f"{number}", seed=number)
    run.add("best", best_of=8, batch=8)
    run.all()
    assert max(sizes) == 3
    assert len(run.made) == 6


def test_what_is_planned_to_fit_into_memory_is_all_that_a_pass_holds(tiny, tmp_path):
    facts = tiny.backbone.facts
    sketch = sketch_model(tiny.name)
    needed = work_of_pass(sketch, facts.default_layout, facts.default_cell, 2)
    run = Run(tiny, tmp_path, memory=int(2.5 * needed))
    for number in range(3):
        run.add(f"{number}", seed=number)
    run.all()
    assert max(len({job for _, job in events}) for events in run.said) == 2
    with pytest.raises(ConfigError, match="smaller layout or cell"):
        run.add("large", layout="8x8")


def test_steps_of_a_long_sequence_give_way_and_it_is_as_it_would_be_alone(tiny, tmp_path):
    run = Run(tiny, tmp_path, in_turn)
    run.add("long", frames=9, seed=6)
    run.add("short", seed=7, guidance=3)
    run.step()
    assert run.said[-1] == [("Advanced", "long")]
    run.step()
    assert run.said[-1] == [("Advanced", "short")]
    run.all()
    assert run.made["long"].result is None
    generate_long(tiny, run.asked["long"], tmp_path / "alone")
    ours, alone = (read_clip(tmp_path / name) for name in ("long/frames", "alone"))
    assert ours.frames.shape == alone.frames.shape
    assert (ours.frames == alone.frames).all()
    kinds = [kind for events in run.said for kind, job in events if job == "short"]
    assert kinds == ["Advanced"] * STEPS + ["Finished"]


def test_a_long_sequence_goes_on_from_its_last_finished_window(tiny, tmp_path):
    whole = Run(tiny, tmp_path / "whole")
    whole.add("long", frames=9, seed=6)
    whole.all()
    killed = Run(tiny, tmp_path / "killed")
    killed.add("long", frames=9, seed=6)
    while not (tmp_path / "killed" / "long" / MEMORY).is_file():
        killed.step()
    killed.step()  # a step of the second window is lost
    again = Run(tiny, tmp_path / "killed")
    again.add("long", frames=9, seed=6)
    (first,) = again.step()
    assert (first.step, first.num_steps) == (STEPS + 1, 4 * STEPS)
    again.all()
    ours, alone = (read_clip(tmp_path / name / "long/frames") for name in ("killed", "whole"))
    assert (ours.frames == alone.frames).all()


@pytest.mark.parametrize("words", [{}, {"frames": 7}])
def test_cancelling_takes_effect_before_the_next_step(tiny, tmp_path, words):
    run = Run(tiny, tmp_path)
    run.add("gone", **words)
    run.add("stays", seed=1)
    run.step()
    assert run.engine.cancel("gone")
    assert not run.engine.cancel("gone")
    run.all()
    assert all(job == "stays" for events in run.said[1:] for _, job in events)
    assert run.off_by("stays") <= LEVELS


def test_a_request_that_cannot_begin_fails_alone(tiny, tmp_path):
    black = np.zeros((1, 32, 32, 3), np.uint8)
    save_sequence(black, tmp_path / "one", provenance=Provenance())
    run = Run(tiny, tmp_path)
    run.add("bad", image=tmp_path / "one" / "00000.png")
    run.add("good", seed=1)
    (tmp_path / "one" / "00000.png").write_bytes(b"no picture")
    run.all()
    assert isinstance(run.made["bad"], Failed)
    assert "00000.png" in run.made["bad"].message
    assert run.off_by("good") <= LEVELS


def test_a_request_that_breaks_in_a_shared_pass_fails_alone(tiny, tmp_path, monkeypatch):
    velocity = type(tiny.backbone).velocity

    def breaks(self, noisy, sigma, *rest):
        if not sigma.is_meta and bool((sigma[:, 0] == 0.5).any()):
            raise RuntimeError("kernel of half noise")
        return velocity(self, noisy, sigma, *rest)

    run = Run(tiny, tmp_path)
    run.add("bad", steps=2, shift=1.0)
    run.add("good", seed=1, shift=2.0)
    with monkeypatch.context() as patch:
        patch.setattr(type(tiny.backbone), "velocity", breaks)
        run.all()
    assert isinstance(run.made["bad"], Failed)
    assert isinstance(run.made["bad"].error, RuntimeError)
    assert "kernel" not in run.made["bad"].message
    assert run.off_by("good") <= LEVELS


def test_where_a_shared_pass_runs_out_of_memory_fewer_share_the_next(tiny, tmp_path, monkeypatch):
    velocity, sizes = type(tiny.backbone).velocity, []

    def small(self, noisy, *rest):
        if len(noisy) > 2 * 2:
            raise torch.OutOfMemoryError("too large")
        sizes.append(0 if noisy.is_meta else len(noisy) // 2)
        return velocity(self, noisy, *rest)

    run = Run(tiny, tmp_path)
    for number in range(4):
        run.add(f"{number}", seed=number)
    with monkeypatch.context() as patch:
        patch.setattr(type(tiny.backbone), "velocity", small)
        run.all()
    passes = [size for size in sizes if size]
    assert passes[:4] == [1, 1, 1, 1]
    assert set(passes[4:]) == {2}
    assert all(isinstance(run.made[f"{number}"], Finished) for number in range(4))


def test_what_cannot_be_made_is_refused_when_it_comes(tiny, tmp_path):
    run = Run(tiny, tmp_path)
    with pytest.raises(MediaError, match="does not exist"):
        run.add("bad", image=tmp_path / "none.png")
    with pytest.raises(ConfigError, match="frame 99"):
        run.add("bad", frames=9, segment=("99=a ball",))
    assert not run.engine.busy
    assert run.step() == []


def test_models_do_not_share_a_pass(tiny, mini, tmp_path):
    models = {tiny.name: tiny, mini.name: mini}
    engine = Engine(lambda request: models[request.model])
    for number, name in enumerate(itertools.chain(models, models)):
        request = GenerateRequest(prompt="a star", model=name, layout="1x1", steps=2)
        engine.admit(Submission(f"{number}", request, None, 0.0), tmp_path / f"{number}")
    made = set()
    while engine.busy:
        events = engine.step()
        models_now = {int(event.job) % 2 for event in events}
        assert len(models_now) <= 1
        made |= {event.job for event in events if isinstance(event, Finished)}
    assert made == {"0", "1", "2", "3"}


def test_the_release_of_gridit_makes_its_own_passes(tmp_path, tiny):
    run = Run(tiny, tmp_path, in_turn)
    run.add("release", frames=16, layout="4x4", sampler="gridit-release", steps=2)
    run.add("short", seed=1)
    run.all()
    assert run.made["release"].result is None
    assert len(list((tmp_path / "release" / "frames").iterdir())) >= 16
    assert {job for _, job in run.said[0] + run.said[1]} == {"release", "short"}


@pytest.mark.parametrize("threads", [1, 3])
def test_with_a_pipeline_frames_are_the_same(tiny, tmp_path, threads):
    written = {}
    pipeline = Pipeline(threads, room=4)
    run = Run(
        tiny, tmp_path, pipeline=pipeline, write=lambda job, made: written.update({job: made})
    )
    for number in range(4):
        run.add(f"{number}", seed=number, upscale=2, steps=2)
    run.add("long", frames=7, steps=2)
    run.all()
    run.engine.close()
    for number in range(4):
        assert run.off_by(f"{number}") <= LEVELS
    assert set(written) == {f"{number}" for number in range(4)}
    assert len(list((tmp_path / "long" / "frames").iterdir())) == 7


def test_a_job_that_is_cancelled_in_the_pipeline_says_nothing_more(tiny, tmp_path):
    run = Run(tiny, tmp_path, pipeline=Pipeline(1))
    run.add("gone", seed=1)
    run.step()  # it begins in the pipeline
    run.engine.cancel("gone")
    run.add("stays", seed=2)
    run.all()
    run.engine.close()
    assert {job for events in run.said for _, job in events} == {"stays"}


def test_what_steps_cost_is_learned_and_can_be_kept(tiny, tmp_path):
    run = Run(tiny, tmp_path)
    run.add("a", seed=1)
    run.add("b", seed=2)
    run.add("other", layout="1x1")
    assert run.engine.seconds_left("a") is None
    run.step()
    before = run.engine.seconds_left("a")
    assert before is not None and before > 0
    run.all()
    kept = json.loads(json.dumps(run.engine.costs.snapshot()))
    again = CostModel()
    again.restore(kept)
    for shape, rows, devices, _ in kept["steps"]:
        assert again.step(shape, rows, devices) == run.engine.costs.step(shape, rows, devices)


def test_a_person_is_told_what_helps():
    assert sentence(ConfigError("Use 3.")) == "Use 3."
    assert "smaller" in sentence(torch.OutOfMemoryError("CUDA out of memory"))
    assert "log" in sentence(KeyError("x"))


def test_a_long_one_that_is_walked_again_counts_its_steps_and_is_as_alone(tiny, tmp_path):
    run = Run(tiny, tmp_path)
    run.add("long", frames=7, steps=3, resample=2, resample_steps=1, seed=4)
    told = []
    while run.engine.busy:
        told += [each for each in run.step() if isinstance(each, Advanced)]
    assert [each.step for each in told] == list(range(1, 3 + 2 * (3 + 2) + 1))
    assert {each.num_steps for each in told} == {len(told)}
    generate_long(tiny, run.asked["long"], tmp_path / "alone")
    ours, alone = (read_clip(tmp_path / name) for name in ("long/frames", "alone"))
    assert (ours.frames == alone.frames).all()
