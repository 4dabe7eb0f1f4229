import json

import pytest

from filmgrid import cli
from filmgrid.bench.config import ONE_GRID, BenchConfig
from filmgrid.bench.memory import own_peak, process_peak
from filmgrid.bench.results import read_result
from filmgrid.errors import FilmgridError

QUICK = ("--rounds", "2", "--warmup", "0", "--no-memory", "--device", "cpu", "--precision", "fp32")


def test_every_task_is_timed_side_by_side(tiny_model, tmp_path, capsys):
    names = [*(f"{tiny_model}:{task}" for task in ONE_GRID), f"{tiny_model}:extend:2x4"]
    cli.main(["bench", *names, *QUICK, "--out", str(tmp_path / "a.json"), "--json"])
    told = json.loads(capsys.readouterr().out)
    result = read_result(tmp_path / "a.json")
    assert told == result.model_dump(mode="json")
    assert [row.subject for row in result.rows] == names
    assert [row.frames for row in result.rows] == [4] * 6 + [8]
    assert [row.tokens for row in result.rows] == [16] * 6 + [32]
    assert {row.passes for row in result.rows} == {2}
    by_task = dict(zip(names, result.rows, strict=True))
    assert by_task[f"{tiny_model}:text"].steps == 3
    for row in result.rows:
        assert row.weights == "trained"
        assert row.refused is None
        assert 0 < row.share < 1
        assert len(row.rounds) == 2
        assert row.memory_bytes is None
    assert result.rows[0].ratio.median == 1


def test_ours_and_a_peer_share_one_table(tiny_model, capsys):
    cli.main(["bench", f"{tiny_model}:text", "flux=tiny", "--steps", "1", *QUICK])
    told = capsys.readouterr().out
    assert "flux=tiny (tiny: not the real size)" in told
    assert "matrix probe" in told
    assert "GFLOP/s" in told
    assert "float32, 2 rounds in turn after 1 warm-up runs" in told


def test_layout_and_cell_are_for_ours_that_name_none(tiny_model, capsys):
    names = [f"{tiny_model}:text", f"{tiny_model}:text:1x2"]
    cli.main(["bench", *names, "--layout", "1x3", "--cell", "16x48", *QUICK, "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["frames"], row["height"], row["width"]) for row in rows] == [
        (3, 16, 48),
        (2, 16, 48),
    ]
    assert [row["tokens"] for row in rows] == [9, 6]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name at least one"),
        (["nosuch:text"], "There is no model 'nosuch'"),
        (["mini:fly"], "neither a task nor a layout"),
        (["fluxx=tiny"], "Did you mean flux?"),
        (["mini", "--rounds", "0"], "rounds"),
        (["flux={folder}"], "holds no pipeline"),
        (["mini", "--out", "{folder}/file/a.json"], "could not be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words, sentence, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", *(word.format(folder=tmp_path) for word in words)])
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert sentence in told
    assert len(told.strip().splitlines()) == 1


def test_a_process_knows_its_own_peak():
    before = own_peak()
    if before is None:
        pytest.skip("this system does not tell")
    ballast = bytearray(before)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert own_peak() > 1.5 * before


@pytest.mark.long
def test_memory_on_the_cpu_is_that_of_a_process_alone(tiny_model):
    config = BenchConfig(subjects=("mini",), device="cpu", precision="fp32", steps=1)
    alone = process_peak(config, f"{tiny_model}:text")
    assert 100 * 2**20 < alone < 4 * 2**30
    larger = process_peak(config, f"{tiny_model}:text:16x16")
    assert larger > alone
    with pytest.raises(FilmgridError, match="There is no model"):
        process_peak(config, "nosuch:text")
