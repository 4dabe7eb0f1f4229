"""CogVideoX, LTX-Video and Wan: transformers over the latents of a whole video."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filmgrid.bench.config import ClipSize
from filmgrid.bench.peers.peer import Peer, Size, sequence_tokens
from filmgrid.models.published.encoders import tiny_t5, tiny_umt5, xxl_t5, xxl_umt5
from filmgrid.models.published.parts import Part

if TYPE_CHECKING:
    from torch import Tensor


def _cogvideox() -> Mapping[str, Part]:
    return {
        "transformer": Part("diffusers:CogVideoXTransformer3DModel"),
        "vae": Part(
            "diffusers:AutoencoderKLCogVideoX",
            {"layers_per_block": 3, "scaling_factor": 1.15258426},
        ),
        "text_encoder": xxl_t5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 226}),
        "scheduler": Part(
            "diffusers:CogVideoXDDIMScheduler",
            {
                "prediction_type": "v_prediction",
                "rescale_betas_zero_snr": True,
                "snr_shift_scale": 3.0,
                "timestep_spacing": "trailing",
            },
        ),
    }


def _tiny_cogvideox() -> Mapping[str, Part]:
    return {
        **_cogvideox(),
        "transformer": Part(
            "diffusers:CogVideoXTransformer3DModel",
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "in_channels": 4,
                "out_channels": 4,
                "time_embed_dim": 16,
                "text_embed_dim": 32,
                "num_layers": 2,
                "sample_width": 8,
                "sample_height": 8,
                "sample_frames": 9,
                "max_text_seq_length": 32,
            },
        ),
        "vae": Part(
            "diffusers:AutoencoderKLCogVideoX",
            {
                "block_out_channels": (8, 8, 8, 8),
                "latent_channels": 4,
                "layers_per_block": 1,
                "norm_num_groups": 4,
                "sample_height": 64,
                "sample_width": 64,
            },
        ),
        "text_encoder": tiny_t5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 32}),
    }


def _ltx() -> Mapping[str, Part]:
    return {
        "transformer": Part("diffusers:LTXVideoTransformer3DModel"),
        "vae": Part("diffusers:AutoencoderKLLTXVideo"),
        "text_encoder": xxl_t5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 128}),
        "scheduler": Part(
            "diffusers:FlowMatchEulerDiscreteScheduler",
            {"use_dynamic_shifting": True, "base_shift": 0.95, "max_shift": 2.05},
        ),
    }


def _tiny_ltx() -> Mapping[str, Part]:
    return {
        **_ltx(),
        "transformer": Part(
            "diffusers:LTXVideoTransformer3DModel",
            {
                "in_channels": 8,
                "out_channels": 8,
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "cross_attention_dim": 32,
                "caption_channels": 32,
                "num_layers": 2,
            },
        ),
        "vae": Part(
            "diffusers:AutoencoderKLLTXVideo",
            {
                "latent_channels": 8,
                "block_out_channels": (8, 8, 8, 8),
                "decoder_block_out_channels": (8, 8, 8, 8),
                "layers_per_block": (1, 1, 1, 1, 1),
                "decoder_layers_per_block": (1, 1, 1, 1, 1),
            },
        ),
        "text_encoder": tiny_t5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 32}),
    }


def _wan() -> Mapping[str, Part]:
    return {
        "transformer": Part(
            "diffusers:WanTransformer3DModel",
            {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30},
        ),
        "vae": Part("diffusers:AutoencoderKLWan"),
        "text_encoder": xxl_umt5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 512}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    }


def _tiny_wan() -> Mapping[str, Part]:
    return {
        **_wan(),
        "transformer": Part(
            "diffusers:WanTransformer3DModel",
            {
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "text_dim": 32,
                "ffn_dim": 64,
                "num_layers": 2,
                "rope_max_seq_len": 32,
            },
        ),
        "vae": Part(
            "diffusers:AutoencoderKLWan",
            {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
        ),
        "text_encoder": tiny_umt5(),
        "tokenizer": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 32}),
    }


def _patches(latents: "Tensor", denoiser: Any) -> int:
    """Tokens of ``b c f h w`` or ``b f c h w``: positions over the size of a patch."""
    patch = denoiser.config["patch_size"]
    in_one = patch**2 if isinstance(patch, int) else patch[0] * patch[1] * patch[2]
    return latents[0].numel() // denoiser.config["in_channels"] // in_one


COGVIDEOX = Peer(
    pipeline="CogVideoXPipeline",
    source="CogVideoX-2b",
    published=Size(_cogvideox, ClipSize(49, 480, 720), 50),
    tiny=Size(_tiny_cogvideox, ClipSize(9, 64, 64), 2, {"max_sequence_length": 32}),
    tokens=_patches,
)

LTX = Peer(
    pipeline="LTXPipeline",
    source="LTX-Video 0.9",
    published=Size(_ltx, ClipSize(161, 512, 704), 50),
    tiny=Size(_tiny_ltx, ClipSize(9, 64, 64), 2, {"max_sequence_length": 32}),
    tokens=sequence_tokens,
)

WAN = Peer(
    pipeline="WanPipeline",
    source="Wan2.1-T2V-1.3B",
    published=Size(_wan, ClipSize(81, 480, 832), 50),
    tiny=Size(_tiny_wan, ClipSize(9, 64, 64), 2, {"max_sequence_length": 32}),
    tokens=_patches,
    denoisers=("transformer", "transformer_2"),
)
