import numpy as np
import pytest
from PIL import Image

from filmgrid.data.export import save_sequence
from filmgrid.data.media import count_frames, read_clip
from filmgrid.data.provenance import Provenance
from filmgrid.errors import ConfigError, DatasetError, MediaError, ShapeError
from filmgrid.evaluation.clips import ClipSet
from filmgrid.evaluation.config import EvaluateConfig
from filmgrid.evaluation.selection import Selection

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)


def folder(path, frames, name="{}.png"):
    path.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / name.format(number))


def frames_of(path, count, **select):
    clips = ClipSet(path, frames=count, select=Selection(**select))
    return clips[clips.names[0]].frames


@pytest.mark.parametrize("kind", ["folder", "array", "animation"])
def test_every_kind_of_clip_gives_the_frames_that_are_asked_for(tmp_path, kind):
    if kind == "folder":
        folder(tmp_path / "a", FRAMES)
    elif kind == "array":
        np.save(tmp_path / "a.npy", FRAMES)
    else:
        save_sequence(FRAMES, str(tmp_path / "a.webp"), fps=8.0, provenance=Provenance())
    np.testing.assert_array_equal(frames_of(tmp_path, 3), FRAMES[:3])
    np.testing.assert_array_equal(frames_of(tmp_path, 3, start="centre"), FRAMES[3:6])
    np.testing.assert_array_equal(frames_of(tmp_path, 3, stride=4), FRAMES[::4])
    np.testing.assert_array_equal(frames_of(tmp_path, 3, start="centre", stride=2), FRAMES[2:7:2])
    np.testing.assert_array_equal(frames_of(tmp_path, None, stride=2), FRAMES[::2])
    random = frames_of(tmp_path, 3, start="random", seed=1)
    assert any(np.array_equal(random, FRAMES[first : first + 3]) for first in range(7))
    with pytest.raises(ShapeError, match="has 3 frames of every 4, and 4 are asked for"):
        frames_of(tmp_path, 4, stride=4)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".webp", "/"])
def test_frames_are_counted_as_they_are_read(tmp_path, suffix):
    path = f"{tmp_path / 'a'}{suffix}"
    save_sequence(FRAMES, path, fps=8.0, provenance=Provenance())
    at = tmp_path / f"a{suffix}".rstrip("/")
    assert count_frames(at) == len(read_clip(at).frames) == 9


def test_the_pictures_of_a_folder_may_be_of_several_sequences(tmp_path):
    folder(tmp_path / "a", FRAMES, "left_{}.png")
    folder(tmp_path / "a", 255 - FRAMES, "right_{}.png")
    folder(tmp_path / "b", FRAMES, "top_{}.png")
    right = ClipSet(tmp_path, select=Selection(pictures="right_*"))
    assert right.names == ["a"] and right.num_frames("a") == 9
    np.testing.assert_array_equal(right["a"].frames, 255 - FRAMES)
    with pytest.raises(DatasetError, match=r"any called side_\*"):
        ClipSet(tmp_path, select=Selection(pictures="side_*"))
    with pytest.raises(MediaError, match=r"holds no pictures called side_\*"):
        read_clip(tmp_path / "a", names="side_*")


def test_names_that_fit_a_pattern_are_shortened(tmp_path):
    for name in ("a/images", "b/c/images", "a/masks"):
        folder(tmp_path / name, FRAMES)
    assert ClipSet(tmp_path, select=Selection(names="*/images")).names == ["a", "b/c"]
    with pytest.raises(DatasetError, match=r"No clip of .* is called \*/depth: the first is a/im"):
        ClipSet(tmp_path, select=Selection(names="*/depth"))


def test_a_list_names_clips_with_or_without_suffix(tmp_path):
    for name in ("a", "b", "c d", "e.f"):
        folder(tmp_path / "set" / name, FRAMES)
    listed = tmp_path / "list.txt"
    listed.write_text("b.avi 7\n\nc d\ne.f\nzzz\n")
    found = ClipSet(tmp_path / "set", select=Selection(listed=listed))
    assert found.names == ["b", "c d", "e.f"]
    assert any("names 4 clips, and 3 of them are in" in note for note in found.notes)
    listed.write_text("zzz\n")
    with pytest.raises(DatasetError, match="names no clip of"):
        ClipSet(tmp_path / "set", select=Selection(listed=listed))
    with pytest.raises(DatasetError, match="is no list of clips that can be read"):
        ClipSet(tmp_path / "set", select=Selection(listed=tmp_path / "none.txt"))


def test_short_clips_are_left_out_and_counted(tmp_path):
    folder(tmp_path / "a", FRAMES)
    folder(tmp_path / "b", FRAMES[:4])
    found = ClipSet(tmp_path, frames=3, select=Selection(stride=3, skip_short=True))
    assert found.names == ["a"]
    assert any("1 of 2 clips" in note and "fewer than 7 frames" in note for note in found.notes)
    with pytest.raises(DatasetError, match=r"All 2 clips .* fewer than 10 frames, the longest 9"):
        ClipSet(tmp_path, frames=10, select=Selection(skip_short=True))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"start": "random"}, "--start and --skip-short need the number of --frames"),
        ({"skip_short": True}, "need the number of --frames"),
        ({"fit": "crop"}, "--fit crop says how .*Add --size"),
        ({"kept": (0, 8), "frames": 8}, r"no frame 8 to keep: --frames 8 .* to 7\. Correct"),
        ({"real_names": "images"}, "needs exactly one"),
    ],
)
def test_impossible_selections_are_refused(tmp_path, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        EvaluateConfig(real=tmp_path, generated=tmp_path, **settings)
