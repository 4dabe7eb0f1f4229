"""What is encoded once and for all before a pretrained pipeline is trained: prompts and frames.

Both are found again by their content, so that runs with the same data and model may share a
folder, and a frame counts as encoded whichever sequence, layout or window it appears in::

    CACHE/texts-MODEL/SHARD.safetensors      prompts, as the text encoders say them
    CACHE/latents-MODEL/SHARD.safetensors    frames, as the autoencoder codes them

A shard is named after what is in it and appears whole or not at all: caching that was killed
goes on with the shards that are missing, and several processes share them out.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from filmgrid.data.augment_config import AugmentConfig
from filmgrid.data.degrade_config import DegradeConfig
from filmgrid.data.examples import ExampleSource
from filmgrid.data.files import atomic_path
from filmgrid.data.folder_examples import FolderExamples
from filmgrid.data.manifest import content_hash
from filmgrid.errors import CheckpointError
from filmgrid.models.codec import Codec, pixels_of
from filmgrid.models.places import find_model
from filmgrid.models.pretrained import PretrainedBackbone
from filmgrid.models.vae import VaeCodec
from filmgrid.training.batches import possible_prompts
from filmgrid.training.config import TrainConfig
from filmgrid.training.state import TrainState
from filmgrid.types import FrameArray

log = logging.getLogger(__name__)
Item = TypeVar("Item")
TEXTS_PER_SHARD, SEQUENCES_PER_SHARD = 32, 16
SAMPLE_BYTES = 2**16
"""Read from both ends of a file of weights, to know it again."""


class Shards:
    """Tensors by key, in files of many.

    Args:
        folder: of the shards; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}

    def fill(
        self,
        groups: Sequence[Sequence[str]],
        encode: Callable[[int], Mapping[str, Mapping[str, Tensor]]],
        rank: int = 0,
        processes: int = 1,
    ) -> int:
        """Encode the groups whose shard is not there; this process's share of them.

        Args:
            groups: what each shard is made of, in words that change with it.
            encode: gives the tensors of a group, by its number and then by key.
            rank: of this process.
            processes: that share the work.

        Returns:
            Number of shards that were made.
        """
        made = 0
        for number, group in enumerate(groups):
            path = self._path(group)
            if number % processes != rank or path.is_file():
                continue
            tensors = {
                f"{_hash(key)}/{name}": value.contiguous().cpu()
                for key, entry in encode(number).items()
                for name, value in entry.items()
            }
            with atomic_path(path) as part:
                save_file(tensors, part)
            made += 1
        return made

    def open(self, groups: Sequence[Sequence[str]]) -> None:
        """Learn what is in the shards of these groups; all processes have filled them by now.

        Raises:
            CheckpointError: if one is damaged.
        """
        for group in groups:
            path = self._path(group)
            with _reading(path) as shard:
                names = shard.keys()
            self._files |= {name.partition("/")[0]: path for name in names}

    def __contains__(self, key: str) -> bool:
        """Whether it was encoded."""
        return _hash(key) in self._files

    def __getitem__(self, key: str) -> dict[str, Tensor]:
        """The tensors of a key, on the CPU.

        Raises:
            CheckpointError: if its shard is damaged.
        """
        wanted = _hash(key)
        with _reading(self._files[wanted]) as shard:
            names = shard.keys()
            return {
                name.partition("/")[2]: shard.get_tensor(name)
                for name in names
                if name.startswith(wanted)
            }

    def _path(self, group: Sequence[str]) -> Path:
        return self.folder / f"{_hash(*group)[:16]}.safetensors"


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as shard:
            yield shard
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"The cache {path} is damaged ({error}). Delete it: the same command makes it anew."
        ) from error


class CachedLatents:
    """Codes frames, those that were coded before from the shards.

    Args:
        codec: for all others.
        shards: latents by the hash of their frame.
    """

    def __init__(self, codec: Codec, shards: Shards) -> None:
        self._codec = codec
        self._shards = shards
        self.misses = 0

    def of(self, frames: FrameArray, device: torch.device) -> Tensor:
        """Latents ``b n d y x`` of frames ``b n h w c``."""
        flat = frames.reshape(-1, *frames.shape[-3:])
        keys = [content_hash(frame[None]) for frame in flat]
        lacking = [at for at, key in enumerate(keys) if key not in self._shards]
        self.misses += len(lacking)
        coded = self._codec.encode(pixels_of(flat[lacking][None], device))[0] if lacking else None
        made = []
        for at, key in enumerate(keys):
            if coded is not None and at in lacking:
                made.append(coded[lacking.index(at)])
            else:
                made.append(self._shards[key]["latent"].to(device))
        return torch.stack(made).unflatten(0, frames.shape[:2])


def fill_caches(state: TrainState, sources: Sequence[ExampleSource]) -> None:
    """Encode all prompts and frames of a run on a pretrained pipeline, and let go of its encoders.

    The autoencoder then waits in the machine's memory for the next samples.

    Nothing is cached of a grid transformer, nor of a model that codes whole grids, nor of data
    that never ends. Frames that augmentation
    changes are coded when they come.

    Args:
        state: of the run; from now on it finds what is cached.
        sources: all that it will ever see, those that samples are drawn for included.
    """
    config, backbone = state.config, state.plain
    folders = [source for source in sources if isinstance(source, FolderExamples)]
    if not isinstance(backbone, PretrainedBackbone) or not config.caching:
        return
    if backbone.facts.coding == "grid":
        return
    if len(folders) < len(sources):
        return
    place = config.cache or config.out / "cache"
    model = _identity(config)
    texts = _texts(state, backbone, folders, place / f"texts-{model}")
    latents = _latents(state, folders, place / f"latents-{model}")
    state.latents = CachedLatents(state.codec, latents)
    for name in ("text_encoder", "text_encoder_2"):
        if getattr(backbone.pipeline, name, None) is not None:
            setattr(backbone.pipeline, name, None)
    if _all_are_cached(config) and isinstance(state.codec, VaeCodec):
        state.codec.rest()
    state.plain = replace(backbone, texts=texts)
    state.backbone = state.plain.with_module(state.backbone.module)
    if state.accelerator.device.type == "cuda":
        torch.cuda.empty_cache()


def _all_are_cached(config: TrainConfig) -> bool:
    """Whether no frame is coded in a step, because nothing changes any."""
    plain = all(data.augment == AugmentConfig() for data in config.data)
    return plain and config.degrade == DegradeConfig()


def _texts(
    state: TrainState, backbone: PretrainedBackbone, folders: list[FolderExamples], place: Path
) -> Shards:
    prompts = possible_prompts(state.config, folders)
    groups = _chunks(prompts, TEXTS_PER_SHARD)

    def encode(number: int) -> dict[str, Mapping[str, Tensor]]:
        return {prompt: backbone.encode([prompt]) for prompt in groups[number]}

    return _filled(state, place, groups, encode, f"{len(prompts)} prompts")


def _latents(state: TrainState, folders: list[FolderExamples], place: Path) -> Shards:
    codec, device = state.codec, state.accelerator.device
    listed = [
        (folder.sequences, index)
        for folder, data in zip(folders, state.config.data, strict=False)
        if data.augment == AugmentConfig()
        for index in range(len(folder))
    ]
    chunks = _chunks(listed, SEQUENCES_PER_SHARD)
    groups = [[sequences.entries[index].sha256 for sequences, index in chunk] for chunk in chunks]

    def encode(number: int) -> dict[str, Mapping[str, Tensor]]:
        coded: dict[str, Mapping[str, Tensor]] = {}
        for sequences, index in chunks[number]:
            frames = sequences[index].frames
            latents = codec.encode(pixels_of(frames[None], device))[0]
            for frame, latent in zip(frames, latents, strict=True):
                coded[content_hash(frame[None])] = {"latent": latent}
        return coded

    return _filled(state, place, groups, encode, f"{len(listed)} sequences")


def _filled(
    state: TrainState,
    place: Path,
    groups: Sequence[Sequence[str]],
    encode: Callable[[int], Mapping[str, Mapping[str, Tensor]]],
    what: str,
) -> Shards:
    """Shards that all processes have filled together."""
    shards, accelerator = Shards(place), state.accelerator
    with torch.no_grad():
        made = shards.fill(groups, encode, accelerator.process_index, accelerator.num_processes)
    accelerator.wait_for_everyone()
    shards.open(groups)
    if accelerator.is_main_process:
        log.info(f"{what} are encoded in {place}; {made} of {len(groups)} shards are new.")
    return shards


def _chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _identity(config: TrainConfig) -> str:
    """Changes with the encoders of the pipeline, wherever it lies."""
    assert config.start_from is not None
    folder = find_model(config.start_from, weights=True)
    seen = hashlib.sha256(config.precision.encode())
    for path in sorted(folder.rglob("*")):
        part = path.relative_to(folder).parts[0]
        if not path.is_file() or not part.startswith(("text_encoder", "tokenizer", "vae")):
            continue
        size = path.stat().st_size
        with path.open("rb") as file:
            seen.update(f"{path.relative_to(folder).as_posix()} {size}".encode())
            seen.update(file.read(SAMPLE_BYTES))
            file.seek(max(0, size - SAMPLE_BYTES))
            seen.update(file.read())
    return seen.hexdigest()[:12]
