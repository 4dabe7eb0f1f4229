import numpy as np
import pytest

from filmgrid.data.arrays import array_clips
from filmgrid.errors import MediaError

CLIPS = np.random.default_rng(0).integers(0, 256, (12, 5, 8, 10, 3), dtype=np.uint8)


def read(path, **settings):
    return {name: clip() for name, clip in array_clips(path, **settings).items()}


def test_many_clips_come_back_by_number(tmp_path):
    np.save(tmp_path / "mine.npy", CLIPS)
    found = read(tmp_path / "mine.npy")
    assert list(found) == [f"mine-{index:02d}" for index in range(12)]
    for index, clip in enumerate(found.values()):
        np.testing.assert_array_equal(clip, CLIPS[index])
    assert list(read(tmp_path / "mine.npy", numbered=True))[:2] == ["00", "01"]


def test_one_clip_is_called_as_its_file_and_many_arrays_by_their_names(tmp_path):
    np.save(tmp_path / "one.npy", CLIPS[0])
    assert list(read(tmp_path / "one.npy")) == ["one"]
    np.savez(tmp_path / "named.npz", first=CLIPS[0], second=CLIPS[1])
    found = read(tmp_path / "named.npz")
    assert list(found) == ["first", "second"]
    np.testing.assert_array_equal(found["second"], CLIPS[1])


def test_numbers_from_0_to_1_and_wide_integers_become_bytes(tmp_path):
    np.save(tmp_path / "float.npy", (CLIPS[0] / 255).astype(np.float32))
    np.testing.assert_array_equal(read(tmp_path / "float.npy")["float"], CLIPS[0])
    np.save(tmp_path / "wide.npy", CLIPS[0].astype(np.int64))
    np.testing.assert_array_equal(read(tmp_path / "wide.npy")["wide"], CLIPS[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (CLIPS[0, 0], r"shape \(8, 10, 3\).*colours last"),
        (CLIPS[0].transpose(0, 3, 1, 2), r"shape \(5, 3, 8, 10\).*colours last"),
        (CLIPS[0].astype(float), "numbers from 0 to 255"),
        (np.full((2, 4, 4, 3), -0.5), "numbers from -0.5 to -0.5"),
        (np.full((2, 4, 4, 3), np.inf), "Frame 0 of bad .* NaN or infinite"),
        (CLIPS[0].astype(np.int32) - 300, "outside of 0 to 255"),
        (np.empty((0, 4, 4, 3), np.uint8), "colours last"),
        (CLIPS[0] > 100, "bool"),
    ],
)
def test_other_arrays_are_refused_in_one_sentence(tmp_path, values, message):
    np.save(tmp_path / "bad.npy", values)
    with pytest.raises(MediaError, match=message):
        read(tmp_path / "bad.npy")


def test_what_would_have_to_be_unpickled_is_refused(tmp_path):
    np.save(tmp_path / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "object.npz", a=np.array([{"a": 1}], dtype=object))
    (tmp_path / "text.npy").write_text("no array")
    for name in ("object.npy", "object.npz", "text.npy"):
        with pytest.raises(MediaError, match="no NumPy file of numbers"):
            read(tmp_path / name)
