"""Encoders of words and images that several peers share, published and tiny."""

from filmgrid.models.published.parts import Part

START, END = 512, 513
"""Ids of the two special tokens of our CLIP tokenizer."""
XXL = {
    "d_model": 4096,
    "d_ff": 10240,
    "d_kv": 64,
    "num_heads": 64,
    "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
}
TINY = {
    "vocab_size": 128,
    "d_model": 32,
    "d_ff": 64,
    "d_kv": 16,
    "num_heads": 2,
    "num_layers": 2,
    "feed_forward_proj": "gated-gelu",
}


def xxl_t5() -> Part:
    """T5 v1.1 XXL, the encoder alone: 4.8 billion parameters."""
    return Part(
        "transformers:T5EncoderModel", {**XXL, "vocab_size": 32128}, "transformers:T5Config"
    )


def xxl_umt5() -> Part:
    """UMT5 XXL, the encoder alone: 5.7 billion parameters."""
    return Part(
        "transformers:UMT5EncoderModel", {**XXL, "vocab_size": 256384}, "transformers:UMT5Config"
    )


def tiny_t5() -> Part:
    """T5 of 32 features."""
    return Part("transformers:T5EncoderModel", TINY, "transformers:T5Config")


def tiny_umt5() -> Part:
    """UMT5 of 32 features."""
    return Part("transformers:UMT5EncoderModel", TINY, "transformers:UMT5Config")


def clip_text(width: int = 768, depth: int = 12, heads: int = 12, hidden: int = 3072) -> Part:
    """The text half of CLIP, ViT-L/14's by default."""
    options = {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "projection_dim": width,
        "bos_token_id": START,
        "eos_token_id": END,
        "pad_token_id": END,
    }
    return Part("transformers:CLIPTextModel", options, "transformers:CLIPTextConfig")


def clip_vision(
    width: int, depth: int, heads: int, hidden: int, projection: int, patch: int
) -> Part:
    """The image half of CLIP, for 224 px."""
    options = {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "projection_dim": projection,
        "patch_size": patch,
        "image_size": 224,
        "hidden_act": "gelu",
    }
    return Part(
        "transformers:CLIPVisionModelWithProjection", options, "transformers:CLIPVisionConfig"
    )
