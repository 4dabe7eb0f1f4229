import json
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest
import torch
from PIL import Image

from filmgrid.bench.peers.tiny import save_tiny
from filmgrid.cli import main
from filmgrid.data.export import save_sequence
from filmgrid.data.media import count_frames, probe, read_clip, read_grid
from filmgrid.data.pictures import to_picture
from filmgrid.data.provenance import Provenance
from filmgrid.data.times import frame_times
from filmgrid.errors import CheckpointError, ConfigError, FilmgridError, ShapeError
from filmgrid.generator import Generator
from filmgrid.inputs import gather, times_of
from filmgrid.long import Checkpoint, Stretch, stream, window_seed
from filmgrid.long_release import stream_release
from filmgrid.longrun import MEMORY, generate_long, work_folder
from filmgrid.request import GenerateRequest
from filmgrid.walking import Progress
from tests.data.test_times import UNEVEN, shot


@pytest.fixture(scope="module")
def generator(tiny_model):
    return Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)


def asked(generator, frames, **words):
    return GenerateRequest(prompt="a star", model=generator.name, frames=frames, **words)


def made(generator, request, inputs=None, **words):
    stretches = [
        event for event in stream(generator, request, inputs, **words) if isinstance(event, Stretch)
    ]
    firsts = np.cumsum([0, *(each.arrays.shape[1] for each in stretches)])
    assert [each.first for each in stretches] == firsts[:-1].tolist()
    return np.concatenate([each.arrays for each in stretches], axis=1)


def test_what_fits_into_a_grid_is_that_grid(generator):
    arrays = made(generator, asked(generator, 4, seed=3))
    assert (arrays == generator("a star", seed=3).arrays).all()
    assert (made(generator, asked(generator, 3, seed=3)) == arrays[:, :3]).all()


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 6, 7, 16, 33])
@pytest.mark.parametrize("words", [{}, {"spread": 3}, {"layout": "3x2", "keep_rows": 2}])
def test_there_are_exactly_as_many_frames_as_asked(generator, frames, words):
    arrays = made(generator, asked(generator, frames, **words))
    assert arrays.shape == (1, frames, 32, 32, 3)


def test_memory_does_not_grow_with_the_length(generator):
    def most(frames, **words):
        sizes = [
            len(event.memory.latents) + len(event.memory.pixels)
            for event in stream(generator, asked(generator, frames, **words))
            if isinstance(event, Checkpoint)
        ]
        return max(sizes)

    assert most(12) == most(60) <= 4
    assert most(24, spread=3) == most(60, spread=3)


def test_frames_come_before_the_last_window_is_begun(generator):
    order = [type(event).__name__ for event in stream(generator, asked(generator, 9))]
    first = order.index("Stretch")
    assert "Progress" in order[first:]
    assert order.count("Checkpoint") == 4


@pytest.mark.parametrize("spread", [1, 3])
def test_given_frames_are_bit_exact_wherever_they_stand(generator, clip, spread):
    places = [0, 6, 12]
    request = asked(
        generator,
        14,
        keyframe=tuple(f"{place}=array" for place in places),
        spread=spread,
        task="keyframes",
    )
    given = dict(zip(places, clip, strict=False))
    arrays = made(generator, request, gather(given, None))
    assert arrays.shape[1] == 14
    assert (arrays[0, places] == clip[:3]).all()
    assert (arrays[0, 7] != clip[1]).any()


@pytest.mark.parametrize("spread", [1, 3])
def test_a_clip_goes_on_and_is_its_own_beginning(generator, clip, spread):
    request = asked(generator, 20, video="array", task="extend", spread=spread)
    arrays = made(generator, request, gather({}, clip))
    assert arrays.shape[1] == 20
    assert (arrays[0, :11] == clip).all()
    other = gather({}, np.concatenate([clip[:-1], 255 - clip[-1:]]))
    assert (made(generator, request, other)[0, 11:] != arrays[0, 11:]).any()


def test_an_edit_of_any_length_keeps_what_is_locked_and_starts_from_its_source(generator, clip):
    inputs = gather({}, clip)
    nothing = asked(generator, 11, video="array", task="edit", sigma=0)
    assert (made(generator, nothing, inputs)[0] == clip).all()
    locked = asked(generator, 10, video="array", task="edit", sigma=0.8, lock="0,7")
    arrays = made(generator, locked, inputs)
    assert arrays.shape[1] == 10
    changed = (arrays[0] != clip[:10]).any(axis=(1, 2, 3))
    assert [frame for frame in range(10) if not changed[frame]] == [0, 7]


@pytest.mark.parametrize("between", [1, 2])
def test_frames_are_made_between_those_of_a_clip_of_any_length(generator, clip, between, tmp_path):
    request = GenerateRequest(model=generator.name, video="array", between=between)
    arrays = made(generator, request, gather({}, clip))
    assert arrays.shape[1] == 10 * (between + 1) + 1
    assert (arrays[0, :: between + 1] == clip).all()
    assert (arrays[0, 1] != clip[0]).any()
    save_sequence(clip, tmp_path / "clip.mkv", fps=10, provenance=Provenance())
    asked = GenerateRequest(model=generator.name, video=tmp_path / "clip.mkv", between=between)
    generate_long(generator, asked, tmp_path / "slow.mkv")
    assert probe(tmp_path / "slow.mkv").fps == 10 * (between + 1)
    assert count_frames(tmp_path / "slow.mkv") == arrays.shape[1]


def test_a_window_knows_the_frames_before_it_and_a_loop_those_at_its_end(generator, monkeypatch):
    seen, walk = [], Generator.walk

    def watch(self, plan, sigmas, seeds, reference, *rest):
        seen.append((seeds[0], reference))
        return (yield from walk(self, plan, sigmas, seeds, reference, *rest))

    monkeypatch.setattr(Generator, "walk", watch)
    arrays = made(generator, asked(generator, 9, loop=True, seed=5))
    assert seen[0] == (5, None)
    assert [seed for seed, _ in seen] == [window_seed(5, index) for index in range(len(seen))]
    assert len({seed for seed, _ in seen}) == len(seen)
    last = seen[-1][1]
    assert last.keep[0].tolist()[-1] and last.keep[0].tolist()[0]
    pixels = ((last.cells[0, -1].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().numpy()
    assert (pixels == arrays[0, 0]).all()


def test_each_window_is_told_the_segment_that_it_begins(generator, monkeypatch):
    told, walk = [], Generator.walk

    def watch(self, plan, *rest):
        told.append(plan.prompt)
        return (yield from walk(self, plan, *rest))

    monkeypatch.setattr(Generator, "walk", watch)
    made(generator, asked(generator, 10, segment=("6=a green ball", "8=a blue box")))
    assert [prompt.rpartition(". ")[2] for prompt in told] == [
        "a star",
        "a star",
        "a green ball",
        "a blue box",
    ]


def test_sequences_side_by_side_are_those_made_alone(generator):
    both = made(generator, asked(generator, 9), seeds=[1, 2])
    assert both.shape[0] == 2
    for place, seed in enumerate((1, 2)):
        alone = made(generator, asked(generator, 9, seed=seed))
        assert np.abs(both[place].astype(int) - alone[0]).max() <= 2


def test_colours_are_held_to_those_of_the_first_grid(generator):
    def spread(lock):
        arrays = made(generator, asked(generator, 40, colour_lock=lock)).astype(float)[0]
        means = arrays.mean(axis=(1, 2)).reshape(-1, 4, 3).mean(axis=1)
        return np.abs(means - means[0]).max()

    assert spread(1.0) < spread(0.0)


@pytest.mark.parametrize("coding", ["cells", "grid"])
def test_a_pretrained_pipeline_makes_long_sequences(tmp_path, clip, coding):
    save_tiny("flux", tmp_path / "flux")
    generator = Generator.from_pretrained(str(tmp_path / "flux"), "cpu", "fp32")
    request = asked(
        generator, 7, image="array", layout="2x2", cell=32, steps=2, coding=coding, task="image"
    )
    arrays = made(generator, request, gather({0: clip[0]}, None))
    assert arrays.shape == (1, 7, 32, 32, 3)
    assert (arrays[0, 0] == clip[0]).all()


def stopped(generator, request, out, after):
    """Run until so many steps are done."""

    def stop(done, _):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_long(generator, request, out, on_step=stop)


@pytest.mark.parametrize("words", [{}, {"spread": 3}, {"loop": True}, {"colour_lock": 1.0}])
@pytest.mark.parametrize("after", [1, 7, 11])
def test_a_run_that_was_stopped_goes_on_to_the_same_frames(generator, tmp_path, words, after):
    request = asked(generator, 12, **words)
    generate_long(generator, request, tmp_path / "whole")
    out = tmp_path / "again.mkv"
    stopped(generator, request, out, after)
    assert not out.exists()
    frames = list((work_folder(out) / "frames").iterdir())
    assert bool(frames) == (after > (6 if "spread" in words else 3))
    with pytest.raises(ConfigError, match="Add --resume"):
        generate_long(generator, request, out)
    steps = []
    generate_long(generator, request, out, resume=True, on_step=lambda done, _: steps.append(done))
    assert len(steps) < 20
    assert steps[0] == after // 3 * 3 + 1
    assert count_frames(out) == 12
    assert not work_folder(out).exists()
    other = tmp_path / "frames"
    stopped(generator, request, other, after)
    generate_long(generator, request, other, resume=True)
    whole = sorted(path for path in (tmp_path / "whole").iterdir() if path.suffix == ".png")
    assert len(whole) == 12
    for path in whole:
        assert path.read_bytes() == (other / path.name).read_bytes()


def test_a_refused_request_leaves_nothing_behind(generator, clip, tmp_path):
    to_picture(clip[0]).save(tmp_path / "one.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "one.png").read_bytes()[:200])
    request = asked(generator, 9, image=tmp_path / "cut.png")
    with pytest.raises(FilmgridError):
        generate_long(generator, request, tmp_path / "a.mp4")
    assert not work_folder(tmp_path / "a.mp4").exists()


def test_a_clip_of_given_frames_alone_is_written(generator, clip, tmp_path):
    request = asked(generator, 2, keyframe=("0=array", "1=array"), task="keyframes")
    arrays = made(generator, request, gather({0: clip[0], 1: clip[1]}, None))
    assert (arrays[0] == clip[:2]).all()


def test_what_was_lost_or_changed_is_not_gone_on_with(generator, clip, tmp_path):
    image, out = tmp_path / "one.png", tmp_path / "a.mp4"
    to_picture(clip[0]).save(image)
    request = asked(generator, 12, image=image)
    stopped(generator, request, out, 7)
    to_picture(clip[1]).save(image)
    with pytest.raises(ConfigError, match="begun with files"):
        generate_long(generator, request, out, resume=True)
    other = tmp_path / "b.mp4"
    stopped(generator, request, other, 7)
    (work_folder(other) / "frames" / "00002.png").unlink()
    with pytest.raises(CheckpointError, match="lost its frame 2"):
        generate_long(generator, request, other, resume=True)


def test_names_mean_what_they_mean_for_one_grid(generator, tmp_path):
    generate_long(generator, asked(generator, 6), f"{tmp_path}/run.1/")
    assert count_frames(tmp_path / "run.1") == 6
    generate_long(generator, asked(generator, 4), tmp_path / "grid.png")
    assert read_grid(tmp_path / "grid.png").frames.shape[0] == 4


def test_going_on_with_something_else_is_refused(generator, tmp_path):
    out = tmp_path / "one.mp4"
    with pytest.raises(ConfigError, match="nothing to go on with"):
        generate_long(generator, asked(generator, 12), out, resume=True)
    stopped(generator, asked(generator, 12), out, 7)
    with pytest.raises(ConfigError, match=r"begun with seed None, and now it is 1"):
        generate_long(generator, asked(generator, 12, seed=1), out, resume=True)
    (work_folder(out) / MEMORY).write_bytes(b"no")
    with pytest.raises(CheckpointError, match="is damaged"):
        generate_long(generator, asked(generator, 12), out, resume=True)


def test_a_killed_command_goes_on(tiny_model, tmp_path):
    out = tmp_path / "long.mp4"
    words = ["generate", "a star", "--model", str(tiny_model), "--frames", "400", "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "filmgrid", *words])
    memory, deadline = work_folder(out) / MEMORY, time.time() + 60
    while not memory.exists() and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    main([*words, "--resume"])
    assert count_frames(out) == 400


def test_the_command_writes_every_format_and_says_what_it_would_cost(tiny_model, tmp_path, capsys):
    words = ["generate", "a star", "--model", str(tiny_model), "--frames", "9", "--json"]
    for name in ("a.mp4", "a.gif", "a.webp", "frames/"):
        main([*words, "--out", str(tmp_path / name)])
        assert json.loads(capsys.readouterr().out)["grids"] == 4
    assert len(read_clip(tmp_path / "a.gif").frames) == 9
    main([*words, "--dry-run"])
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["grids"]) == (9, 4)


def test_a_clip_in_a_file_goes_on_with_its_own_rate(generator, clip, tmp_path):
    given = tmp_path / "given.mkv"
    save_sequence(clip, given, fps=12, provenance=Provenance())
    request = asked(generator, 15, video=given, task="extend")
    generate_long(generator, request, tmp_path / "frames")
    written = read_clip(tmp_path / "frames").frames
    assert (written[:11] == read_clip(given).frames).all()
    generate_long(generator, request, tmp_path / "on.mp4")
    assert probe(tmp_path / "on.mp4").fps == 12


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        ({"frames": 9, "best_of": 2}, ConfigError, "Leave best_of out"),
        ({"loop": True}, ConfigError, "Add frames"),
        ({"segment": ("4=x",)}, ConfigError, "Add frames"),
        ({"frames": 9, "segment": ("5=x", "5=y")}, ConfigError, "rising order"),
        ({"frames": 9, "segment": ("x",)}, ConfigError, "FRAME=PROMPT"),
        ({"frames": 9, "loop": True, "spread": 2}, ConfigError, "Leave spread out"),
        ({"frames": 4, "loop": True}, ConfigError, "at least 5 frames"),
        ({"frames": 9, "keep_rows": 2}, ConfigError, "Keep 1 to 1"),
        ({"frames": 9, "spread": 4}, ConfigError, "at most 3"),
        ({"frames": 9, "segment": ("9=x",)}, ConfigError, "no frame 9"),
        ({"frames": 9, "layout": "1x1"}, ConfigError, "larger layout"),
        ({"frames": 9, "layout": "1x2", "loop": True}, ConfigError, "room for two new frames"),
    ],
)
def test_what_cannot_be_made_is_refused(generator, words, error, told):
    with pytest.raises(error, match=told):
        list(stream(generator, GenerateRequest(model=generator.name, **words)))


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        ({"frames": 11, "task": "extend"}, ConfigError, "Ask for more --frames"),
        ({"frames": 12, "task": "edit"}, ShapeError, "Use --frames 11"),
        ({"frames": 11, "lock": "11"}, ConfigError, "no frame 11"),
        ({"frames": 9, "redraw": "1"}, ConfigError, "works on one grid"),
        ({"frames": 9, "between": 1}, ConfigError, "Leave frames and task out"),
        ({"task": "edit", "between": 1}, ConfigError, "Leave frames and task out"),
        ({"task": "between"}, ConfigError, "--between COUNT"),
        ({"between": 4}, ConfigError, "at most 3"),
        ({"between": 1, "segment": ("30=x",)}, ConfigError, "no frame 30"),
        ({"between": 1, "video_start": 10}, ShapeError, "gives one frame"),
    ],
)
def test_clips_that_do_not_fit_are_refused(generator, clip, words, error, told):
    with pytest.raises(error, match=told):
        request = GenerateRequest(model=generator.name, video="array", **words)
        list(stream(generator, request, gather({}, clip)))


def test_steps_are_counted_over_all_windows(generator):
    steps = [each for each in stream(generator, asked(generator, 8)) if isinstance(each, Progress)]
    assert [each.step for each in steps] == list(range(1, 10))
    assert {each.num_steps for each in steps} == {9}
    assert steps[-1].preview().shape == (1, 4, 32, 32, 3)


def test_one_picture_of_a_loop_is_not_lost(generator, clip):
    request = asked(generator, 9, image="array", task="image", loop=True)
    arrays = made(generator, request, gather({0: to_picture(clip[0])}, None))
    assert (arrays[0, 0] == clip[0]).all()


def test_the_release_is_a_sampler_of_its_own_lengths(tiny_model, tmp_path):
    generator = Generator.from_pretrained(tiny_model, device="cpu", precision="fp32")
    request = asked(generator, 32, layout="4x4", sampler="gridit-release", steps=4)
    events = list(stream_release(generator, request))
    frames = [event for event in events if isinstance(event, Stretch)]
    assert [each.arrays.shape[1] for each in frames] == [16, 8, 8, 8]
    assert [each.first for each in frames] == [0, 16, 24, 32]
    steps = [event for event in events if isinstance(event, Progress)]
    assert len(steps) == 4 * (1 + 2 * 3) == steps[-1].num_steps
    generate_long(generator, request, tmp_path / "release")
    assert count_frames(tmp_path / "release") == 40
    stopped(generator, request, tmp_path / "again", 6)
    with pytest.raises(ConfigError, match="cannot go on"):
        generate_long(generator, request, tmp_path / "again", resume=True)
    with pytest.raises(ConfigError, match="4x4 alone"):
        list(stream_release(generator, asked(generator, 32, sampler="gridit-release")))
    for words in ({"loop": True}, {"upscale": 2}, {"keep_rows": 1}):
        other = asked(generator, 32, layout="4x4", sampler="gridit-release", **words)
        with pytest.raises(ConfigError, match=f"no place for {next(iter(words))}"):
            list(stream_release(generator, other))


def test_an_edited_clip_keeps_its_sound(generator, real_data, tmp_path):
    source = real_data / "videos" / "imageio_realshort.mp4"
    request = asked(generator, 8, video=source, task="edit", sigma=0.5, fit="crop")
    generate_long(generator, request, tmp_path / "edited.mp4")
    with av.open(str(tmp_path / "edited.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    assert count_frames(tmp_path / "edited.mp4") == 8


PEAK = """
import resource, sys
from filmgrid.cli import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.long
def test_the_peak_of_memory_is_the_same_for_4096_frames(tiny_model, tmp_path):
    peaks = {}
    for frames in (64, 4096):
        out = tmp_path / f"{frames}.mp4"
        words = ["generate", "a star", "--model", str(tiny_model), "--steps", "1", "--layout"]
        words += ["8x8", "--frames", str(frames), "--out", str(out)]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True
        )
        peaks[frames] = int(done.stdout.split()[-1])
        assert count_frames(out) == frames
    assert peaks[4096] < 1.05 * peaks[64], peaks


def test_an_edit_keeps_the_times_of_its_frames_and_the_sound(generator, tmp_path):
    source = shot(tmp_path / "phone.mp4", sound=True)
    out = tmp_path / "edited.mp4"
    words = {"video": source, "steps": 2, "sigma": 0.3}
    generate_long(generator, asked(generator, 11, **words), out)
    assert np.abs(frame_times(out) - UNEVEN).max() < 1e-3
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    moving = tmp_path / "edited.gif"
    generate_long(generator, asked(generator, 11, **words), moving)
    assert np.abs(frame_times(moving) - UNEVEN).max() <= 0.006
    part = tmp_path / "part.mp4"
    strided = asked(generator, 4, video_start=1, video_stride=3, **words)
    generate_long(generator, strided, part)
    assert np.abs(frame_times(part) - (np.array(UNEVEN[1::3]) - UNEVEN[1])).max() < 1e-3
    even = tmp_path / "even.mp4"
    generate_long(generator, asked(generator, 11, fps=10, **words), even)
    assert frame_times(even) is None and probe(even).fps == 10


def test_times_of_new_frames_lie_between_and_beyond_those_of_the_clip(generator, tmp_path):
    source = shot(tmp_path / "phone.mp4")
    halves = times_of(GenerateRequest(video=source, between=1), 21)
    assert np.allclose(halves[::2], UNEVEN, atol=1e-3)
    assert np.allclose(halves[1::2], (np.array(UNEVEN[1:]) + UNEVEN[:-1]) / 2, atol=1e-3)
    on = times_of(GenerateRequest(video=source, task="extend", frames=13), 13)
    usual = np.median(np.diff(UNEVEN))
    assert np.allclose(on, [*UNEVEN, UNEVEN[-1] + usual, UNEVEN[-1] + 2 * usual], atol=2e-3)


def test_one_grid_of_an_edit_keeps_times_too(generator, tmp_path):
    source, out = shot(tmp_path / "phone.mp4"), tmp_path / "edited.mp4"
    request = GenerateRequest(video=source, steps=2, sigma=0.3, layout="2x2")
    *_, result = generator.generate(request)
    result.save(out)
    assert np.abs(frame_times(out) - UNEVEN[:4]).max() < 1e-3


def test_an_edit_holds_the_last_frame_as_long_as_its_source_does(generator, tmp_path):
    images = [Image.new("RGB", (32, 32), (50 * number, 0, 0)) for number in range(4)]
    source, out = tmp_path / "held.gif", tmp_path / "edited.webp"
    images[0].save(source, save_all=True, append_images=images[1:], duration=[100, 100, 100, 900])
    request = GenerateRequest(video=source, steps=2, sigma=0.3, layout="2x2")
    *_, result = generator.generate(request)
    result.save(out)
    assert np.allclose(frame_times(out, end=True), [0, 0.1, 0.2, 0.3, 1.2])


def test_anchors_stand_in_every_later_grid(generator, monkeypatch):
    seen, walk = [], generator.walk

    def watched(plan, sigmas, seeds, reference, *steps):
        seen.append(reference)
        return walk(plan, sigmas, seeds, reference, *steps)

    monkeypatch.setattr(generator, "walk", watched)
    request = asked(generator, 14, layout="3x2", keep_rows=2, anchor=2, steps=1)
    *_, last = (event for event in stream(generator, request) if isinstance(event, Checkpoint))
    first = torch.stack([last.memory.latents[frame] for frame in (0, 1)], dim=1)
    assert len(seen) > 3
    for reference in seen[1:]:
        assert reference.keep[:, :4].all() and not reference.keep[:, 4:].any()
        assert torch.equal(reference.cells[:, :2], first)
    assert not torch.equal(seen[-1].cells[:, 2:4], seen[-2].cells[:, 2:4])
    plain = made(generator, asked(generator, 14, layout="3x2", keep_rows=2, steps=1))
    anchored = made(generator, request)
    assert (anchored[:, :6] == plain[:, :6]).all() and (anchored != plain).any()


def test_anchors_that_leave_no_room_are_refused(generator):
    with pytest.raises(ConfigError, match="at most 1"):
        made(generator, asked(generator, 9, layout="2x2", keep_rows=1, anchor=2))
    with pytest.raises(ConfigError, match="with spread grids need these"):
        asked(generator, 9, spread=3, anchor=1)
    with pytest.raises(ConfigError, match="anchor belongs to sequences"):
        GenerateRequest(anchor=1)
