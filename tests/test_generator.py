import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from filmgrid.data.media import read_clip, read_grid
from filmgrid.data.provenance import read_provenance
from filmgrid.errors import CheckpointError, ConfigError, ShapeError
from filmgrid.generator import Generator
from filmgrid.grid.spec import Layout
from filmgrid.inputs import known_cells
from filmgrid.request import GenerateRequest
from filmgrid.result import Result
from filmgrid.walking import Progress


@pytest.fixture(scope="module")
def generator(tiny_model):
    return Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


TWO_FRAMES = np.zeros((2, 32, 32, 3), np.uint8)
TASKS = {
    "image": lambda frames: ({"image": frames[0]}, [0]),
    "keyframes": lambda frames: ({"keyframes": {1: frames[1], 3: frames[3]}}, [1, 3]),
    "redraw": lambda frames: ({"video": frames[:4], "redraw": [2]}, [0, 1, 3]),
    "edit": lambda frames: ({"video": frames[:4], "lock": [3]}, [3]),
    "extend": lambda frames: ({"video": frames[:2], "task": "extend"}, [0, 1]),
    "wider": lambda frames: (
        {"video": frames[:4], "task": "extend", "layout": "2x4"},
        [0, 1, 2, 3],
    ),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("conditioning", ["learned", "replacement"])
def test_kept_frames_are_bit_exact_in_memory_and_in_lossless_files(
    generator, frames, task, conditioning, tmp_path
):
    given, kept = TASKS[task](frames)
    result = generator("a star", conditioning=conditioning, **given)
    assert (result.arrays[0][kept] == frames[kept]).all()
    made = [cell for cell in range(result.layout.num_cells) if cell not in kept]
    assert all((result.arrays[0][cell] != frames[cell % 6]).any() for cell in made)
    result.save(f"{tmp_path}/frames/")
    assert (read_clip(tmp_path / "frames").frames == result.arrays[0]).all()
    result.save(tmp_path / "grid.png")
    assert (read_grid(tmp_path / "grid.png").frames == result.arrays[0]).all()


@pytest.fixture(scope="module")
def doubled_generator(tiny_model, tmp_path_factory):
    """The tiny model, whose cells of 32 px an upscaler doubles."""
    from filmgrid.models.checkpoints import save_module
    from filmgrid.models.families import load_mini

    backbone = load_mini(str(tiny_model))
    changes = {"upscaler": "upscaler", "cell": (64, 64), "stride": 32}
    folder = tmp_path_factory.mktemp("doubled-model")
    save_module(backbone.module, backbone.facts.model_copy(update=changes), folder)
    return Generator.from_pretrained(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize("task", TASKS)
def test_frames_of_a_model_with_an_upscaler_are_twice_what_it_paints(doubled_generator, task):
    frames = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    given, kept = TASKS[task](frames)
    arrays = doubled_generator("a star", **given).arrays[0]
    assert arrays.shape[1:] == (64, 64, 3)
    assert (arrays[kept] == frames[kept]).all()
    sizes = [
        tuple(event.latents.shape)
        for event in doubled_generator.generate(
            GenerateRequest(prompt="a star", model=doubled_generator.name)
        )
        if isinstance(event, Progress)
    ]
    assert set(sizes) == {(1, 4, 3, 32, 32)}


@pytest.mark.parametrize("factor", [2, 4])
def test_upscaled_frames_are_the_same_ones_larger(generator, frames, factor, tmp_path):
    plain = generator("a star", image=frames[0])
    large = generator("a star", image=frames[0], upscale=factor)
    shape = (1, 4, 32, factor, 32, factor, 3)
    means = large.arrays.reshape(shape).astype(float).mean(axis=(3, 5))
    assert large.arrays.shape == (1, 4, 32 * factor, 32 * factor, 3)
    assert np.corrcoef(means.ravel(), plain.arrays.ravel())[0, 1] > 0.9
    assert large.health == plain.health
    large.save(tmp_path / "grid.png")
    again = read_grid(tmp_path / "grid.png")
    assert (again.frames == large.arrays[0]).all()
    assert read_provenance(tmp_path / "grid.png").request["upscale"] == factor


def test_only_factors_that_the_upscaler_can_do_are_taken():
    with pytest.raises(ConfigError, match="upscale"):
        GenerateRequest(prompt="a star", upscale=3)
    with pytest.raises(ConfigError, match=r"other\.pt is neither 2 nor 4, nor a \.pth"):
        GenerateRequest(prompt="a star", upscale="other.pt")  # pyright: ignore[reportArgumentType]
    assert GenerateRequest(prompt="a star", upscale="4").upscale == 4  # pyright: ignore[reportArgumentType]


def test_an_upscaler_from_a_file_takes_a_package_that_is_named(generator, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "esrgan.safetensors")
    if importlib.util.find_spec("spandrel") is None:
        with pytest.raises(ConfigError, match=r"pip install 'filmgrid\[upscale\]'"):
            generator("a star", upscale=tmp_path / "esrgan.safetensors")
    with pytest.raises(CheckpointError, match="There is no file"):
        generator("a star", upscale="none.pth")


@pytest.mark.parametrize("task", ["redraw", "edit"])
def test_a_start_at_zero_returns_the_reference(generator, frames, task):
    given, _ = TASKS[task](frames)
    result = generator("a star", start_sigma=0.0, **given)
    assert (result.arrays[0] == frames[:4]).all()


def test_frames_do_not_depend_on_the_batch(generator, tiny_model):
    """Noise is the same bits; frames agree to 1e-4 of the range before they are rounded."""

    def latents(batch):
        request = GenerateRequest(
            prompt="a star", model=str(tiny_model), best_of=4, batch=batch, device="cpu"
        )
        *_, last = (
            event
            for event in generator.generate(request)
            if isinstance(event, Progress) and event.step in (3, 6, 9, 12)
        )
        return last.latents

    assert torch.allclose(latents(4)[3:], latents(1), atol=1e-4)


def test_a_seed_repeats_its_sequence_and_another_does_not(generator):
    one, two, three = (generator("a star", seed=seed).arrays for seed in (5, 5, 6))
    assert (one == two).all()
    assert (one != three).any()


def test_a_torch_generator_gives_its_seed(generator):
    torchs = torch.Generator().manual_seed(5)
    assert (
        generator("a star", generator=torchs).arrays == generator("a star", seed=5).arrays
    ).all()
    with pytest.raises(ConfigError, match="both choose the noise"):
        generator("a star", generator=torchs, seed=5)


def test_the_healthiest_of_several_comes_first(generator):
    result = generator("a star", num_sequences=5, batch=2)
    scores = [health.score for health in result.health]
    assert scores == sorted(scores, reverse=True)
    assert sorted(result.seeds) == [0, 1, 2, 3, 4]
    alone = generator("a star", seed=result.seeds[0])
    assert np.abs(alone.arrays[0].astype(int) - result.arrays[0]).max() <= 1


def test_a_single_image_is_a_grid_of_one(generator):
    result = generator("a star", layout="1x1")
    assert len(result.frames[0]) == 1
    assert result.grids[0].size == (32, 32)


def test_a_result_is_pillow_images_and_carries_its_request(generator, tmp_path):
    result = generator("a star", seed=9)
    assert [frame.size for frame in result.frames[0]] == [(32, 32)] * 4
    assert result.grids[0].size == (64, 64)
    result.save(tmp_path / "star.mp4")
    told = read_provenance(tmp_path / "star.mp4")
    assert told.layout == "2x2"
    assert told.request["prompt"] == "a star"
    assert told.request["seed"] == 9


def test_pillow_images_and_paths_are_pictures_too(generator, tmp_path, frames):
    result = generator("a star")
    result.save(f"{tmp_path}/frames/")
    again = generator("a star", image=result.frames[0][0])
    assert (again.arrays[0, 0] == result.arrays[0, 0]).all()
    edited = generator("a star", video=tmp_path / "frames", start_sigma=0.0)
    assert (edited.arrays == result.arrays).all()
    listed = generator("a star", video=result.frames[0], start_sigma=0.0)
    assert (listed.arrays == result.arrays).all()


def test_a_callback_sees_every_step_of_the_latents(generator):
    seen = []

    def watch(pipe, step, sigma, kwargs):
        seen.append((step, sigma, kwargs["latents"].shape))

    generator("a star", callback_on_step_end=watch, num_inference_steps=4)
    assert [step for step, _, _ in seen] == [1, 2, 3, 4]
    assert seen[-1][1:] == (0.0, (1, 4, 3, 32, 32))


def test_progress_comes_before_the_result_with_a_preview(generator, tiny_model):
    request = GenerateRequest(prompt="a star", model=str(tiny_model))
    events = list(generator.generate(request))
    assert [event.step for event in events[:-1]] == [1, 2, 3]
    assert events[0].preview().shape == (1, 4, 32, 32, 3)
    assert isinstance(events[-1], Result)


def test_strength_is_the_index_convention_of_diffusers(generator, frames):
    """With 4 steps, strength 0.5 skips the first two of the shifted schedule."""
    seen = []
    watch = lambda pipe, step, sigma, kwargs: seen.append(sigma)  # noqa: E731
    video = frames[:4]
    generator(
        "a star", video=video, strength=0.5, num_inference_steps=4, callback_on_step_end=watch
    )
    assert len(seen) == 2


def test_an_extension_of_a_long_video_goes_on_from_its_end(generator):
    video = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), np.uint8)
    result = generator("a star", video=video, task="extend")
    assert known_cells(Layout(2, 2)) == 2
    assert (result.arrays[0, :2] == video[-2:]).all()


def test_frames_of_another_size_need_a_word_on_how_to_fit(generator):
    image = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(ShapeError, match=r"48x64 px and the cells are 32x32 px.*--fit"):
        generator("a star", image=image)
    assert generator("a star", image=image, fit="crop").arrays.shape[2:4] == (32, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "4by4"}, "'4by4' is not a layout"),
        ({"steps": 3}, "steps"),
        ({"start_sigma": 1.5}, "sigma.*less than or equal to 1"),
        ({"redraw": [1]}, "Add --video"),
        (
            {"video": np.zeros((2, 32, 32, 3), np.uint8), "task": "extend", "layout": "1x1"},
            "extend into",
        ),
        ({"colour": "red"}, "colour is not a known key"),
        ({"guidanse": 2}, "Did you mean guidance"),
        ({"task": "image"}, "exactly one --image"),
        ({"task": "sing"}, "task"),
        ({"start_sigma": 0.5, "strength": 0.5}, "both set the start"),
        ({"keyframes": {9: np.zeros((32, 32, 3), np.uint8)}}, "no cell 9 in a 2x2"),
    ],
)
def test_requests_that_make_no_sense_are_refused(generator, options, message):
    with pytest.raises((ConfigError, TypeError), match=message):
        generator("a star", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": 33}, "nearest is 32x32"),
        ({"image": np.zeros((32, 32), np.uint8)}, "no 8-bit picture"),
        ({"image": np.zeros((32, 32, 3))}, "no 8-bit picture"),
        ({"image": object()}, "no picture"),
        ({"video": np.zeros((3, 32, 32, 3), np.uint8)}, "3 frames and a 2x2 grid needs 4"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(generator, options, message):
    with pytest.raises(ShapeError, match=message):
        generator("a star", **options)


def test_learned_conditioning_needs_a_model_trained_for_it(tiny_model):
    generator = Generator.from_pretrained(tiny_model)
    facts = generator.backbone.facts.model_copy(update={"per_cell_sigma": False})
    object.__setattr__(generator.backbone, "facts", facts)
    with pytest.raises(ConfigError, match="Use replacement"):
        generator("a star", conditioning="learned")
