"""Networks from one file, with names as diffusers has them and as they were released."""

import re

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from filmgrid.bench.peers.tiny import NAMES
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.generator import Generator
from filmgrid.loading import Loading
from filmgrid.models import families
from filmgrid.models.families import load_model
from filmgrid.models.places import find_model

CPU = torch.device("cpu")
RELEASED = {
    "all_final_layer.2-1.": "final_layer.",
    "all_x_embedder.2-1.": "x_embedder.",
    ".attention.to_out.0.": ".attention.out.",
    ".attention.norm_k.": ".attention.k_norm.",
    ".attention.norm_q.": ".attention.q_norm.",
}
"""Z-Image's own names."""


def weights_of(folder):
    (file,) = (folder / "transformer").glob("*.safetensors")
    return load_file(file)


def as_released(weights):
    """Z-Image as other programs save it: own names behind a prefix, queries to values as one."""
    made = {}
    for name, value in weights.items():
        if re.search(r"\.to_[kv]\.weight", name):
            continue
        if ".to_q.weight" in name:
            value = torch.cat([weights[name.replace("to_q", f"to_{each}")] for each in "qkv"])
            name = name.replace("to_q", "qkv")
        for ours, theirs in RELEASED.items():
            name = name.replace(ours, theirs)
        made[f"model.diffusion_model.{name}"] = value
    return made


def loaded(folder, file, dtype=torch.float32, **words):
    backbone, _ = load_model(str(folder), dtype, CPU, Loading(transformer=file, **words))
    return backbone.module.state_dict()


@pytest.fixture
def doubled(pipelines, tmp_path):
    """A file of Z-Image's network whose weights are not those of the folder."""
    folder = pipelines["z-image"][1]
    weights = {name: 2 * value for name, value in weights_of(folder).items()}
    save_file(as_released(weights), tmp_path / "other.safetensors")
    return folder, tmp_path / "other.safetensors", weights


@pytest.mark.parametrize("name", NAMES)
def test_names_of_diffusers_are_read(pipelines, tmp_path, name):
    folder = pipelines[name][1]
    weights = {name: 2 * value for name, value in weights_of(folder).items()}
    save_file(weights, tmp_path / "one.safetensors")
    found = loaded(folder, tmp_path / "one.safetensors")
    assert all(torch.equal(found[key], value) for key, value in weights.items())


def test_released_names_are_read_and_the_rest_is_the_pipelines(doubled):
    folder, file, weights = doubled
    assert all(torch.equal(found, weights[key]) for key, found in loaded(folder, file).items())
    words = {"device": "cpu", "precision": "fp32"}
    one = Generator.from_pretrained(str(folder), **words)
    two = Generator.from_pretrained(str(folder), **words, loading=Loading(transformer=file))
    asked = {"layout": "1x2", "cell": 32, "num_inference_steps": 2, "seed": 0}
    assert (one("a ball", **asked).arrays != two("a ball", **asked).arrays).any()


def test_gguf_is_read_to_its_bits(doubled, tmp_path):
    folder, _, weights = doubled
    writer = gguf.GGUFWriter(tmp_path / "one.gguf", "lumina2")
    for name, value in as_released(weights).items():
        kind = gguf.GGMLQuantizationType.F32
        if value.ndim == 2 and value.shape[1] % 32 == 0 and "layers" in name:
            kind = gguf.GGMLQuantizationType.Q8_0
        packed = gguf.quants.quantize(value.numpy(), kind)
        writer.add_tensor(name, packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    own, plain, few_bits = (
        loading_frames(folder, Loading(transformer=file)).astype(int)
        for file in (None, doubled[1], tmp_path / "one.gguf")
    )
    assert 0 < np.abs(plain - few_bits).mean() < np.abs(plain - own).mean() / 4
    with pytest.raises(ConfigError, match="Leave quantize out"):
        loaded(folder, tmp_path / "one.gguf", quantize="nf4")


def loading_frames(folder, loading):
    generator = Generator.from_pretrained(str(folder), "cpu", "fp32", loading)
    return generator("a ball", layout="1x2", cell=32, num_inference_steps=2, seed=0).arrays


def test_the_network_of_the_pipeline_is_not_downloaded(monkeypatch, pipelines):
    asked = []

    def find(name, *, weights, without):
        asked.append(without)
        return pipelines["flux"][1]

    monkeypatch.setattr(families, "find_model", find)
    with pytest.raises(CheckpointError, match="There is no file"):
        loaded("flux1-dev", "none.safetensors")
    assert asked == [("transformer",)]


def test_what_is_no_network_of_the_model_is_refused(pipelines, tmp_path, doubled):
    folder, file, weights = doubled
    with pytest.raises(CheckpointError, match=r"only \.safetensors and \.gguf"):
        (tmp_path / "one.ckpt").write_bytes(b"no")
        loaded(folder, tmp_path / "one.ckpt")
    with pytest.raises(CheckpointError, match="of another model"):
        loaded(pipelines["flux"][1], file)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        loaded(folder, tmp_path / "cut.safetensors")
    few = as_released(weights)
    few.pop("model.diffusion_model.layers.0.attention.qkv.weight")
    save_file(few, tmp_path / "few.safetensors")
    with pytest.raises(CheckpointError, match=r"few\.safetensors"):
        loaded(folder, tmp_path / "few.safetensors")
    more = {**as_released(weights), "model.diffusion_model.layers.9.odd": torch.zeros(1)}
    save_file(more, tmp_path / "more.safetensors")
    assert loaded(folder, tmp_path / "more.safetensors").keys() == weights.keys()
    with pytest.raises(CheckpointError, match="--transformer"):
        find_model(str(file))
