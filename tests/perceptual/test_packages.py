import hashlib
import sys
from pathlib import Path

import pytest
import torch

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.evaluation.inception_features import inception_features, random_inception_features
from filmgrid.evaluation.packages import package, published_file
from filmgrid.evaluation.perceptual import (
    dists_distance,
    lpips_distance,
    random_dists_distance,
    random_lpips_distance,
)
from filmgrid.evaluation.raft_flow import raft_flow, random_raft_flow

MAKERS = [
    (inception_features, "torch-fidelity"),
    (lambda: random_inception_features(0), "torch-fidelity"),
    (lpips_distance, "torchvision"),
    (random_lpips_distance, "torchvision"),
    (dists_distance, "torchvision"),
    (random_dists_distance, "torchvision"),
    (raft_flow, "torchvision"),
    (random_raft_flow, "torchvision"),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where torch.hub keeps files, empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(("make", "named"), MAKERS)
def test_missing_packages_are_told_in_one_sentence_with_the_extra(make, named, monkeypatch):
    for name in ("torchvision", "torchmetrics", "torch_fidelity"):
        for loaded in [name, *(m for m in sys.modules if m.startswith(f"{name}."))]:
            monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(
        ConfigError, match=rf"^{named} cannot be imported: .*'filmgrid\[p"
    ) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_package_that_breaks_while_it_is_imported_is_told_too(tmp_path: Path, monkeypatch):
    (tmp_path / "broken_vision.py").write_text("raise RuntimeError('operator a::nms is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"operator a::nms is not there\. Install"):
        package("broken_vision")


def test_a_published_file_is_fetched_once_and_checked_by_the_digits_in_its_name(tmp_path, cache):
    content = b"weights"
    digits = hashlib.sha256(content).hexdigest()[:8]
    source = tmp_path / f"net-{digits}.pth"
    source.write_bytes(content)
    found = published_file(source.as_uri())
    assert found == cache / source.name and found.read_bytes() == content
    source.unlink()
    assert published_file(source.as_uri()) == found


def test_a_damaged_or_absent_publication_is_refused_in_one_sentence(tmp_path, cache):
    source = tmp_path / "net-00000000.pth"
    with pytest.raises(CheckpointError, match=r"net-0+\.pth cannot be downloaded: .* elsewhere"):
        published_file(source.as_uri())
    source.write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"invalid hash value.* elsewhere") as caught:
        published_file(source.as_uri())
    assert "\n" not in str(caught.value) and not (cache / source.name).exists()
