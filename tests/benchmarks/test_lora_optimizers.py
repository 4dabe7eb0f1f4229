import json

from benchmarks import lora_optimizers
from benchmarks.lora_optimizers import ADAMW, MUON, Size, compare, report


def test_both_optimisers_are_trained_once_measured_alike_and_told_apart(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(lora_optimizers, "RATES", {ADAMW: (1e-3, 3e-3), MUON: (1e-2,)})
    size = Size(steps=3, batch=2, measured=2, rank=2, layout="1x2", seeds=2)
    out = tmp_path / "found.json"
    found = compare(size, str(tiny_model), out)
    assert json.loads(out.read_text()) == found
    losses = [loss for name in (ADAMW, MUON) for each in found[name].values() for loss in each]
    assert len(losses) == len(set(losses)) == 6
    assert all(loss != found["before"] and loss > 0 for loss in losses)
    stamp = out.stat().st_mtime_ns
    assert compare(size, str(tiny_model), out) == found
    assert out.stat().st_mtime_ns == stamp  # nothing is trained again


def test_the_report_reads_each_at_its_best_rate():
    found = {
        "before": 1.0,
        ADAMW: {"0.001": [0.8, 0.9], "0.003": [0.5, 0.6], "0.0003": [0.9, 0.9]},
        MUON: {"0.01": [0.4, 0.4]},
    }
    told = report(found)
    assert "At the best rates, 0.003 and 0.01" in told
    assert f"{(0.4 - 0.5 + 0.4 - 0.6) / 2:+.4f}" in told
    assert f"{100 * -0.15 / 0.45:+.0f} %" in told
