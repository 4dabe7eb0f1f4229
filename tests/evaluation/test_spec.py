import hashlib
import json
import subprocess
import sys

import pytest

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Resize, Statement, Weights


def statement(**changes) -> Statement:
    return Statement(**({"name": "a", "layer": "logits", "dim": 3} | changes))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (FrameChoice(), range(10)),
        (FrameChoice(stride=4), (0, 4, 8)),
        (FrameChoice(count=4), (0, 1, 2, 3)),
        (FrameChoice(count=3, stride=3), (0, 3, 6)),
        (FrameChoice(count=4, start="centre"), (3, 4, 5, 6)),
        (FrameChoice(count=4, start="even"), (0, 3, 6, 9)),
        (FrameChoice(count=10, start="random"), range(10)),
    ],
)
def test_frames_are_chosen_as_stated(choice: FrameChoice, expected):
    assert choice.indices(10).tolist() == list(expected)


def test_a_random_start_belongs_to_the_clip_and_reaches_every_frame():
    choice = FrameChoice(count=4, start="random")
    starts = [int(choice.indices(10, clip)[0]) for clip in range(200)]
    assert starts == [int(choice.indices(10, clip)[0]) for clip in range(200)]
    assert set(starts) == set(range(7))


@pytest.mark.parametrize(
    "choice",
    [
        FrameChoice(count=9),
        FrameChoice(count=3, stride=4),
        FrameChoice(count=9, start="even"),
        FrameChoice(at_least=9),
        FrameChoice(stride=2, at_least=5),
    ],
)
def test_a_clip_one_frame_short_is_refused_and_the_named_length_is_enough(choice: FrameChoice):
    with pytest.raises(ShapeError, match="8 frames, and 9 are needed"):
        choice.indices(8)
    assert len(choice.indices(9)) >= choice.at_least


def test_choices_that_contradict_themselves_are_refused():
    with pytest.raises(ConfigError, match="'even' needs a count"):
        FrameChoice(start="even")
    with pytest.raises(ConfigError, match="6 frames are fewer than the 9"):
        FrameChoice(count=6).needing(9)
    with pytest.raises(ConfigError, match="does not fit size None"):
        Resize(mode="squash")
    with pytest.raises(ConfigError, match="short_side"):
        Resize(mode="crop", size=224, short_side=200)


def test_the_fingerprint_is_the_hash_of_canonical_json():
    stated = statement()
    facts = stated.model_dump(mode="json")
    del facts["weights"]["path"]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    assert stated.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    assert Statement.model_validate_json(stated.model_dump_json()).fingerprint == stated.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"version": 2},
        {"layer": "pool"},
        {"dim": 4},
        {"unit": "frame"},
        {"options": {"eps": 1e-3}},
        {"weights": Weights(source="file", sha256="00")},
        {"preprocessing": Preprocessing(frames=FrameChoice(stride=2))},
        {"preprocessing": Preprocessing(resize=(Resize(mode="squash", size=8),))},
        {"preprocessing": Preprocessing(resize=(Resize(mode="crop", size=8),))},
        {"preprocessing": Preprocessing(colours="bgr")},
        {"preprocessing": Preprocessing(white=255)},
    ],
)
def test_everything_that_changes_a_feature_changes_the_fingerprint(change):
    assert statement(**change).fingerprint != statement().fingerprint


def test_the_same_weights_under_another_name_have_the_same_fingerprint():
    here = Weights(source="file", name="a.pt", path="x/a.pt", sha256="abc")
    there = Weights(source="hub", name="who/what", revision="1", sha256="abc")
    assert statement(weights=here).fingerprint == statement(weights=there).fingerprint
    moved = Weights(source="folder", name="a", path="y")
    assert (
        statement(weights=moved).fingerprint
        == statement(weights=moved.model_copy(update={"path": "z"})).fingerprint
    )


def test_a_statement_needs_no_torch():
    code = (
        "import sys, filmgrid.evaluation.features, filmgrid.evaluation.offline; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
