"""FLUX.1, FLUX.2-klein and Z-Image: the pipelines that grids are made with. Free of torch."""

from collections.abc import Callable, Mapping

from filmgrid.models.published.encoders import clip_text, tiny_t5, xxl_t5
from filmgrid.models.published.parts import Part

SHIFTED = {"shift": 3.0, "use_dynamic_shifting": True}


def _vae() -> Part:
    """The autoencoder of FLUX.1 and Z-Image."""
    return Part(
        "diffusers:AutoencoderKL",
        {
            "block_out_channels": (128, 256, 512, 512),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "latent_channels": 16,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
            "scaling_factor": 0.3611,
            "shift_factor": 0.1159,
        },
    )


def _tiny_vae() -> Part:
    """The same of 16 features."""
    return Part(
        "diffusers:AutoencoderKL",
        {
            "block_out_channels": (16, 16, 16, 16),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
            "shift_factor": 0.1,
        },
    )


def _qwen3(kind: str, width: int = 2560, hidden: int = 9728) -> Part:
    """Qwen3, 4B by default, as the class of it that a pipeline uses."""
    return Part(
        f"transformers:{kind}",
        {
            "hidden_size": width,
            "intermediate_size": hidden,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "tie_word_embeddings": width == 2560,
        },
        "transformers:Qwen3Config",
    )


def _tiny_qwen3(kind: str) -> Part:
    """The same of 32 features, deep enough for the layers that pipelines read."""
    return Part(
        f"transformers:{kind}",
        {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 28,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "vocab_size": 128,
            "tie_word_embeddings": True,
        },
        "transformers:Qwen3Config",
    )


def flux() -> Mapping[str, Part]:
    """FLUX.1-dev, as it was released."""
    return {
        "transformer": Part("diffusers:FluxTransformer2DModel", {"guidance_embeds": True}),
        "vae": _vae(),
        "text_encoder": clip_text(),
        "tokenizer": Part("filmgrid.models.published.text:clip_tokenizer", {"max_length": 77}),
        "text_encoder_2": xxl_t5(),
        "tokenizer_2": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 512}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", SHIFTED),
    }


def tiny_flux() -> Mapping[str, Part]:
    """FLUX.1-dev in small."""
    return {
        "transformer": Part(
            "diffusers:FluxTransformer2DModel",
            {
                "in_channels": 16,
                "num_layers": 2,
                "num_single_layers": 2,
                "attention_head_dim": 32,
                "num_attention_heads": 2,
                "joint_attention_dim": 32,
                "pooled_projection_dim": 32,
                "axes_dims_rope": (8, 12, 12),
                "guidance_embeds": True,
            },
        ),
        "vae": _tiny_vae(),
        "text_encoder": clip_text(width=32, depth=2, heads=2, hidden=64),
        "tokenizer": Part("filmgrid.models.published.text:clip_tokenizer", {"max_length": 77}),
        "text_encoder_2": tiny_t5(),
        "tokenizer_2": Part("filmgrid.models.published.text:t5_tokenizer", {"max_length": 32}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", SHIFTED),
    }


def klein() -> Mapping[str, Part]:
    """FLUX.2-klein-base-4B, as it was released."""
    return {
        "transformer": Part(
            "diffusers:Flux2Transformer2DModel",
            {
                "num_layers": 5,
                "num_single_layers": 20,
                "num_attention_heads": 24,
                "joint_attention_dim": 7680,
                "guidance_embeds": False,
            },
        ),
        "vae": Part("diffusers:AutoencoderKLFlux2"),
        "text_encoder": _qwen3("Qwen3ForCausalLM"),
        "tokenizer": Part("filmgrid.models.published.text:chat_tokenizer", {"max_length": 512}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", SHIFTED),
    }


def tiny_klein() -> Mapping[str, Part]:
    """FLUX.2-klein in small."""
    return {
        "transformer": Part(
            "diffusers:Flux2Transformer2DModel",
            {
                "in_channels": 16,
                "num_layers": 1,
                "num_single_layers": 2,
                "attention_head_dim": 32,
                "num_attention_heads": 2,
                "joint_attention_dim": 96,
                "axes_dims_rope": (8, 8, 8, 8),
                "guidance_embeds": False,
            },
        ),
        "vae": Part(
            "diffusers:AutoencoderKLFlux2",
            {
                "block_out_channels": (16, 16, 16, 16),
                "latent_channels": 4,
                "norm_num_groups": 4,
                "layers_per_block": 1,
            },
        ),
        "text_encoder": _tiny_qwen3("Qwen3ForCausalLM"),
        "tokenizer": Part("filmgrid.models.published.text:chat_tokenizer", {"max_length": 32}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", SHIFTED),
    }


def z_image() -> Mapping[str, Part]:
    """Z-Image, as it was released."""
    return {
        "transformer": Part("diffusers:ZImageTransformer2DModel"),
        "vae": _vae(),
        "text_encoder": _qwen3("Qwen3Model"),
        "tokenizer": Part("filmgrid.models.published.text:chat_tokenizer", {"max_length": 512}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", {"shift": 6.0}),
    }


def tiny_z_image() -> Mapping[str, Part]:
    """Z-Image in small."""
    return {
        "transformer": Part(
            "diffusers:ZImageTransformer2DModel",
            {
                "in_channels": 4,
                "dim": 64,
                "n_layers": 2,
                "n_refiner_layers": 1,
                "n_heads": 2,
                "n_kv_heads": 2,
                "cap_feat_dim": 32,
                "axes_dims": [8, 12, 12],
                "axes_lens": [1024, 64, 64],
            },
        ),
        "vae": _tiny_vae(),
        "text_encoder": _tiny_qwen3("Qwen3Model"),
        "tokenizer": Part("filmgrid.models.published.text:chat_tokenizer", {"max_length": 32}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", {"shift": 6.0}),
    }


def schnell() -> Mapping[str, Part]:
    """FLUX.1-schnell: dev without its guidance and its shift."""
    return {
        **flux(),
        "transformer": Part("diffusers:FluxTransformer2DModel", {"guidance_embeds": False}),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", {"shift": 1.0}),
    }


def klein_9b() -> Mapping[str, Part]:
    """FLUX.2-klein-base-9B, as it was released."""
    return {
        **klein(),
        "transformer": Part(
            "diffusers:Flux2Transformer2DModel",
            {
                "num_layers": 8,
                "num_single_layers": 24,
                "num_attention_heads": 32,
                "joint_attention_dim": 12288,
                "guidance_embeds": False,
            },
        ),
        "text_encoder": _qwen3("Qwen3ForCausalLM", 4096, 12288),
    }


def dit() -> Mapping[str, Part]:
    """DiT-XL/2 at 512 px, as it was released."""
    vae = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
    }
    return {
        "transformer": Part(
            "diffusers:DiTTransformer2DModel", {"sample_size": 64, "out_channels": 8}
        ),
        "vae": Part("diffusers:AutoencoderKL", vae),
        "scheduler": Part("diffusers:DDIMScheduler", {"clip_sample": False}),
    }


def z_image_turbo() -> Mapping[str, Part]:
    """Z-Image-Turbo: the network of Z-Image under another shift."""
    return {
        **z_image(),
        "scheduler": Part("diffusers:FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    }


PUBLISHED: dict[str, tuple[str, Callable[[], Mapping[str, Part]]]] = {
    "flux1-dev": ("FluxPipeline", flux),
    "flux1-schnell": ("FluxPipeline", schnell),
    "flux2-klein-base-4b": ("Flux2KleinPipeline", klein),
    "flux2-klein-4b": ("Flux2KleinPipeline", klein),
    "flux2-klein-base-9b": ("Flux2KleinPipeline", klein_9b),
    "dit-xl-2-512": ("DiTPipeline", dit),
    "z-image": ("ZImagePipeline", z_image),
    "z-image-turbo": ("ZImagePipeline", z_image_turbo),
}
"""Class of the pipeline and its parts, by the short name of a known model."""
