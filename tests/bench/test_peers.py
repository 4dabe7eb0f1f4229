import json

import pytest
import torch

from filmgrid.bench.config import PEERS, BenchConfig, ClipSize, parse_subject
from filmgrid.bench.flops import count_run
from filmgrid.bench.peers.opening import open_peer
from filmgrid.bench.peers.table import BY_NAME
from filmgrid.errors import CheckpointError, ConfigError
from filmgrid.models.published import build as building
from filmgrid.models.published.build import build, num_parameters, sketch
from filmgrid.models.published.encoders import END, START
from filmgrid.models.published.parts import Part, find
from filmgrid.models.published.text import chat_tokenizer, clip_tokenizer, t5_tokenizer

CPU = torch.device("cpu")


def opened(text, dtype=torch.float32, **settings):
    config = BenchConfig(subjects=(text,), **settings)
    return open_peer(parse_subject(text), config, CPU, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("name", "clip", "passes", "tokens"),
    [
        ("flux", (1, 128, 128), 1, 8 * 8),
        ("flux2-klein", (1, 128, 128), 2, 8 * 8),
        ("z-image", (1, 128, 128), 2, 8 * 8),
        ("cogvideox", (9, 64, 64), 2, 3 * 4 * 4),
        ("animatediff", (8, 64, 64), 2, 8 * 8 * 8),
        ("svd", (8, 64, 64), 2, 8 * 8 * 8),
        ("ltx", (9, 64, 64), 2, 2 * 2 * 2),
        ("wan", (9, 64, 64), 2, 3 * 4 * 4),
    ],
)
def test_every_peer_runs_whole_from_a_tiny_architecture(name, clip, passes, tokens, dtype):
    subject = opened(f"{name}=tiny", dtype)
    count = count_run(subject)
    assert subject.weights == "tiny"
    assert count.made.clip == ClipSize(*clip)
    assert count.made.steps == 2
    assert count.passes == passes
    assert count.tokens == tokens
    assert count.flops > 2 * passes * count.pass_flops > 0
    dtypes = {parameter.dtype for parameter in subject.denoisers[0].parameters()}
    assert dtype in dtypes


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("flux", {"transformer": 11.901, "text_encoder_2": 4.762, "vae": 0.084}),
        ("flux2-klein", {"transformer": 3.876, "text_encoder": 4.022, "vae": 0.084}),
        ("z-image", {"transformer": 6.155, "text_encoder": 4.022, "vae": 0.084}),
        ("cogvideox", {"transformer": 1.694, "text_encoder": 4.762, "vae": 0.216}),
        ("animatediff", {"unet": 1.313, "text_encoder": 0.123, "vae": 0.084}),
        ("svd", {"unet": 1.525, "image_encoder": 0.632, "vae": 0.098}),
        ("ltx", {"transformer": 1.923, "text_encoder": 4.762, "vae": 0.419}),
        ("wan", {"transformer": 1.419, "text_encoder": 5.681, "vae": 0.127}),
    ],
)
def test_published_sizes_have_the_published_parameters(name, billions):
    made = sketch(BY_NAME[name].published.parts())
    found = {part: round(num_parameters(made[part]) / 1e9, 3) for part in billions}
    assert found == billions
    assert all(each.is_meta for part in billions for each in made[part].parameters())


def test_a_size_can_be_asked_for(monkeypatch):
    made = opened("wan=tiny@5x32x48", steps=1).run()
    assert (made.clip, made.steps) == (ClipSize(5, 32, 48), 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flux=tiny@1x70x64", "was asked for 1x70x64 and made 1x64x64"),
        ("wan=tiny@6x64x64", "Ask for wan=tiny@5x64x64"),
        ("cogvideox=tiny@9x60x64", "does not run at this size: `height` and `width`"),
    ],
)
def test_a_size_that_is_not_made_is_refused(text, sentence):
    with pytest.raises(ConfigError) as refusal:
        opened(text, steps=1).run()
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("name", PEERS)
def test_a_published_size_without_room_is_refused_in_one_sentence(name, monkeypatch):
    monkeypatch.setattr(building, "free_memory", lambda device: 2**30)
    with pytest.raises(ConfigError, match=rf"^{name} at its published size has .* 1\.0 GiB are"):
        opened(f"{name}=random")


def test_a_saved_pipeline_is_timed_like_one_from_the_hub(tmp_path):
    tiny = find("diffusers:FluxPipeline")(
        **build(BY_NAME["flux"].tiny.parts(), CPU, torch.float32, "flux")
    )
    tiny.save_pretrained(tmp_path / "flux")
    subject = opened(f"flux={tmp_path / 'flux'}@1x64x64", torch.bfloat16, steps=1)
    count = count_run(subject)
    assert subject.weights == "trained"
    assert (count.made.clip, count.made.steps, count.tokens) == (ClipSize(1, 64, 64), 1, 16)


def test_a_motion_adapter_is_put_into_a_stable_diffusion(tmp_path):
    parts = dict(BY_NAME["animatediff"].tiny.parts())
    sizes = {"block_out_channels": (32, 32)}
    parts["unet"] = Part(
        "diffusers:UNet2DConditionModel",
        {
            **sizes,
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "attention_head_dim": 2,
            "norm_num_groups": 8,
        },
    )
    parts["motion_adapter"] = Part(
        "diffusers:MotionAdapter",
        {
            **sizes,
            "motion_layers_per_block": 1,
            "motion_num_attention_heads": 2,
            "motion_norm_num_groups": 8,
        },
    )
    made = build(parts, CPU, torch.float32, "animatediff")
    made.pop("motion_adapter").save_pretrained(tmp_path / "adapter")
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    base = find("diffusers:StableDiffusionPipeline")(**made, **without)
    base.save_pretrained(tmp_path / "base")
    text = f"animatediff={tmp_path / 'base'},{tmp_path / 'adapter'}@4x64x64"
    count = count_run(opened(text, steps=1))
    assert (count.made.clip, count.passes) == (ClipSize(4, 64, 64), 2)


def test_weights_that_cannot_be_loaded_get_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "model_index.json").write_text(
        json.dumps({"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]})
    )
    with pytest.raises(CheckpointError, match=r"^FluxPipeline could not be loaded from"):
        opened(f"flux={tmp_path}")


def test_shared_weights_stay_shared_and_random_ones_keep_their_size():
    parts = BY_NAME["flux"].tiny.parts()
    made = build(parts, CPU, torch.float32, "flux")
    encoder = made["text_encoder_2"]
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight
    layer = made["transformer"].transformer_blocks[0].ff.net[0].proj
    assert float(layer(torch.randn(64, layer.in_features)).std()) == pytest.approx(1, abs=0.2)
    assert not any(network.training for network in (made["transformer"], encoder, made["vae"]))


@pytest.mark.parametrize("make", [t5_tokenizer, chat_tokenizer, clip_tokenizer])
def test_offline_tokenizers_spell_what_they_were_given(make):
    tokenizer = make(32)
    told = "a red ball rolls by"
    ids = tokenizer(told, padding="max_length").input_ids
    assert len(ids) == 32
    assert tokenizer.decode(ids, skip_special_tokens=True) == told


def test_clip_knows_its_special_tokens():
    first, *_, last = clip_tokenizer(32)("ball").input_ids
    assert (first, last) == (START, END)
