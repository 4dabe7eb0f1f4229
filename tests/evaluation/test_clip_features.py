import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.evaluation.clip_features import clip_features
from filmgrid.evaluation.preprocess import prepare

PREPROCESSOR = {
    "size": {"shortest_edge": 36},
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP with random weights and an alphabet for words."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("tiny-clip")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "projection_dim": 24}
    last = len(tokens) - 1
    text = {"vocab_size": len(tokens), "max_position_embeddings": 12}
    text |= {"eos_token_id": last, "pad_token_id": last, "bos_token_id": last - 1}
    vision = {"image_size": 32, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(
            CLIPConfig(
                text_config=sizes | heads | text,
                vision_config=sizes | heads | vision,
                projection_dim=24,
            )
        )
    model.save_pretrained(folder)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def test_frames_become_unit_vectors_of_the_published_network(folder: Path, noise_clip):
    from transformers import CLIPModel

    extractor = clip_features(folder)
    (features,) = extractor.extract([noise_clip[:3]])
    assert features.shape == (3, 24) and features.dtype == np.float32
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)
    pixels = prepare(noise_clip[None, :3], extractor.statement.preprocessing)[0].transpose(0, 1)
    with torch.no_grad():
        out = CLIPModel.from_pretrained(folder).eval()(
            pixel_values=pixels, input_ids=torch.tensor([[52, 0, 53]])
        )
    assert np.allclose(features, out.image_embeds.numpy(), atol=1e-5)


def test_text_becomes_the_vector_of_the_published_network(folder: Path):
    from transformers import CLIPModel, CLIPTokenizer

    extractor = clip_features(folder)
    prompts = ["a dog", "cat runs"]
    features = extractor.embed_text(prompts)
    assert features.shape == (2, 24)
    tokens = CLIPTokenizer.from_pretrained(folder)(prompts, padding=True, return_tensors="pt")
    assert len(set(tokens["input_ids"].flatten().tolist())) > 5
    with torch.no_grad():
        out = CLIPModel.from_pretrained(folder).eval()(
            **tokens, pixel_values=torch.zeros(1, 3, 32, 32)
        )
    assert np.allclose(features, out.text_embeds.numpy(), atol=1e-5)
    assert np.allclose(features[0], extractor.embed_text(["a dog"])[0], atol=1e-5)
    with pytest.raises(ConfigError, match=r"has 13 tokens, and .* reads 12\. Shorten it"):
        extractor.embed_text(["a b c d e f g h i j k"])


def test_the_models_own_preprocessing_is_followed_and_stated(folder: Path):
    stated = clip_features(folder).statement
    resize = stated.preprocessing.resize[0]
    assert (resize.mode, resize.short_side, resize.size) == ("crop", 36, 32)
    assert (resize.filter, resize.antialias, resize.rounding) == ("bicubic", True, "pillow")
    assert stated.preprocessing.mean == (0.5, 0.4, 0.3)
    assert (stated.unit, stated.dim, stated.weights.source) == ("frame", 24, "folder")
    assert stated.weights.sha256


def test_a_copy_of_a_model_has_the_same_fingerprint_and_other_weights_do_not(
    folder: Path, tmp_path: Path
):
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert clip_features(copy).statement.fingerprint == clip_features(folder).statement.fingerprint
    state = load_file(copy / "model.safetensors")
    state["logit_scale"] += 1
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert clip_features(copy).statement.fingerprint != clip_features(folder).statement.fingerprint


def test_loading_draws_no_random_number(folder: Path):
    before = torch.random.get_rng_state()
    clip_features(folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_that_cannot_be_used_is_refused_in_one_sentence(folder: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(CheckpointError, match="There is no folder"):
        clip_features(tmp_path / "none")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        clip_features(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    state = load_file(broken / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"the first is visual_projection\.weight") as caught:
        clip_features(broken)
    assert "\n" not in str(caught.value)
    shutil.copy(folder / "model.safetensors", broken)
    (broken / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | {"crop_size": 64}))
    with pytest.raises(ConfigError, match=r"asks for size .* crop 64"):
        clip_features(broken)


def test_a_model_without_a_tokenizer_still_embeds_frames(folder: Path, tmp_path: Path, noise_clip):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, bare)
    extractor = clip_features(bare)
    (features,) = extractor.extract([noise_clip[:2]])
    assert features.shape == (2, 24)
    with pytest.raises(ConfigError, match="has no tokenizer"):
        extractor.embed_text(["a"])


class Harm:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_damaged_weights_and_code_in_weights_are_refused(folder: Path, tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="cannot be loaded") as caught:
        clip_features(broken)
    assert "\n" not in str(caught.value)
    weights.unlink()
    torch.save({"logit_scale": Harm(tmp_path / "touched")}, broken / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        clip_features(broken)
    assert not (tmp_path / "touched").exists()
