from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.evaluation.videomae_features import videomae_features
from filmgrid.types import FrameArray


def saved(folder: Path, kind: str) -> Path:
    import transformers

    config = transformers.VideoMAEConfig(
        image_size=32,
        patch_size=8,
        num_frames=8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        use_mean_pooling=kind == "VideoMAEForVideoClassification",
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        getattr(transformers, kind)(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VideoMAE with random weights, finetuned as it were."""
    return saved(tmp_path_factory.mktemp("tiny-videomae"), "VideoMAEForVideoClassification")


def one(extractor, clip: FrameArray) -> np.ndarray:
    return next(iter(extractor.extract([clip])))


def test_features_are_what_the_classifier_of_the_published_network_sees(folder: Path, noise_clip):
    from transformers import VideoMAEForVideoClassification

    extractor = videomae_features(folder, frames=FrameChoice(count=8))
    features = one(extractor, noise_clip)
    assert features.shape == (32,) and features.dtype == np.float32
    network = VideoMAEForVideoClassification.from_pretrained(folder).eval()
    pixels = prepare(noise_clip[None, :8], extractor.statement.preprocessing).transpose(1, 2)
    with torch.no_grad():
        expected = network(pixels).logits[0]
        ours = network.classifier(torch.from_numpy(features))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    assert extractor.statement.layer == "mean of the last tokens, fc_norm"


def test_content_debiased_fvd_squashes_and_does_not_normalise(folder: Path, noise_clip):
    extractor = videomae_features(folder)
    spec = extractor.statement.preprocessing
    assert (spec.resize[0].mode, spec.resize[0].antialias) == ("squash", False)
    assert (spec.black, spec.white, spec.mean, spec.std) == (0, 1, (0, 0, 0), (1, 1, 1))
    assert (spec.frames.count, spec.frames.start) == (8, "random")
    published = videomae_features(folder, preparation="published")
    assert published.statement.preprocessing.resize[0].mode == "crop"
    assert published.statement.preprocessing.mean == (0.485, 0.456, 0.406)
    assert not np.allclose(one(extractor, noise_clip), one(published, noise_clip), atol=1e-3)
    assert extractor.statement.fingerprint != published.statement.fingerprint


@pytest.mark.parametrize("kind", ["VideoMAEForPreTraining", "VideoMAEModel"])
def test_models_that_were_only_pretrained_give_the_mean_of_their_tokens(
    tmp_path: Path, kind: str, noise_clip
):
    extractor = videomae_features(saved(tmp_path, kind))
    assert one(extractor, noise_clip).shape == (32,)
    assert extractor.statement.layer == "mean of the last tokens"


def test_another_number_of_frames_is_refused(folder: Path):
    with pytest.raises(ConfigError, match=r"takes 8 frames, and 16 were asked for\. Ask for 8"):
        videomae_features(folder, frames=FrameChoice(count=16))
    with pytest.raises(ConfigError, match="is no file, so its SHA-256"):
        videomae_features(folder, sha256="00")


WIDTH, DEPTH, HEADS, PATCH = 384, 2, 6, 56


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights by the names of VideoMAE v2's own code."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.05

    state = {
        "patch_embed.proj.weight": draw(WIDTH, 3, 2, PATCH, PATCH),
        "patch_embed.proj.bias": draw(WIDTH),
        "fc_norm.weight": 1 + draw(WIDTH),
        "fc_norm.bias": draw(WIDTH),
        "head.weight": draw(174, WIDTH),
        "head.bias": draw(174),
    }
    for index in range(DEPTH):
        sizes = {
            "norm1.weight": (WIDTH,),
            "norm1.bias": (WIDTH,),
            "attn.q_bias": (WIDTH,),
            "attn.v_bias": (WIDTH,),
            "attn.qkv.weight": (3 * WIDTH, WIDTH),
            "attn.proj.weight": (WIDTH, WIDTH),
            "attn.proj.bias": (WIDTH,),
            "norm2.weight": (WIDTH,),
            "norm2.bias": (WIDTH,),
            "mlp.fc1.weight": (4 * WIDTH, WIDTH),
            "mlp.fc1.bias": (4 * WIDTH,),
            "mlp.fc2.weight": (WIDTH, 4 * WIDTH),
            "mlp.fc2.bias": (WIDTH,),
        }
        state |= {f"blocks.{index}.{name}": draw(*size) for name, size in sizes.items()}
    return state


def written_out(state: dict[str, Tensor], clip: Tensor) -> Tensor:
    """Features of one clip as VideoMAE v2 defines them, step by step."""
    tokens = F.conv3d(
        clip, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], (2, PATCH, PATCH)
    )
    tokens = tokens.flatten(2)[0].T
    place = torch.arange(len(tokens), dtype=torch.float64)[:, None]
    angle = place / 10000 ** (2 * (torch.arange(WIDTH) // 2) / WIDTH)
    waves = torch.where(torch.arange(WIDTH) % 2 == 0, angle.sin(), angle.cos())
    hidden = tokens + waves.float()
    for index in range(DEPTH):
        block = {
            key.removeprefix(f"blocks.{index}."): values
            for key, values in state.items()
            if key.startswith(f"blocks.{index}.")
        }
        normed = F.layer_norm(hidden, (WIDTH,), block["norm1.weight"], block["norm1.bias"], 1e-6)
        query, key, value = (normed @ block["attn.qkv.weight"].T).chunk(3, dim=1)
        query, value = query + block["attn.q_bias"], value + block["attn.v_bias"]
        heads = [part.reshape(-1, HEADS, WIDTH // HEADS) for part in (query, key, value)]
        scores = torch.einsum("qhd,khd->hqk", heads[0], heads[1]) * (WIDTH // HEADS) ** -0.5
        mixed = torch.einsum("hqk,khd->qhd", scores.softmax(-1), heads[2]).reshape(-1, WIDTH)
        hidden = hidden + F.linear(mixed, block["attn.proj.weight"], block["attn.proj.bias"])
        normed = F.layer_norm(hidden, (WIDTH,), block["norm2.weight"], block["norm2.bias"], 1e-6)
        inner = F.gelu(F.linear(normed, block["mlp.fc1.weight"], block["mlp.fc1.bias"]))
        hidden = hidden + F.linear(inner, block["mlp.fc2.weight"], block["mlp.fc2.bias"])
    return F.layer_norm(
        hidden.mean(0), (WIDTH,), state["fc_norm.weight"], state["fc_norm.bias"], 1e-6
    )


def test_a_file_of_videomae_v2_gives_the_features_of_its_own_code(
    state: dict[str, Tensor], tmp_path: Path, noise_clip: FrameArray
):
    path = tmp_path / "vit.pth"
    torch.save({"module": state}, path)
    before = torch.random.get_rng_state()
    extractor = videomae_features(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    frames = torch.from_numpy(noise_clip).permute(3, 0, 1, 2).float() / 255
    clip = F.interpolate(frames, (224, 224), mode="bilinear", align_corners=False)
    with torch.no_grad():
        expected = written_out(state, clip[None])
    assert expected.std() > 0.5
    torch.testing.assert_close(
        torch.from_numpy(one(extractor, noise_clip)), expected, atol=1e-4, rtol=1e-4
    )
    assert extractor.statement.weights.source == "file"
    assert extractor.statement.options == {"layer_norm_eps": 1e-6}
    published = videomae_features(path, preparation="published").statement.preprocessing
    assert published.resize[0].mode == "crop" and published.std == (0.229, 0.224, 0.225)


def test_files_that_are_not_videomae_v2_are_refused_in_one_sentence(
    state: dict[str, Tensor], tmp_path: Path
):
    path = tmp_path / "vit.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="is not a finetuned VideoMAE v2"):
        videomae_features(path)
    torch.save({key: v for key, v in state.items() if "blocks.1.norm2" not in key}, path)
    with pytest.raises(CheckpointError, match=r"lack 2 of its names") as caught:
        videomae_features(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="is not the file that was asked for"):
        videomae_features(path, sha256="00")
