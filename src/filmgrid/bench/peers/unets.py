"""AnimateDiff and Stable Video Diffusion: U-Nets with layers along time."""

from collections.abc import Mapping

from filmgrid.bench.config import ClipSize
from filmgrid.bench.peers.peer import Peer, Size, positions
from filmgrid.models.published.encoders import clip_text, clip_vision
from filmgrid.models.published.parts import Part

VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
}
TINY_VAE = {**VAE, "block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
UP = {"up_block_types": ("UpDecoderBlock2D",) * 4}


def _animatediff() -> Mapping[str, Part]:
    return {
        "unet": Part(
            "diffusers:UNetMotionModel",
            {"cross_attention_dim": 768, "motion_num_attention_heads": 8},
        ),
        "motion_adapter": Part(
            "filmgrid.models.published.text:nothing"
        ),  # its layers are in the network above
        "vae": Part("diffusers:AutoencoderKL", {**VAE, **UP}),
        "text_encoder": clip_text(),
        "tokenizer": Part("filmgrid.models.published.text:clip_tokenizer", {"max_length": 77}),
        "scheduler": Part(
            "diffusers:DDIMScheduler",
            {
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "beta_schedule": "linear",
                "clip_sample": False,
                "steps_offset": 1,
            },
        ),
    }


def _tiny_animatediff() -> Mapping[str, Part]:
    return {
        **_animatediff(),
        "unet": Part(
            "diffusers:UNetMotionModel",
            {
                "block_out_channels": (32, 32),
                "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
                "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
                "layers_per_block": 1,
                "cross_attention_dim": 32,
                "num_attention_heads": 2,
                "motion_num_attention_heads": 2,
                "norm_num_groups": 8,
            },
        ),
        "vae": Part("diffusers:AutoencoderKL", {**TINY_VAE, **UP}),
        "text_encoder": clip_text(width=32, depth=2, heads=2, hidden=64),
    }


def _svd() -> Mapping[str, Part]:
    return {
        "unet": Part("diffusers:UNetSpatioTemporalConditionModel"),
        "vae": Part("diffusers:AutoencoderKLTemporalDecoder", VAE),
        "image_encoder": clip_vision(1280, 32, 16, 5120, 1024, 14),
        "feature_extractor": Part("transformers:CLIPImageProcessor"),
        "scheduler": Part(
            "diffusers:EulerDiscreteScheduler",
            {
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "beta_schedule": "scaled_linear",
                "interpolation_type": "linear",
                "prediction_type": "v_prediction",
                "sigma_max": 700.0,
                "sigma_min": 0.002,
                "steps_offset": 1,
                "timestep_spacing": "leading",
                "timestep_type": "continuous",
                "use_karras_sigmas": True,
            },
        ),
    }


def _tiny_svd() -> Mapping[str, Part]:
    return {
        **_svd(),
        "unet": Part(
            "diffusers:UNetSpatioTemporalConditionModel",
            {
                "block_out_channels": (32, 32),
                "down_block_types": (
                    "CrossAttnDownBlockSpatioTemporal",
                    "DownBlockSpatioTemporal",
                ),
                "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
                "layers_per_block": 1,
                "cross_attention_dim": 32,
                "num_attention_heads": 2,
                "addition_time_embed_dim": 32,
                "projection_class_embeddings_input_dim": 96,
            },
        ),
        "vae": Part("diffusers:AutoencoderKLTemporalDecoder", TINY_VAE),
        "image_encoder": clip_vision(32, 2, 2, 64, 32, 32),
    }


ANIMATEDIFF = Peer(
    pipeline="AnimateDiffPipeline",
    source="AnimateDiff v1.5.2 on Stable Diffusion 1.5",
    published=Size(_animatediff, ClipSize(16, 512, 512), 50),
    tiny=Size(_tiny_animatediff, ClipSize(8, 64, 64), 2),
    tokens=positions,
    denoisers=("unet",),
)

SVD = Peer(
    pipeline="StableVideoDiffusionPipeline",
    source="Stable Video Diffusion XT",
    published=Size(_svd, ClipSize(25, 576, 1024), 25),
    tiny=Size(_tiny_svd, ClipSize(8, 64, 64), 2),
    tokens=positions,
    denoisers=("unet",),
    needs_image=True,
)
