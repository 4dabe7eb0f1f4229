import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from filmgrid.captioning.answers import UnusableError
from filmgrid.captioning.config import CaptionConfig
from filmgrid.captioning.models import Local
from filmgrid.captioning.words import Turn
from filmgrid.errors import CheckpointError

TEMPLATE = """{% for message in messages %}{{ message['role'] }}: {% for part in message['content']
%}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""
PICTURE = np.arange(40 * 40 * 3, dtype=np.uint8).reshape(40, 40, 3)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    """A LLaVA of random weights that spells bytes, saved as a real one is."""
    letters = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    spelling = Tokenizer(models.BPE(vocab=letters, merges=[]))
    spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    spelling.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=spelling, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **small, num_attention_heads=2, image_size=28, patch_size=14, projection_dim=32
        ),
        text_config=LlamaConfig(
            **small,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    folder = tmp_path_factory.mktemp("vlm")
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


def config_of(vlm, tmp_path):
    return CaptionConfig(
        dataset=tmp_path, model=str(vlm), local=True, max_tokens=16, device="cpu", precision="fp32"
    )


TURNS = [Turn("system", "Caption it."), Turn("user", "What is seen?", (PICTURE,))]


def test_it_writes_what_the_model_writes(vlm, tmp_path, monkeypatch):
    local = Local(config_of(vlm, tmp_path))
    end = local._processor.tokenizer.eos_token_id
    monkeypatch.setattr(local._model.generation_config, "forced_eos_token_id", end)
    reply = local.ask(TURNS, None)
    processor = AutoProcessor.from_pretrained(vlm)
    said = "system: Caption it.user: <image>What is seen?assistant: "
    inputs = processor(images=PICTURE, text=said, return_tensors="pt")
    model = AutoModelForImageTextToText.from_pretrained(vlm)
    out = model.generate(**inputs, max_new_tokens=16, do_sample=False, forced_eos_token_id=end)
    sent = inputs["input_ids"].shape[1]
    assert reply.tokens_in == sent and reply.tokens_out == len(out[0]) - sent
    assert reply.text == processor.decode(out[0, sent:], skip_special_tokens=True) != ""


def test_an_answer_without_an_end_was_cut_off(vlm, tmp_path):
    with pytest.raises(UnusableError, match="cut off after 16 tokens"):
        Local(config_of(vlm, tmp_path)).ask(TURNS, None)


def test_what_is_no_such_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded as a vision-language model"):
        Local(config_of(tmp_path / "nothing", tmp_path))
