import json
import sqlite3
from threading import Event

import numpy as np
import pytest
import yaml

from filmgrid.captioning.config import CaptionConfig
from filmgrid.captioning.run import caption_dataset
from filmgrid.cli import main
from filmgrid.data.build import build_dataset
from filmgrid.data.config import DatasetConfig
from filmgrid.data.manifest import load_manifest
from filmgrid.data.mosaics import pack_image
from filmgrid.data.pictures import to_picture
from filmgrid.errors import ConfigError, DatasetError
from filmgrid.grid.spec import Layout
from tests.captioning.server import ANSWER, served

GOOD = json.dumps(ANSWER)
COUNT = 10


@pytest.fixture
def dataset(tmp_path):
    """Ten sequences of four frames, in two groups, without captions."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        folder = tmp_path / "clips" / f"group{number % 2}" / f"clip{number}"
        folder.mkdir(parents=True)
        for index, frame in enumerate(rng.integers(0, 255, (4, 16, 16, 3), np.uint8)):
            to_picture(frame).save(folder / f"{index}.png")
    out = tmp_path / "data"
    build_dataset(DatasetConfig(sources=(tmp_path / "clips",), out=out, layout="2x2", cell=16))
    return out


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def asked(dataset, place, **changes):
    return CaptionConfig(dataset=dataset, model="vlm", base_url=place, **changes)


def captions(dataset):
    return [entry.caption for entry in load_manifest(dataset)]


def words_of(body):
    parts = body["messages"][-1]["content"]
    return "".join(part.get("text", "") for part in parts) if isinstance(parts, list) else parts


def test_every_sequence_gets_its_own_caption_and_nothing_is_asked_twice(dataset):
    another = Event()

    def own(number, body):
        if number:
            another.set()
        assert another.wait(60), "the first request was left alone"
        return json.dumps(ANSWER | {"caption": f"  A ball\nmoves {words_of(body)[-1]}. "})

    before = load_manifest(dataset)
    with served(own) as (place, seen):
        config = asked(dataset, place, hint="{stem}", concurrency=3)
        told = caption_dataset(config)
        again = caption_dataset(config.model_copy(update={"replace": True}))
    assert (told.asked, told.left, told.failed) == (COUNT, 0, {})
    assert (told.tokens_in, told.tokens_out) == (100 * COUNT, 10 * COUNT)
    assert len(seen.bodies) == COUNT and 1 < seen.most_under_way <= 3
    assert (again.known, again.asked) == (COUNT, 0)
    for old, new in zip(before, load_manifest(dataset), strict=True):
        stem = new.source.rsplit("/", 1)[-1]
        assert new.caption == f"A ball moves {stem[-1]}."
        assert new.model_copy(update={"caption": ""}) == old
    body = seen.bodies[0]
    assert body["response_format"]["json_schema"]["strict"] is True
    schema = body["response_format"]["json_schema"]["schema"]
    assert set(schema["required"]) == set(ANSWER) and schema["additionalProperties"] is False
    assert "2 rows and 2 columns" in body["messages"][0]["content"]


def test_a_server_that_misbehaves_is_asked_again(dataset):
    bad = [(429, "slow down"), (500, "oops"), "cut", "no JSON at all", '{"caption": ""', "length"]
    with served(lambda number, _: bad[number] if number < len(bad) else GOOD) as (place, seen):
        told = caption_dataset(asked(dataset, place, concurrency=2, attempts=4))
    assert told.failed == {} and told.asked == COUNT
    assert len(seen.bodies) == COUNT + len(bad)
    mended = [body for body in seen.bodies if len(body["messages"]) > 2]
    assert len(mended) == 3
    assert all(words_of(body).startswith("That cannot be used.") for body in mended)


def test_what_fails_is_named_and_asked_again_the_next_time(dataset, capsys):
    broken = ["garbage", "garbage", "never JSON"]
    with served(lambda number, _: broken[number] if number < 3 else GOOD) as (place, _):
        words = ["dataset", "caption", str(dataset), "--model", "vlm", "--base-url", place]
        more = ["--concurrency", "1", "--attempts", "1", "--retries", "0"]
        with pytest.raises(SystemExit) as stopped:
            main([*words, *more])
        told = capsys.readouterr().out
        assert stopped.value.code == 1
        assert "7 asked now, 3 left" in told and "no usable answer in 1 attempts" in told
        assert captions(dataset).count("") == 3
        main([*words, *more, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["had_captions"], report["asked"], report["left"]) == (7, 3, 0)
    assert captions(dataset) == ["A ball moves right."] * COUNT


def test_a_slow_server_is_given_up_on_and_what_was_answered_is_kept(dataset):
    with served(lambda number, _: GOOD if number < 4 else 3.0) as (place, seen):
        config = asked(dataset, place, concurrency=1, timeout=0.3, retries=0)
        with pytest.raises(ConfigError, match=r"3 requests in a row failed.*no answer within 0.3"):
            caption_dataset(config)
        assert len(seen.bodies) == 7
    assert sum(map(bool, captions(dataset))) == 4
    with served(lambda *_: GOOD) as (place, seen):
        told = caption_dataset(asked(dataset, place))
    assert (told.had_captions, told.asked) == (4, 6) and len(seen.bodies) == 6


def test_a_stop_loses_nothing_that_was_answered(dataset):
    with served(lambda *_: GOOD) as (place, _):

        def stop(done, total):
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            caption_dataset(asked(dataset, place, concurrency=2), on_answer=stop)
    assert 4 <= sum(map(bool, captions(dataset))) <= 5


def test_answers_of_a_run_that_was_killed_are_in_the_cache(dataset, monkeypatch):
    with served(lambda *_: GOOD) as (place, seen):
        with monkeypatch.context() as patch:  # the manifest of a killed run is never written
            patch.setattr("filmgrid.captioning.run.save_manifest", lambda *_: None)
            caption_dataset(asked(dataset, place, limit=6))
        assert captions(dataset).count("") == COUNT
        told = caption_dataset(asked(dataset, place))
    assert (told.known, told.asked) == (6, 4) and len(seen.bodies) == COUNT
    assert "" not in captions(dataset)


@pytest.mark.parametrize(
    ("status", "told"), [(401, "does not take the key"), (403, "does not allow"), (404, "no model")]
)
def test_what_no_request_can_pass_ends_the_run_at_once(dataset, status, told):
    with served(lambda *_: (status, "no")) as (place, seen):
        with pytest.raises(ConfigError, match=told):
            caption_dataset(asked(dataset, place, concurrency=1))
        assert len(seen.bodies) == 1


def test_a_server_that_takes_no_schema_is_asked_in_words(dataset):
    def plain(_, body):
        return (400, "response_format is not supported") if "response_format" in body else GOOD

    with served(plain) as (place, seen):
        told = caption_dataset(asked(dataset, place, concurrency=1))
    assert told.asked == COUNT and len(seen.bodies) == COUNT + 1


def test_nobody_at_the_address_is_said(dataset):
    with pytest.raises(ConfigError, match=r"in a row failed.*connection"):
        caption_dataset(asked(dataset, "http://127.0.0.1:9/v1", retries=0))


def test_keys_and_packages_that_lack_are_named(dataset, monkeypatch):
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        caption_dataset(CaptionConfig(dataset=dataset, model="vlm"))
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with served(lambda *_: GOOD) as (place, seen):
        monkeypatch.setenv("OPENAI_BASE_URL", place)
        caption_dataset(CaptionConfig(dataset=dataset, model="vlm", limit=1))
        assert seen.keys == ["Bearer secret"]
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ConfigError, match=r"filmgrid\[caption\]"):
        caption_dataset(CaptionConfig(dataset=dataset, model="vlm"))


def test_other_words_or_another_model_are_asked_anew(dataset):
    with served(lambda *_: GOOD) as (place, seen):
        for changes in (
            {},
            {"instructions": "It is always a ball."},
            {"model": "other"},
            {"side": 512},
            {"hint": "{group}"},
            {"show": "frames", "frames": 3},
        ):
            config = asked(dataset, place, replace=True, limit=1)
            caption_dataset(config.model_copy(update=changes))
        assert len(seen.bodies) == 6
    shown = [part for part in seen.bodies[-1]["messages"][-1]["content"] if "image_url" in part]
    assert len(shown) == 3


def test_exemplars_are_shown_as_answers_of_the_model(dataset, tmp_path):
    first = load_manifest(dataset)[0].id
    grid = pack_image(np.zeros((4, 16, 16, 3), np.uint8), Layout(2, 2))
    to_picture(grid).save(tmp_path / "hand.png")
    by_hand = ANSWER | {"caption": "A ball rolls to the right."}
    listed = [
        {"sequence": first, "answer": by_hand, "hint": "a ball"},
        {"file": "hand.png", "layout": "2x2", "answer": by_hand},
    ]
    path = tmp_path / "exemplars.yaml"
    path.write_text(yaml.safe_dump(listed))
    with served(lambda *_: GOOD) as (place, seen):
        caption_dataset(asked(dataset, place, exemplars=path, limit=1))
    roles = [message["role"] for message in seen.bodies[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert json.loads(seen.bodies[0]["messages"][2]["content"]) == by_hand
    assert "What is known of it: a ball" in seen.bodies[0]["messages"][1]["content"][1]["text"]


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], "no exemplars"),
        ([{"answer": ANSWER}], "exemplar 1.*give either"),
        ([{"sequence": "nope", "answer": ANSWER}], "nope, which is no sequence"),
        ([{"file": "no.png", "answer": ANSWER}], "Give both"),
        ([{"sequence": "x", "answer": {"caption": "a"}}], "answer: subject is missing"),
    ],
)
def test_exemplars_that_do_not_fit_are_refused(dataset, tmp_path, listed, told):
    path = tmp_path / "exemplars.yaml"
    path.write_text(yaml.safe_dump(listed))
    with pytest.raises(ConfigError, match=told):
        caption_dataset(asked(dataset, "http://127.0.0.1:9/v1", exemplars=path))


def test_a_coarse_caption_is_plain_text(dataset):
    with served(lambda *_: '"A ball before a wall."\n') as (place, seen):
        caption_dataset(asked(dataset, place, style="coarse", limit=1))
    assert "response_format" not in seen.bodies[0]
    assert captions(dataset)[0] == "A ball before a wall."


def test_a_caption_that_is_too_long_is_sent_back(dataset):
    long = json.dumps(ANSWER | {"caption": "word " * 30})
    with served(lambda number, _: GOOD if number else long) as (place, seen):
        caption_dataset(asked(dataset, place, max_words=5, limit=1))
    assert "30 words, and at most 5" in words_of(seen.bodies[1])
    assert "at most 5 words" in seen.bodies[0]["messages"][0]["content"]


def test_a_dry_run_asks_nothing_and_says_what_it_would_take(dataset, capsys):
    never = Event()

    def behave(number, _):
        if number >= 5:
            never.set()
        return GOOD

    with served(behave) as (place, _):
        config = asked(dataset, place, price_in=2.5, price_out=10.0)
        first = caption_dataset(config, dry_run=True).expected
        caption_dataset(config.model_copy(update={"limit": 5}))
        then = caption_dataset(config, dry_run=True)
        assert not never.is_set()
    assert first is not None and then.expected is not None
    # 32 px grow to 1024 px: 37 patches of 28 px a side, and the words.
    assert COUNT * 37**2 < first.tokens_in < COUNT * (37**2 + 600)
    assert first.seconds is None and first.cost == pytest.approx(
        (first.tokens_in * 2.5 + first.tokens_out * 10) / 1e6
    )
    assert (then.expected.tokens_in, then.expected.tokens_out) == (500, 50)
    assert then.expected.cost == pytest.approx((500 * 2.5 + 50 * 10) / 1e6)
    assert then.expected.seconds is not None
    assert "What is left takes about 500 tokens sent" in then.text()


def test_held_out_sequences_can_be_left_alone(dataset):
    entries = load_manifest(dataset)
    with served(lambda *_: GOOD) as (place, _):
        told = caption_dataset(asked(dataset, place, split="train"))
    assert told.sequences == sum(entry.split == "train" for entry in entries)


def test_a_cache_that_is_none_is_refused(dataset):
    (dataset / "captions.sqlite").write_text("this is no database, and long enough to be seen")
    with pytest.raises(DatasetError, match="cannot be used"):
        caption_dataset(asked(dataset, "http://127.0.0.1:9/v1"))


def test_the_cache_can_be_read_by_anyone(dataset):
    with served(lambda *_: GOOD) as (place, _):
        caption_dataset(asked(dataset, place))
    with sqlite3.connect(dataset / "captions.sqlite") as file:
        rows = file.execute("SELECT model, fields FROM answers").fetchall()
    assert len(rows) == COUNT
    assert rows[0][0] == "vlm" and json.loads(rows[0][1]) == ANSWER


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hint": "{name}"}, r"\{name\} is not known in a hint"),
        ({"local": True}, "Give one"),
        ({"price_in": 1.0}, "both price_in and price_out"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        asked(tmp_path, "http://127.0.0.1:9/v1", **changes)
