import json
import re
import shlex
from pathlib import Path

import av
import numpy as np
import pytest
import tyro
from PIL import Image

from filmgrid import cli
from filmgrid.cli.settings import Generate
from filmgrid.errors import ConfigError
from filmgrid.evaluation.catalogue import find_metric
from filmgrid.evaluation.measure import clip_sets, evaluate
from filmgrid.evaluation.protocol_prompts import UCF101_CLASSES, in_words, ucf101_prompts
from filmgrid.evaluation.protocol_words import described, section
from filmgrid.evaluation.protocols import (
    PROTOCOLS,
    check_protocol,
    find_protocol,
    protocol_config,
    trust,
)
from filmgrid.grid.spec import CellSize

DOCS = Path(__file__).parents[2] / "docs" / "protocols.md"
DATA = Path(__file__).parents[3] / "shared" / "data"
FAST = {"size": "64x64", "repeats": 2, "workers": 1}


def clip(seed, num_frames, height=64, width=64):
    """A textured plane that moves by two pixels a frame."""
    rng = np.random.default_rng(seed)
    plane = rng.uniform(0, 255, (height // 4 + 1, (width + 2 * num_frames) // 4 + 1, 3))
    plane = plane.repeat(4, 0).repeat(4, 1).astype(np.uint8)
    return [plane[:height, 2 * i : 2 * i + width] for i in range(num_frames)]


def pictures(folder, frames, name="{:04d}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number))


def video(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, bit_rate=4_000_000)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def ucf101(data, made):
    for number in range(6):
        action = UCF101_CLASSES[number % 3]
        frames = clip(number, 12 if number == 5 else 20, 48, 64)
        video(data / f"UCF-101/{action}/v_{action}_g0{number}_c01.avi", frames)
    for number, prompt in enumerate(ucf101_prompts(2)):
        pictures(made / prompt.name, clip(50 + number, 16))


def ucf101_of_64(data, made):
    for number in range(4):
        pictures(data / f"UCF101/YoYo/v_YoYo_g0{number}_c01", clip(number, 70, 48, 64))
    for number in range(2):
        pictures(made / f"{number}", clip(50 + number, 64))


def tiktok(data, made):
    for number in range(1, 6):
        folder = data / f"TikTok_dataset/{number:05d}"
        frames = clip(number, 20, 64, 40)
        pictures(folder / "images", frames, "{:04d}.png")
        pictures(folder / "masks", [np.zeros_like(frame) for frame in frames])
        pictures(folder / "densepose", [255 - frame for frame in frames])
    for number in (2, 4):
        video(made / f"{number:05d}.mp4", clip(number, 16))


def views(data, made):
    for number in range(5):
        pictures(data / f"views/object{number}", clip(number, 24))
    for number in range(2):
        pictures(made / f"object{number}", clip(50 + number, 24))


def triplets(data, made):
    for number in range(1, 5):
        folder = data / f"ucf101_interp_ours/{number}"
        first, middle, last = clip(number, 3)
        pictures(folder, [first], "frame_00.png")
        pictures(folder, [middle], "frame_01_gt.png")
        for decoy in ("emavfi", "ours", "zzz"):
            pictures(folder, [255 - middle], f"frame_01_{decoy}.png")
        pictures(folder, [last], "frame_02.png")
        if number % 2:
            pictures(made / f"{number}", [middle ^ 1])
        else:
            pictures(made / f"{number}", [first, middle ^ 1, last])


def sky(data, made):
    for number in range(5):
        folder = data / f"sky_timelapse/sky_train/video{number // 2}/video{number // 2}_{number}"
        pictures(folder, clip(number, 20 if number else 3, 36, 64), "{:04d}.jpg")
    for number in range(2):
        pictures(made / f"{number:04d}", clip(50 + number, 16))


def taichi(data, made):
    for number in range(4):
        pictures(data / f"taichi/train/a#{number}.mp4", clip(number, 18), "{:07d}.png")
    for number in range(2):
        video(made / f"{number:04d}.mp4", clip(50 + number, 16))


def ct(data, made):
    for number in range(4):
        slices = [frame[..., 0] for frame in clip(number, 30)]
        pictures(data / f"ct-slices/train_{number}_a_1", slices)
    for number in range(2):
        pictures(made / f"{number:04d}", clip(50 + number, 16))


TREES = {
    "ucf101-16": ucf101,
    "ucf101-64": ucf101_of_64,
    "tiktok-100": tiktok,
    "views-30x24": views,
    "ucf101-triplets": triplets,
    "sky-16": sky,
    "taichi-16": taichi,
    "ct-slices": ct,
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Data and made clips of every protocol, in the layout that it names."""
    found = {}
    for name, plant in TREES.items():
        root = tmp_path_factory.mktemp(name)
        found[name] = root / "data", root / "made"
        plant(*found[name])
    return found


@pytest.fixture(autouse=True)
def no_models_on_this_machine(monkeypatch, tmp_path_factory):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)


@pytest.fixture(scope="module", params=PROTOCOLS)
def protocol(request):
    return PROTOCOLS[request.param]


# ---- what they say -------------------------------------------------------------------------


def test_every_protocol_says_what_to_download_and_where_to_put_it(protocol):
    told = described(protocol, Path("DATA"))
    assert protocol.download.page in told and protocol.source in told
    for place in protocol.places:
        assert f"DATA/{place.path}" in told
    for needed in protocol.weights:
        assert f"DATA/weights/{needed.files[0]}" in told
    for method, _ in protocol.figures.rows:
        assert method in told


def test_metrics_and_figures_are_of_the_catalogue(protocol):
    for name in (*protocol.metrics, *protocol.beside, *protocol.figures.columns):
        assert find_metric(name).name == name
    for _, values in protocol.figures.rows:
        assert len(values) == len(protocol.figures.columns)
    assert bool(protocol.figures.rows) == bool(protocol.figures.own)
    assert set(protocol.figures.own) <= set(dict(protocol.figures.rows))
    assert protocol.size is None or str(CellSize.parse(protocol.size)) == protocol.size


def test_the_weights_of_the_metrics_are_named(protocol):
    from filmgrid.evaluation.catalogue import WEIGHTS_OF

    needed = {WEIGHTS_OF[i] for m in protocol.metrics for i in find_metric(m).instruments}
    assert needed == {weights.name for weights in protocol.weights}
    assert all(find_metric(name).is_offline for name in protocol.beside)


def test_the_command_that_makes_a_clip_is_one(protocol):
    words = shlex.split(protocol.making)
    assert words[:2] == ["filmgrid", "generate"]
    asked = tyro.cli(Generate, args=words[2:], config=(tyro.conf.EnumChoicesFromValues,))
    rows, cols = map(int, asked.layout.split("x"))
    assert rows * cols == (3 if protocol.frames == 1 else protocol.frames)


def test_the_documentation_says_what_the_protocols_say():
    text = DOCS.read_text(encoding="utf-8")
    between = re.search(r"<!-- protocols: .*? -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert between is not None
    sections = "\n".join(section(each) for each in PROTOCOLS.values())
    assert between[1].strip() == sections.strip(), "Paste what protocol_words.section() gives."


def test_prompts_are_the_classes_in_equal_shares():
    assert len(set(UCF101_CLASSES)) == 101
    assert list(UCF101_CLASSES) == sorted(UCF101_CLASSES)
    prompts = ucf101_prompts()
    assert len({prompt.name for prompt in prompts}) == 2048
    counts = [sum(p.name.startswith(f"{name}/") for p in prompts) for name in UCF101_CLASSES]
    assert counts == [21] * 28 + [20] * 73
    assert in_words("ApplyEyeMakeup") == "apply eye makeup"
    assert in_words("YoYo") == "yo yo"


def test_a_misspelled_protocol_gets_the_nearest():
    assert find_protocol("UCF101_16").name == "ucf101-16"
    with pytest.raises(ConfigError, match="Did you mean tiktok-100"):
        find_protocol("tiktok")


def test_trust_grows_with_the_number_of_clips():
    fvd = PROTOCOLS["ucf101-16"]
    assert "631 apart at 32" in trust(fvd, 60, 2048)
    assert "476 apart at 100" in trust(fvd, 340, 100)
    assert "enough for a Fréchet distance" in trust(fvd, 13_320, 2048)
    assert "means over 379 clips" in trust(PROTOCOLS["ucf101-triplets"], 379, 379)


# ---- what they find ------------------------------------------------------------------------


def test_an_empty_folder_gets_the_download(protocol, tmp_path):
    state = check_protocol(protocol, tmp_path)
    assert not state.is_there and state.trust == ""
    assert [each.status for each in state.findings] == ["missing"] * len(state.findings)
    assert protocol.download.page in state.findings[0].told
    assert all(str(tmp_path / "weights") in each.told for each in state.findings[1:])


def test_an_archive_is_to_be_unpacked_and_a_folder_too_deep_is_told(tmp_path):
    (tmp_path / "UCF101.rar").touch()
    told = check_protocol(PROTOCOLS["ucf101-16"], tmp_path).findings[0].told
    assert told.startswith(f"Unpack {tmp_path / 'UCF101.rar'}")
    (tmp_path / "UCF-101").mkdir()
    told = check_protocol(PROTOCOLS["ucf101-16"], tmp_path / "UCF-101").findings[0].told
    assert f"--data {tmp_path}" in told
    told = check_protocol(PROTOCOLS["ucf101-16"], tmp_path / "nowhere").findings[0].told
    assert told.startswith(f"There is no folder {tmp_path / 'nowhere'}")


def test_clips_and_weights_are_found_and_counted(protocol, trees):
    data, made = trees[protocol.name]
    names = [f"{needed.name}=random:0" for needed in protocol.weights]
    state = check_protocol(protocol, data, made, names)
    assert [each.status for each in state.findings] == ["found"] * len(state.findings)
    assert state.real is not None and 4 <= len(state.real) <= 6
    assert f"{len(state.real)} " in state.findings[0].told
    assert state.trust and state.trust in state.text()


def test_short_clips_are_told_of(trees):
    state = check_protocol(PROTOCOLS["sky-16"], trees["sky-16"][0])
    assert "1 of 5 looked at have fewer than 16 frames" in state.findings[0].told


def test_weights_in_the_data_folder_are_found(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "i3d_torchscript.pt").touch()
    (tmp_path / "weights" / "conv3d_deepnetA_ucf.npz").touch()
    state = check_protocol(PROTOCOLS["ucf101-16"], tmp_path)
    assert state.weights == {"i3d": str(tmp_path / "weights" / "i3d_torchscript.pt")}
    assert "mean2.npz" in state.findings[2].told  # lies beside the weights, or they are missing
    wrong = check_protocol(PROTOCOLS["ucf101-16"], tmp_path, weights=["i3d=/no/such.pt"])
    assert wrong.findings[1].status == "wrong"


@pytest.mark.parametrize(
    ("name", "plant", "sentence"),
    [
        ("ucf101-16", lambda d: (d / "UCF-101/Archery").mkdir(parents=True), "holds no clip"),
        ("ucf101-64", lambda d: pictures(d / "UCF-101/YoYo/a", clip(0, 30)), "64 are needed"),
        ("tiktok-100", lambda d: pictures(d / "TikTok_dataset/1", clip(0, 20)), r"\*/images"),
        ("ucf101-triplets", lambda d: pictures(d / "ucf101-triplets/1", clip(0, 3)), "frame_01_gt"),
        ("ct-slices", lambda d: volume(d / "CT-RATE/dataset/train/a.nii.gz"), "docs/protocols.md"),
    ],
)
def test_a_wrong_tree_gets_one_sentence(name, plant, sentence, tmp_path):
    plant(tmp_path)
    state = check_protocol(PROTOCOLS[name], tmp_path)
    assert not state.is_there
    assert state.findings[0].status == "wrong"
    assert re.search(sentence, state.findings[0].told)
    with pytest.raises(ConfigError, match=f"Nothing of {name} can be measured") as error:
        protocol_config(PROTOCOLS[name], tmp_path, tmp_path)
    assert "\n" not in str(error.value)


def volume(path):
    path.parent.mkdir(parents=True)
    path.touch()


def test_a_dataset_unpacked_twice_keeps_its_names(tmp_path):
    for number in range(3):
        folder = tmp_path / f"TikTok_dataset/TikTok_dataset/0000{number}/images"
        pictures(folder, clip(number, 16))
    state = check_protocol(PROTOCOLS["tiktok-100"], tmp_path)
    assert state.real is not None
    assert state.real.names == ["00000", "00001", "00002"]


# ---- what they measure ---------------------------------------------------------------------


def test_every_protocol_measures_what_is_there(protocol, trees):
    data, made = trees[protocol.name]
    config = protocol_config(protocol, data, made, **FAST)
    found = evaluate(config)
    offline = [name for name in protocol.metrics if find_metric(name).is_offline]
    assert {metric.name for metric in found.metrics} == {*offline, *protocol.beside}
    assert all(metric.made is not None for metric in found.metrics)
    assert found.notes[0].startswith(f"Protocol {protocol.name}:")
    told = " ".join(found.notes)
    for name in set(protocol.metrics) - set(offline):
        assert re.search(rf"Left out [^:]*\b{name}\b", told)
    assert found.real.frames == str(protocol.frames)


def test_the_line_of_a_protocol_repeats_it(trees, capsys):
    config = protocol_config(PROTOCOLS["tiktok-100"], *trees["tiktok-100"], **FAST)
    found = evaluate(config)
    cli.main([*shlex.split(found.command)[1:], "--json"])
    again = json.loads(capsys.readouterr().out)
    assert again["real"]["sha256"] == found.real.sha256
    assert again["notes"] == found.notes


def test_random_weights_try_the_whole_way(trees):
    protocol, weights = PROTOCOLS["tiktok-100"], ("i3d=random:0", "clip=random:0")
    config = protocol_config(protocol, *trees["tiktok-100"], weights=weights, **FAST)
    assert config.metrics == (*protocol.metrics, *protocol.beside)
    quick = config.model_copy(update={"metrics": ("fvd",), "real_clips": 4})
    found = [metric.name for metric in evaluate(quick).metrics]
    assert found == ["random-fvd", "random-mmd-i3d-stylegan-v"]


def test_triplets_compare_the_middle_frame_and_no_other(trees):
    config = protocol_config(PROTOCOLS["ucf101-triplets"], *trees["ucf101-triplets"])
    found = evaluate(config).metric("psnr")
    assert found is not None and found.made is not None
    assert found.made.value == pytest.approx(20 * np.log10(255), abs=1e-6)  # off by one everywhere
    assert found.made.n == 4


def test_masks_are_no_clips_and_frames_start_with_the_given_one(trees):
    data, made = trees["tiktok-100"]
    config = protocol_config(PROTOCOLS["tiktok-100"], data, made, size="64x40")
    real, _ = clip_sets(config)
    assert real.names == [f"{number:05d}" for number in range(1, 6)]
    np.testing.assert_array_equal(real["00003"].frames, np.stack(clip(3, 20, 64, 40)[:16]))


def test_of_two_orbits_the_one_of_the_moving_object_counts(tmp_path):
    for number in range(2):
        pictures(tmp_path / f"Diffusion4D/{number}", clip(number, 24), "multi_frame{}.png")
        pictures(tmp_path / f"Diffusion4D/{number}", clip(9, 24), "multi_static_frame{}.png")
    config = protocol_config(
        PROTOCOLS["views-30x24"], tmp_path, tmp_path / "Diffusion4D", size="64"
    )
    real, _ = clip_sets(config)
    np.testing.assert_array_equal(real["1"].frames, np.stack(clip(1, 24)))


def test_random_starts_are_those_of_the_name(trees):
    data, made = trees["ct-slices"]
    config = protocol_config(PROTOCOLS["ct-slices"], data, made, size="64")
    real, _ = clip_sets(config)
    name = real.names[1]
    whole = np.stack([np.stack([frame[..., 0]] * 3, -1) for frame in clip(1, 30)])
    starts = [i for i in range(15) if np.array_equal(whole[i : i + 16], real[name].frames)]
    assert len(starts) == 1
    listed = data / "list.txt"
    listed.write_text(f"{name}.nii.gz 1\n{name}\n")
    alone, _ = clip_sets(config.model_copy(update={"real_list": listed, "skip_short": False}))
    assert alone.names == [name]
    np.testing.assert_array_equal(alone[name].frames, real[name].frames)
    other, _ = clip_sets(config.model_copy(update={"seed": 5}))
    assert any((other[each].frames != real[each].frames).any() for each in real.names)


def test_too_few_clips_cost_the_distances_and_not_the_run(tmp_path):
    pictures(tmp_path / "data/ct-slices/a", clip(0, 16))
    pictures(tmp_path / "made/b", clip(1, 16))
    config = protocol_config(PROTOCOLS["ct-slices"], tmp_path / "data", tmp_path / "made", **FAST)
    assert config.metrics == ("order", "frozen")
    assert any("distances need 4 real clips and 2 made ones" in note for note in config.notes)


def test_short_clips_cost_what_is_held_against_them(tmp_path):
    data, made = tmp_path / "data", tmp_path / "made"
    for number in range(6):
        pictures(data / f"tiktok/{number}", clip(number, 20 if number < 3 else 9))
    for number in (0, 5):
        pictures(made / f"{number}", clip(number, 16))
    config = protocol_config(
        PROTOCOLS["tiktok-100"], data, made, weights=("clip=random:0",), **FAST
    )
    assert config.metrics == ("order", "frozen")  # 3 real clips are left, and 5 is not among them
    assert any("1 of 2 made clips have no real clip of their name" in n for n in config.notes)
    evaluate(config)


def test_other_metrics_can_be_asked_for(trees):
    protocol = PROTOCOLS["ucf101-triplets"]
    config = protocol_config(protocol, *trees[protocol.name], metrics=("ssim", "all-offline"))
    assert config.metrics == ("ssim", "all-offline")
    with pytest.raises(ConfigError, match="is no metric"):
        protocol_config(protocol, *trees[protocol.name], metrics=("ssimm",))


def test_made_clips_without_a_partner_cost_the_comparisons(trees, tmp_path):
    data, _ = trees["tiktok-100"]
    for number in range(2):
        pictures(tmp_path / f"mine-{number}", clip(number, 16))
    weights = ("clip=random:0",)
    config = protocol_config(PROTOCOLS["tiktok-100"], data, tmp_path, weights=weights)
    assert "clip-image" not in config.metrics
    assert any("2 of 2 made clips have no real clip of their name" in n for n in config.notes)
    data, _ = trees["ucf101-triplets"]
    with pytest.raises(ConfigError, match=r"Nothing of ucf101-triplets .* 1/frame_01.png"):
        protocol_config(PROTOCOLS["ucf101-triplets"], data, tmp_path)


def test_made_clips_that_are_too_short_are_refused(trees):
    data, made = trees["ucf101-64"][0], trees["ucf101-16"][1]
    with pytest.raises(ConfigError, match="has 16 frames, and ucf101-64 measures 64"):
        protocol_config(PROTOCOLS["ucf101-64"], data, made)
    assert protocol_config(PROTOCOLS["ucf101-64"], data, made, frames=16).frames == 16
    short = trees["ucf101-16"][0]
    assert not check_protocol(PROTOCOLS["ucf101-64"], short).is_there
    assert check_protocol(PROTOCOLS["ucf101-64"], short, frames=16).is_there


def test_surplus_clips_are_left_out(trees):
    data, made = trees["views-30x24"]
    config = protocol_config(PROTOCOLS["views-30x24"], data, data / "views", clips=4)
    assert config.clips == 4
    assert "Of 5 made clips 4 are used." in config.notes
    assert [len(side) for side in clip_sets(config)] == [5, 4]
    few = config.model_copy(update={"clips": 2, "real_clips": 4, "generated": made})
    assert [len(side) for side in clip_sets(few)] == [4, 2]


def test_real_clips_are_up_to_twice_the_made_ones_that_are_used(trees, monkeypatch):
    data, _ = trees["views-30x24"]
    monkeypatch.setattr("filmgrid.evaluation.protocols.FEW", 2)
    config = protocol_config(PROTOCOLS["views-30x24"], data, data / "views", clips=2)
    assert [len(side) for side in clip_sets(config)] == [4, 2]
    assert "Of 5 real clips at most 4 are used." in config.notes


def test_weights_that_nothing_uses_are_refused_and_those_of_what_is_left_out_dropped(
    trees, tmp_path
):
    data, made = trees["tiktok-100"]
    asked = {"weights": ("clip=random:0", "i3d=random:0"), "sha256": ("i3d=abc",)}
    config = protocol_config(PROTOCOLS["tiktok-100"], data, made, **asked, **FAST)
    assert (config.weights, config.sha256) == (asked["weights"], asked["sha256"])
    for number in range(2):
        pictures(tmp_path / f"mine-{number}", clip(number, 16))
    config = protocol_config(PROTOCOLS["tiktok-100"], data, tmp_path, **asked, **FAST)
    assert config.weights == (("i3d=random:0",) if "fvd" in config.metrics else ())
    with pytest.raises(ConfigError, match="--weights names raft, which no metric"):
        protocol_config(PROTOCOLS["tiktok-100"], data, made, weights=("raft=random:0",))


def test_weights_of_the_data_folder_do_not_stand_in_the_way_of_other_metrics(tmp_path):
    ucf101(tmp_path / "data", tmp_path / "made")
    (tmp_path / "data" / "weights").mkdir()
    for needed in PROTOCOLS["ucf101-16"].weights:
        for name in needed.files:
            (tmp_path / "data" / "weights" / name).write_bytes(b"")
    sides = tmp_path / "data", tmp_path / "made"
    assert protocol_config(PROTOCOLS["ucf101-16"], *sides).weights
    assert protocol_config(PROTOCOLS["ucf101-16"], *sides, metrics=("order",)).weights == ()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real clips of shared/data")
def test_skies_of_the_published_mosaic_are_measured(tmp_path):
    from filmgrid.data.media import read_mosaic
    from filmgrid.grid.spec import Layout

    mosaic = DATA / "videos" / "mdgan_real_video.mp4"
    for number, sky in enumerate(read_mosaic(mosaic, Layout(6, 8, gap=2, margin=2))[:12]):
        side = "made" if number % 3 == 2 else f"sky_timelapse/sky_train/{number // 4}"
        pictures(tmp_path / side / f"{number}", sky.frames[: 16 if side == "made" else None])
    config = protocol_config(PROTOCOLS["sky-16"], tmp_path, tmp_path / "made", **FAST)
    found = {metric.name: metric for metric in evaluate(config).metrics}
    assert found["order"].real is not None and found["order"].real.value < 0.6
    assert found["mmd-offline-motion"].verdict in ("", "within noise")


# ---- the door ------------------------------------------------------------------------------


def run(capsys, *words):
    cli.main(["protocol", *map(str, words)])
    return capsys.readouterr().out


def test_the_command_lists_describes_and_checks(trees, tmp_path, capsys):
    listed = run(capsys)
    assert all(name in listed for name in PROTOCOLS)
    assert "See what is there with --data" in run(capsys, "sky-16")
    data, _ = trees["sky-16"]
    assert "5 of the 2,392 clips" in run(capsys, "sky-16", "--data", data)  # weights are missing
    with pytest.raises(SystemExit) as stop:
        run(capsys, "sky-16", "--data", tmp_path)
    assert stop.value.code == 2
    assert "missing SkyTimelapse" in capsys.readouterr().out


def test_the_command_gives_prompts_and_findings_as_json(trees, capsys):
    told = json.loads(run(capsys, "ucf101-16", "--data", trees["ucf101-16"][0], "--json"))
    assert told["prompts"][0] == {"name": "ApplyEyeMakeup/00", "prompt": "apply eye makeup"}
    assert told["real_clips"] == 6
    assert {each["status"] for each in told["findings"]} == {"found", "missing"}


def test_the_command_measures_and_keeps(trees, tmp_path, capsys):
    data, made = trees["ucf101-triplets"]
    out = tmp_path / "mine.json"
    words = ("--data", data, "--generated", made, "--out", out, "--workers", "1")
    assert "ssim-matlab-3d" in run(capsys, "ucf101-triplets", *words)
    assert json.loads(out.read_text())["settings"]["real_pictures"] == "frame_01_gt.*"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sky",), "is no protocol"),
        (("sky-16", "--generated", "made"), "Name them with --data DIR"),
        (("sky-16", "--out", "a.json"), "Name them with --generated"),
    ],
)
def test_a_mistake_at_the_door_gets_one_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["protocol", *words])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err
