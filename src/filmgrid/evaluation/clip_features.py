"""CLIP: how frames look, one vector each, and how well they fit a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32

from filmgrid.errors import ConfigError
from filmgrid.evaluation.features import ClipBatch, Extractor
from filmgrid.evaluation.hub import find_place, load_network, load_processor, published, stated
from filmgrid.evaluation.preprocess import prepare
from filmgrid.evaluation.spec import FrameChoice, Preprocessing, Statement, Weights
from filmgrid.evaluation.weights import state_sha256

PROCESSOR: dict[str, Any] = {
    "resample": 3,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
"""What CLIP's preprocessor_config.json says, where a model has none."""


class ClipFeatures(Extractor):
    """Image embeddings of CLIP, one per frame, each of length 1: products are cosines.

    Args:
        network: a CLIPModel.
        tokenizer: of the same model; None if only frames are embedded.
        statement: what it is.
        device: where it runs.
        batch_size: clips at once.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        statement: Statement,
        device: str | torch.device = "cpu",
        batch_size: int = 2,
    ):
        super().__init__(statement, batch_size)
        self.network = network
        self.tokenizer = tokenizer
        self.device = device

    def measure(self, clips: ClipBatch) -> Float32[np.ndarray, "b n dim"]:
        """Embeddings of the frames of one batch."""
        pixels = prepare(clips, self.statement.preprocessing, self.device)
        frames = rearrange(pixels, "b c n h w -> (b n) c h w")
        with torch.inference_mode():
            pooled = self.network.vision_model(pixel_values=frames).pooler_output
            embedded = torch.nn.functional.normalize(self.network.visual_projection(pooled), dim=-1)
        return rearrange(embedded, "(b n) d -> b n d", b=len(clips)).cpu().numpy()

    def embed_text(self, prompts: Sequence[str]) -> Float32[np.ndarray, "prompts dim"]:
        """Text embeddings of length 1, to be multiplied with those of frames.

        Raises:
            ConfigError: if a prompt is longer than the model reads, or the model has no tokenizer.
        """
        if self.tokenizer is None:
            raise ConfigError(
                f"{self.statement.weights.name} has no tokenizer, so text cannot be embedded. "
                "Copy the whole folder of the model."
            )
        longest = self.network.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(prompts), padding=True, return_tensors="pt")
        for prompt, mask in zip(prompts, tokens["attention_mask"], strict=True):
            if int(mask.sum()) > longest:
                raise ConfigError(
                    f"The prompt {prompt[:40]!r} has {int(mask.sum())} tokens, and "
                    f"{self.statement.weights.name} reads {longest}. Shorten it."
                )
        with torch.inference_mode():
            pooled = self.network.text_model(**tokens.to(self.device)).pooler_output
            embedded = torch.nn.functional.normalize(self.network.text_projection(pooled), dim=-1)
        return embedded.cpu().numpy()


def clip_features(
    model: str | Path,
    *,
    revision: str | None = None,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> ClipFeatures:
    """Load CLIP. Frames are prepared as the model's own preprocessor_config.json says.

    Args:
        model: Hub id such as ``openai/clip-vit-large-patch14``, or a folder.
        revision: commit or branch on the Hub.
        frames: which frames are looked at, all by default.
        device: where the network runs.
        batch_size: clips at once.

    Raises:
        CheckpointError: if the model cannot be found or read, or is not CLIP.
    """
    from transformers import AutoTokenizer, CLIPModel

    place, facts = find_place(model, revision)
    network, config = load_network(CLIPModel, place, revision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision)
    except (OSError, ValueError, KeyError):
        tokenizer = None
    if tokenizer is not None and len(tokenizer) < config.text_config.vocab_size // 2:
        tokenizer = None  # transformers gives an empty one where its files are missing
    spec = published(
        load_processor(place, revision, PROCESSOR),
        config.vision_config.image_size,
        frames or FrameChoice(),
    )
    weights = stated(facts, network, config)
    return _features(network, tokenizer, weights, spec, device, batch_size)


def random_clip_features(
    seed: int,
    *,
    frames: FrameChoice | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 2,
) -> ClipFeatures:
    """CLIP ViT-B/32 with random weights and letters for words: the same way with no download.

    Args:
        seed: of the weights.
        frames: which frames are looked at, all by default.
        device: where the network runs.
        batch_size: clips at once.
    """
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    tokens = [*map(chr, range(33, 127)), " "]
    ends = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = [*tokens, *(f"{token}</w>" for token in tokens), *ends]
    start, end = len(vocabulary) - 2, len(vocabulary) - 1
    tokenizer = CLIPTokenizer(
        vocab={token: index for index, token in enumerate(vocabulary)}, merges=[]
    )
    config = CLIPConfig(
        text_config={"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CLIPModel(config).eval().requires_grad_(False)
    weights = Weights(source="seed", name=str(seed), sha256=state_sha256(network.state_dict()))
    side: Any = network.config.vision_config.image_size  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    spec = published(PROCESSOR, side, frames or FrameChoice())
    return _features(network, tokenizer, weights, spec, device, batch_size)


def _features(
    network: Any,
    tokenizer: Any,
    weights: Weights,
    spec: Preprocessing,
    device: str | torch.device,
    batch_size: int,
) -> ClipFeatures:
    statement = Statement(
        name="random-clip" if weights.source == "seed" else "clip",
        weights=weights,
        preprocessing=spec,
        layer="projected image embedding, length 1",
        dim=network.config.projection_dim,
        unit="frame",
    )
    return ClipFeatures(network.to(device), tokenizer, statement, device, batch_size)
