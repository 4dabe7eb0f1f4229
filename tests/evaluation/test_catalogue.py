import re
from pathlib import Path

import pytest

from filmgrid.evaluation.catalogue import (
    ALIASES,
    CATALOGUE,
    OFFLINE,
    WEIGHTS_OF,
    find_metric,
    in_words,
    table,
)
from filmgrid.evaluation.scores import CLIP_SCORES, PAIR_SCORES

DOCS = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_every_metric_of_clips_has_a_score_and_every_score_a_metric():
    alone = {metric.name for metric in CATALOGUE.values() if metric.kind == "clip"}
    paired = {metric.name for metric in CATALOGUE.values() if metric.kind == "pair"}
    assert alone == set(CLIP_SCORES)
    assert paired == set(PAIR_SCORES)


def test_metrics_are_found_by_other_spellings():
    assert find_metric("LPIPS").name == "lpips-alex"
    assert find_metric("ssim_matlab_3d").name == "ssim-matlab-3d"
    assert find_metric("random-fvd").name == "fvd"
    assert all(name in CATALOGUE for name in ALIASES.values())
    with pytest.raises(ValueError, match="Did you mean fvd"):
        find_metric("fvdd")


def test_what_is_called_offline_needs_no_weights():
    assert "psnr" in OFFLINE and "warp" in OFFLINE and "mmd-offline-colour" in OFFLINE
    assert not {"fvd", "fid", "is", "clip-text", "dists", "warp-raft"} & set(OFFLINE)


def test_the_list_names_every_metric_and_its_weights():
    words = in_words()
    for metric in CATALOGUE.values():
        assert f"  {metric.name} " in words
    for weights in WEIGHTS_OF.values():
        assert f"weights: {weights}" in words


def test_the_documentation_lists_the_metrics_that_there_are():
    text = DOCS.read_text(encoding="utf-8")
    between = re.search(r"<!-- metrics: .*? -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert between is not None
    assert between[1].strip() == table().strip(), "Paste what catalogue.table() gives."
