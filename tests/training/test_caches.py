import pytest
import torch

from filmgrid.bench.peers.tiny import NAMES
from filmgrid.data.augment_config import AugmentConfig
from filmgrid.errors import CheckpointError
from filmgrid.training.batches import Batches, open_sources, possible_prompts
from filmgrid.training.caches import Shards, fill_caches
from filmgrid.training.data_config import FolderData, WorldData
from filmgrid.training.run import train
from filmgrid.training.state import start_state
from filmgrid.training.step import losses_of, train_step
from filmgrid.training.validate import validate
from tests.training.test_pretrained import config_of


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cached_is_what_would_be_encoded(models, data, tmp_path, name):
    config = config_of(tmp_path, models[name], data, caption_dropout=0.3)
    sources = open_sources(config)
    plain, cached = start_state(config), start_state(config)
    fill_caches(cached, sources)
    pipeline = cached.plain.pipeline
    assert pipeline.text_encoder is None and cached.latents is not None
    batches = Batches(config, sources, facts=plain.backbone.facts)
    for number in range(4):
        one, two = losses_of(plain, batches[number]), losses_of(cached, batches[number])
        assert torch.allclose(one[0], two[0], rtol=1e-4)
        assert torch.allclose(one[1], two[1], rtol=1e-4)
    assert cached.latents.misses == 0


def test_every_prompt_of_a_run_is_foreseen(models, data, tmp_path):
    config = config_of(tmp_path, models["flux"], data, caption_dropout=0.3)
    sources = open_sources(config)
    foreseen = set(possible_prompts(config, sources))
    batches = Batches(config, sources)
    seen = {prompt for number in range(60) for prompt in batches[number].prompts}
    assert seen <= foreseen and "" in seen and len(seen) > 12


def test_a_run_that_caches_ends_and_draws_its_samples(models, data, tmp_path):
    config = config_of(
        tmp_path / "run", models["flux"], data, steps=2, validate_every=2, num_steps=2,
        validation_prompts=("a clip of nothing",), cache=tmp_path / "shared",
    )  # fmt: skip
    train(config)
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 1
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "shared").rglob("*.saf*")}
    assert len(files) == 2
    train(config.model_copy(update={"out": tmp_path / "other"}))
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_frames_that_augmentation_changes_are_coded_as_they_come(models, data, tmp_path):
    moved = FolderData(folder=data, augment=AugmentConfig(hue=90))
    config = config_of(tmp_path, models["flux"], data, data=(moved,))
    sources = open_sources(config)
    state = start_state(config)
    fill_caches(state, sources)
    batch = Batches(config, sources, facts=state.backbone.facts)[0]
    assert torch.isfinite(losses_of(state, batch)[0])
    assert state.latents.misses == batch.frames.shape[0] * batch.frames.shape[1]


def test_the_autoencoder_is_on_the_device_only_while_it_codes(models, data, tmp_path, monkeypatch):
    config = config_of(tmp_path, models["flux"], data, validate_every=2, steps=2, num_steps=1)
    sources = open_sources(config)
    state = start_state(config)
    vae, told = state.codec.vae, []
    # A second CPU stands for the GPU: the weights stay here, and where they were sent is noted.
    home = torch.device("cpu", 0)
    move, encode, decode = vae.to, vae.encode, vae.decode

    def to(place):
        told.append("home" if place == home else "away")
        return move("cpu")

    def working(code):
        def run(*args):
            assert told[-1:] == ["home"], "it was asked while it was away"
            told.append("codes")
            return code(*args)

        return run

    fill_caches(state, sources)
    state.codec._home = home
    monkeypatch.setattr(vae, "to", to)
    monkeypatch.setattr(vae, "encode", working(encode))
    monkeypatch.setattr(vae, "decode", working(decode))
    batches = Batches(config, sources, facts=state.backbone.facts)
    for number in range(2):
        train_step(state, [batches[number]])
    assert not told  # training codes nothing
    assert validate(state, sources)
    assert told and told == ["home", "codes", "away"] * (len(told) // 3)


def test_it_stays_where_frames_are_coded_in_every_step(models, data, tmp_path):
    moved = FolderData(folder=data, augment=AugmentConfig(hue=90))
    resting = []
    for number, changes in enumerate(({}, {"data": (moved,)})):
        config = config_of(tmp_path / str(number), models["flux"], data, **changes)
        state = start_state(config)
        fill_caches(state, open_sources(config))
        resting.append(state.codec._home is not None)
    assert resting == [True, False]


def test_an_endless_world_is_not_cached(models, data, tmp_path):
    config = config_of(tmp_path, models["flux"], data, data=(WorldData(),))
    state = start_state(config)
    fill_caches(state, open_sources(config))
    assert state.latents is None and state.plain.pipeline.text_encoder is not None


def test_caching_that_was_killed_goes_on_with_what_is_missing(tmp_path):
    groups = [[f"{number}-{each}" for each in range(3)] for number in range(5)]
    asked = []

    def encode(number):
        asked.append(number)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {key: {"value": torch.full((2,), float(number))} for key in groups[number]}

    with pytest.raises(KeyboardInterrupt):
        Shards(tmp_path).fill(groups, encode)
    assert len(list(tmp_path.iterdir())) == 2
    assert Shards(tmp_path).fill(groups, encode) == 3
    assert asked == [0, 1, 2, 2, 3, 4]
    shards = Shards(tmp_path)
    shards.open(groups)
    assert float(shards["3-1"]["value"][0]) == 3 and "3-9" not in shards


def test_processes_share_the_shards_out(tmp_path):
    groups = [[str(number)] for number in range(5)]
    done = {0: [], 1: []}
    for rank in (0, 1):

        def encode(number, rank=rank):
            done[rank].append(number)
            return {str(number): {"value": torch.zeros(1)}}

        Shards(tmp_path).fill(groups, encode, rank, 2)
    assert done == {0: [0, 2, 4], 1: [1, 3]}


def test_a_damaged_shard_is_named(tmp_path):
    shards = Shards(tmp_path)
    shards.fill([["one"]], lambda _: {"one": {"value": torch.zeros(1)}})
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"short")
    with pytest.raises(CheckpointError, match="is damaged"):
        shards.open([["one"]])
