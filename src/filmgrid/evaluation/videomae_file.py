"""VideoMAE v2 from the files of its authors, run by the VideoMAE of transformers.

Both have the same architecture under other names, but for the small number in the layer norms:
1e-6 in the authors' code, which the file does not tell.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from filmgrid.errors import CheckpointError
from filmgrid.evaluation.weights import StateDict, fill, load_state

HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}
"""Attention heads by width: small, base, large, huge, giant."""
SIDE = 224
FRAMES = 16
EPS = 1e-6

NAMES = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
OUTSIDE = {
    "patch_embed.proj": "videomae.embeddings.patch_embeddings.projection",
    "norm": "videomae.layernorm",
    "fc_norm": "fc_norm",
    "head": "classifier",
}


def load_videomae_file(path: Path) -> tuple[Any, Any, Any]:
    """Read a finetuned model, such as the ViT-g of content-debiased FVD.

    Returns:
        The VideoMAEModel, the norm of the mean of its tokens, and the configuration.

    Raises:
        CheckpointError: if the file cannot be read, or is not a finetuned VideoMAE v2.
    """
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    state = load_state(path)
    try:
        width, _, tubelet, patch, _ = state["patch_embed.proj.weight"].shape
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        labels = state["head.weight"].shape[0]
        heads = HEADS[width]
        state["fc_norm.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a finetuned VideoMAE v2: it has no {error}. Give a file such as "
            "vit_g_hybrid_pt_1200e_ssv2_ft.pth, or the Hub id or folder of a model."
        ) from error
    config = VideoMAEConfig(
        id2label={index: str(index) for index in range(labels)},
        image_size=SIDE,
        patch_size=patch,
        num_frames=FRAMES,
        tubelet_size=tubelet,
        hidden_size=width,
        num_hidden_layers=1 + max(_block(key) for key in state),
        num_attention_heads=heads,
        intermediate_size=hidden,
        layer_norm_eps=EPS,
        use_mean_pooling=True,
    )
    with torch.random.fork_rng(devices=[]):  # its first, random weights are thrown away
        whole = VideoMAEForVideoClassification(config)
    fill(whole, renamed(state), str(path))
    whole.eval().requires_grad_(False)
    return whole.videomae, whole.fc_norm, config


def renamed(state: StateDict) -> StateDict:
    """The authors' names as those of transformers; query, key and value apart."""
    result: dict[str, Tensor] = {}
    for key, values in state.items():
        inside = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
        if inside is None:
            module, _, kind = key.rpartition(".")
            result[f"{OUTSIDE.get(module, module)}.{kind}"] = values
            continue
        layer, rest = f"videomae.encoder.layer.{inside[1]}", inside[2]
        attention = f"{layer}.attention.attention"
        if rest == "attn.qkv.weight":
            for name, part in zip(("query", "key", "value"), values.chunk(3), strict=True):
                result[f"{attention}.{name}.weight"] = part
        elif rest in ("attn.q_bias", "attn.v_bias"):
            result[f"{attention}.{'query' if rest[5] == 'q' else 'value'}.bias"] = values
        else:
            module, _, kind = rest.rpartition(".")
            result[f"{layer}.{NAMES.get(module, module)}.{kind}"] = values
    return result


def _block(key: str) -> int:
    inside = re.match(r"blocks\.(\d+)\.", key)
    return -1 if inside is None else int(inside[1])
