import hashlib
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from filmgrid.errors import CheckpointError
from filmgrid.evaluation.weights import (
    fill,
    is_torchscript,
    load_state,
    load_torchscript,
    state_sha256,
    weights_file,
)


class Harm:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_a_file_is_stated_by_its_content(tmp_path: Path):
    path = tmp_path / "w.pt"
    path.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    stated = weights_file(path, expected.upper())
    assert (stated.name, stated.sha256, stated.source) == ("w.pt", expected, "file")
    with pytest.raises(CheckpointError, match="is not the file that was asked for"):
        weights_file(path, "0" * 64)
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        weights_file(tmp_path / "none.pt")


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "module"])
@pytest.mark.parametrize("new_format", [True, False])
def test_weights_are_read_in_each_format(tmp_path: Path, wrapper, new_format: bool):
    state = small().state_dict()
    path = tmp_path / "w.pt"
    saved = state if wrapper is None else {wrapper: state, "epoch": 3}
    torch.save(saved, path, _use_new_zipfile_serialization=new_format)
    assert state_sha256(load_state(path)) == state_sha256(dict(state))
    assert not is_torchscript(path)
    save_file(state, tmp_path / "w.safetensors")
    assert state_sha256(load_state(tmp_path / "w.safetensors")) == state_sha256(dict(state))


def test_code_in_a_file_is_not_run(tmp_path: Path):
    touched = tmp_path / "touched"
    torch.save({"a": Harm(touched)}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"w\.pt is refused"):
        load_state(tmp_path / "w.pt")
    assert not touched.exists()


def test_a_pickle_of_a_newer_protocol_is_refused_without_a_warning(tmp_path: Path):
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointError, match=r"w\.pt is refused"):
            load_state(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    for load in (load_state, load_torchscript):
        with pytest.raises(CheckpointError, match=r"w\.(pt|safetensors)") as caught:
            load(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 + len(str(path))


def test_something_else_than_weights_is_refused(tmp_path: Path):
    torch.save([torch.zeros(1)], tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="holds list and not weights by name"):
        load_state(tmp_path / "w.pt")


def test_missing_left_over_and_misshapen_weights_are_named():
    state = dict(small().state_dict())
    with pytest.raises(CheckpointError, match=r"lack 1 of its names, the first is 0\.weight"):
        fill(small(), {k: v for k, v in state.items() if k != "0.weight"}, "w.pt")
    with pytest.raises(CheckpointError, match="have, unknown to it, 1 of its names"):
        fill(small(), state | {"2.weight": torch.zeros(1)}, "w.pt")
    with pytest.raises(CheckpointError, match=r"0\.bias has shape \(4,\) and not \(3,\)"):
        fill(small(), state | {"0.bias": torch.zeros(4)}, "w.pt")


def test_counters_of_batches_may_be_missing():
    network, state = small(), dict(small().state_dict())
    del state["1.num_batches_tracked"]
    fill(network, state, "w.pt")
    assert torch.equal(network.state_dict()["0.weight"], state["0.weight"])


def test_the_hash_of_weights_in_memory_sees_names_types_shapes_and_values():
    values = torch.arange(4, dtype=torch.bfloat16)
    variants = [
        {"a": values},
        {"b": values},
        {"a": values.float()},
        {"a": values.reshape(2, 2)},
        {"a": values + 1},
        {"a": values, "b": values},
    ]
    assert len({state_sha256(state) for state in variants}) == len(variants)
    assert state_sha256({"b": values, "a": values}) == state_sha256(variants[-1])
    assert len(state_sha256({"n": torch.tensor(3)})) == 64
