import json
from pathlib import Path

import pytest

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.cli import main
from filmgrid.data.images import read_image
from filmgrid.errors import ConfigError
from filmgrid.probing import Drawing, ProbeReport, probe_model
from filmgrid.request.models import ProbeRequest

PROMPTS = ("a red star moves to the right", "a blue mug")


def asked(model, out, **changes):
    settings = {"prompts": PROMPTS, "steps": 2, "device": "cpu", "precision": "fp32", **changes}
    return ProbeRequest(model=str(model), out=out, **settings)


def drawing(found="4x4", alike=0.9, order=0.3, layout="4x4", wording="prefix", **changes):
    facts = {"prompt": "a mug", "moving": 1.0, "direction": None, "goes_there": None}
    return Drawing(
        layout=layout,
        wording=wording,
        found=found,
        alike=alike,
        order=order,
        **facts | changes,
    )


def test_layouts_and_wordings_are_drawn_measured_and_shown(tiny_model, tmp_path):
    told = probe_model(
        asked(tiny_model, tmp_path / "p", layouts=("2x2", "2x3"), wordings=("prefix", "none"))
    )
    assert len(told.drawings) == 2 * 2 * 2
    assert [each.layout for each in told.attention] == ["2x2", "2x3"]
    for each in told.attention:
        assert each.within + each.between + each.words == pytest.approx(1, abs=1e-5)
        assert each.layers == 2
    assert {each.direction for each in told.drawings} == {"right", None}
    assert {each.goes_there for each in told.drawings if each.direction is None} == {None}
    names = {"2x2-prefix", "2x2-none", "2x3-prefix", "2x3-none"}
    names |= {"attention-2x2", "attention-2x3"}
    assert {path.stem for path in (tmp_path / "p").iterdir()} == names
    for path in told.files:
        assert min(read_image(Path(path)).shape[:2]) >= 64
    assert told.text().count("\n") >= 4 + 2 + len(told.files)


def test_a_pretrained_pipeline_is_probed_and_its_licence_said(tmp_path, caplog):
    caplog.set_level("INFO", "filmgrid")
    save_tiny("flux", tmp_path / "flux")
    told = probe_model(asked(tmp_path / "flux", tmp_path / "p", layouts=("1x2",), cell=32))
    assert told.attention[0].layers > 1
    assert any(record.message.startswith("flux: licence unknown") for record in caplog.records)


@pytest.mark.parametrize(
    ("drawings", "rank"),
    [
        ([drawing(found="1x1"), drawing()], 256),
        ([drawing(alike=0.4), drawing(alike=0.5)], 64),
        ([drawing(order=1.0), drawing(order=0.9)], 64),
        ([drawing(), drawing()], 16),
    ],
)
def test_the_rank_follows_from_what_is_missing(drawings, rank):
    report = ProbeReport(model="one", drawings=tuple(drawings), attention=())
    assert f"a LoRA of rank {rank}:" in report.advice


def test_the_layout_and_wording_that_hold_best_are_recommended():
    drawings = (
        drawing(wording="none", found="1x1"),
        drawing(wording="prefix"),
        drawing(layout="2x2", found="2x2", wording="prefix"),
        drawing(layout="4x6", found="4x6", alike=0.3),
    )
    report = ProbeReport(model="one", drawings=drawings, attention=())
    assert report.advice.startswith("Begin with 4x4, wording prefix")


def test_the_command_reports_as_words_and_as_json(tiny_model, tmp_path, capsys):
    words = ["probe", str(tiny_model), "--prompts", "a mug", "--steps", "1", "--out"]
    main([*words, str(tmp_path / "a")])
    assert "Begin with 2x2" in capsys.readouterr().out
    main([*words, str(tmp_path / "a"), "--json"])
    assert json.loads(capsys.readouterr().out)["drawings"][0]["layout"] == "2x2"


def test_what_cannot_be_probed_is_refused_before_loading(tmp_path):
    for layout in ("1x1", "4x9"):
        with pytest.raises(ConfigError, match=f"A {layout} grid cannot be probed"):
            probe_model(asked("flux1-dev", tmp_path, layouts=(layout,)))
    assert not list(tmp_path.iterdir())
