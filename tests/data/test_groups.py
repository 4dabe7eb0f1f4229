from pathlib import Path

import pytest

from filmgrid.data.config import DatasetConfig
from filmgrid.data.groups import (
    clip_names,
    group_of,
    plan_split,
    split_groups,
    split_notes,
    without_duplicates,
)
from filmgrid.data.manifest import Entry
from filmgrid.data.sources import Source
from filmgrid.errors import DatasetError


def config(**values: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"sources": ["clips"], "out": "set", **values})


def sources(*names: str) -> list[Source]:
    return [Source(Path("/clips") / name, "video", Path("/clips"), name) for name in names]


def entry(number: int, sha: str, split: str = "train", group: str = "g") -> Entry:
    told = {
        "id": str(number),
        "frames": f"sequences/{number}.png",
        "source": f"{number}.mp4",
        "indices": (0,),
        "layout": "1x1",
        "cell": (8, 8),
        "group": group,
        "split": split,
        "sha256": sha * 64,
    }
    return Entry.model_validate(told)


def test_a_clip_is_its_own_group_unless_told():
    assert group_of("day/a.mp4", config()) == "day/a.mp4"
    assert group_of("sky.mp4#3", config()) == "sky.mp4#3"


def test_an_expression_captures_the_group():
    assert group_of("day/anna_run.mp4", config(group=r"(\w+)_\w+\.mp4$")) == "anna"
    assert group_of("day/anna_run.mp4", config(group=r"^([^/]+)/")) == "day"
    assert group_of("sky.mp4#3", config(group=r"^([^#]+)")) == "sky.mp4"


def test_numbers_are_divided_without_the_rest():
    people = config(group=r"(\d+)\.jpg$", group_divide=8)
    groups = [group_of(f"0/{number:08d}.jpg", people) for number in (0, 7, 8, 31, 39)]
    assert groups == ["0", "0", "1", "3", "4"]


def test_a_clip_without_a_group_is_refused_by_name():
    with pytest.raises(DatasetError, match=r"does not match walk\.mp4\. Every source needs"):
        group_of("walk.mp4", config(group=r"person(\d)"))
    with pytest.raises(DatasetError, match="does not match"):
        group_of("walk.mp4", config(group=r"walk(\d)?"))
    with pytest.raises(DatasetError, match=r"'walk' of walk\.mp4 is not a number"):
        group_of("walk.mp4", config(group=r"(walk)", group_divide=2))


def test_the_cells_of_a_mosaic_are_clips():
    assert clip_names("sky.mp4", config(mosaic="1x2")) == ("sky.mp4#0", "sky.mp4#1")
    plan = plan_split(sources("sky.mp4"), config(mosaic="1x2", held_out_groups=["sky.mp4#1"]))
    assert plan.side == {"sky.mp4#0": "train", "sky.mp4#1": "held_out"}


def test_a_drawn_group_stays_on_its_side_when_sources_are_added():
    few = [f"clip{number}.mp4" for number in range(0, 200, 3)]
    many = [f"clip{number}.mp4" for number in range(200)]
    share = config(held_out_fraction=0.2)
    before, after = split_groups(few, share), split_groups(reversed(many), share)
    assert all(after[group] == side for group, side in before.items())
    assert 20 <= list(after.values()).count("held_out") <= 60


def test_another_seed_draws_other_groups_and_a_larger_share_only_adds():
    names = [f"clip{number}.mp4" for number in range(100)]

    def held_out(**values: object) -> set[str]:
        side = split_groups(names, config(**values))
        return {name for name in names if side[name] == "held_out"}

    assert held_out(held_out_fraction=0.2) != held_out(held_out_fraction=0.2, seed=1)
    assert held_out(held_out_fraction=0.2) < held_out(held_out_fraction=0.5)
    assert held_out() == set()


def test_a_group_to_hold_out_must_exist_and_another_must_be_left():
    with pytest.raises(DatasetError, match=r"There is no group '5' to hold out.*: 0, 1\.$"):
        split_groups(["0", "1"], config(held_out_groups=["5"]))
    with pytest.raises(DatasetError, match="All 2 groups would be held out"):
        split_groups(["0", "1"], config(held_out_groups=["0", "1"]))


def test_of_equal_sequences_the_held_out_one_is_kept():
    entries = [entry(0, "a"), entry(1, "a", "held_out"), entry(2, "b"), entry(3, "b")]
    kept, dropped = without_duplicates(entries)
    assert [one.id for one in kept] == ["1", "2"]
    assert [(one.id, twin.id) for one, twin in dropped] == [("0", "1"), ("3", "2")]


def test_what_is_odd_about_a_split_is_told():
    across = [(entry(0, "a"), entry(1, "a", "held_out"))]
    told = list(split_notes(config(held_out_fraction=0.1), across, []))
    assert "1 sequence(s) occur on both sides" in told[0]
    assert "the first in 0.mp4 and 1.mp4" in told[0]
    assert "No group was drawn for the held-out share of 0.1" in told[1]
    named = list(split_notes(config(held_out_groups=["3"]), [], []))
    assert named == ["The held-out group 3 has no sequence."]
