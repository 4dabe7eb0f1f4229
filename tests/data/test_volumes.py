import locale

import nibabel
import numpy as np
import pytest
import SimpleITK

from filmgrid.cli import main
from filmgrid.data.media import read_clip
from filmgrid.data.volumes import (
    PLANES,
    Volume,
    assembled,
    parse_window,
    read_volume,
    slices,
    write_volume,
)
from filmgrid.errors import ConfigError, MediaError, ShapeError

SPACING = (5.0, 0.75, 0.5)


@pytest.fixture(autouse=True)
def _locale_of_the_process():
    """Writing DICOM with SimpleITK sets it to C."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan whose axes are none of ours: 12 from left to right, 10 to the front, 8 to the head."""
    values = np.random.default_rng(0).integers(-1000, 2000, (12, 10, 8)).astype(np.int16)
    affine = np.diag([0.5, 0.75, 5.0, 1.0])
    affine[:3, 3] = [-20, 30, 7]
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def in_world(path, place):
    """Value at a place in the world, as nibabel has it."""
    image = nibabel.load(path)
    at = np.linalg.inv(image.affine) @ [*place, 1]
    return float(np.asarray(image.dataobj)[tuple(at[:3].round().astype(int))])


def test_axes_are_brought_to_those_of_dicom(scan):
    volume = read_volume(scan)
    assert volume.values.shape == (8, 10, 12)
    assert volume.spacing == SPACING
    given = np.asarray(nibabel.load(scan).dataobj)
    assert (volume.values == given.transpose(2, 1, 0)[:, ::-1, ::-1]).all()


@pytest.mark.parametrize("plane", PLANES)
def test_slices_become_the_scan_again_for_other_programs(scan, tmp_path, plane):
    volume = read_volume(scan)
    frames, window = slices(volume, plane, (-1000, 2000))
    assert len(frames) == volume.values.shape[PLANES[plane]]
    assert (frames[..., 0] == frames[..., 2]).all()
    made = assembled(frames, volume, plane, window)
    assert made.spacing == SPACING
    path = write_volume(made, tmp_path / "made.nii.gz")
    assert np.allclose(SimpleITK.ReadImage(str(path)).GetSpacing(), SPACING[::-1])
    assert sorted(nibabel.load(path).header.get_zooms()) == sorted(SPACING)
    for place in ([-20, 30, 7], [-15, 33, 17], [-14.5, 36.75, 42]):
        assert abs(in_world(path, place) - in_world(scan, place)) <= 3000 / 255 / 2 + 1


def test_heads_are_up_and_right_is_left():
    values = np.zeros((6, 5, 4), np.float32)
    values[-1, :, 0] = 1  # the head, at the patient's right
    volume = Volume(values, SPACING)
    assert slices(volume, "coronal", (0, 1))[0][2, 0, 0, 0] == 255
    assert slices(volume, "axial", (0, 1))[0][-1, 2, 0, 0] == 255
    assert slices(volume, "sagittal", (0, 1))[0][0, 0, 2, 0] == 255


def test_frames_of_another_size_cover_the_same_area(scan):
    volume = read_volume(scan)
    frames = np.zeros((20, 20, 24, 3), np.uint8)
    made = assembled(frames, volume, "axial", (0, 1))
    assert made.spacing == (5.0, 0.375, 0.25)
    assert assembled(frames, volume, "axial", (0, 1), 2.5).spacing[0] == 2.5
    edges = []
    for each in (volume, made):
        axes = np.array(each.direction).reshape(3, 3)
        size = np.array(each.values.shape[::-1]) * each.spacing[::-1]
        corner = np.array(each.origin) - axes @ (np.array(each.spacing[::-1]) / 2)
        edges.append((corner, corner + axes @ size))
    (one, one_far), (two, two_far) = edges
    assert np.allclose(one[:2], two[:2]) and np.allclose(one_far[:2], two_far[:2])


def test_values_of_a_narrow_window_are_not_rounded(scan, tmp_path):
    volume = read_volume(scan)
    small = Volume(np.linspace(0, 1, 8 * 10 * 12, dtype=np.float32).reshape(8, 10, 12), SPACING)
    frames, window = slices(small, "axial", (0, 1))
    path = write_volume(assembled(frames, small, "axial", window), tmp_path / "small.nii.gz")
    assert np.abs(read_volume(path).values - small.values).max() <= 1 / 255 / 2 + 1e-6
    with pytest.raises(ConfigError, match="above 0"):
        assembled(frames, volume, "axial", window, -1)


def test_missing_values_are_nothing_and_not_everything(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    values[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "nan.nii.gz")
    frames, window = slices(read_volume(tmp_path / "nan.nii.gz"))
    assert np.isfinite(window).all() and frames.std() > 10


def test_a_series_of_dicom_files_is_read(scan, tmp_path):
    volume = read_volume(scan)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for place, one in enumerate(volume.values.astype(np.int16)):
        image = SimpleITK.GetImageFromArray(one[None])
        image.SetSpacing((0.5, 0.75, 5.0))
        tags = {
            "0008|0060": "CT",
            "0020|000e": "1.2.3.4",
            "0020|000d": "1.2.3",
            "0020|0032": f"-10\\20\\{place * 5}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(place),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(tmp_path / f"{7 - place}.dcm"))
        writer.Execute(image)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    read = read_volume(tmp_path)
    assert locale.setlocale(locale.LC_ALL).endswith("UTF-8")
    assert (read.values == volume.values).all()
    assert np.allclose(read.spacing, SPACING)
    assert np.allclose(read.origin, (-10, 20, 0))


def test_a_series_with_a_gap_is_refused(scan, tmp_path):
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for place in (0, 5, 10, 25, 30):
        image = SimpleITK.GetImageFromArray(np.zeros((1, 4, 4), np.int16))
        tags = {"0020|000e": "1.2", "0020|000d": "1.3", "0020|0032": f"0\\0\\{place}"}
        for tag, value in {**tags, "0020|0037": "1\\0\\0\\0\\1\\0", "0008|0060": "CT"}.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(tmp_path / f"{place}.dcm"))
        writer.Execute(image)
    with pytest.raises(MediaError, match="some are missing"):
        read_volume(tmp_path)


def test_one_of_several_volumes_is_taken(tmp_path):
    values = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5, 2)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "four.nii")
    assert read_volume(tmp_path / "four.nii", 1).values.max() == values[..., 1].max()
    with pytest.raises(MediaError, match="holds 2 volume"):
        read_volume(tmp_path / "four.nii", 2)


def test_the_commands_cut_and_assemble(scan, tmp_path, capsys):
    frames = tmp_path / "frames"
    main(
        ["slices", str(scan), "--window", "-1000,2000", "--plane", "coronal", "--out", str(frames)]
    )
    assert read_clip(frames).frames.shape == (10, 8, 12, 3)
    out = tmp_path / "again.nii.gz"
    main(["volume", str(frames), "--like", str(scan), "--out", str(out)])
    assert capsys.readouterr().out.split() == [str(frames), str(out)]
    difference = read_volume(out).values - read_volume(scan).values
    assert np.abs(difference).max() <= 3000 / 255 / 2 + 1


def test_real_scans_keep_their_place(real_data, tmp_path):
    for name in ("totalseg_example_ct.nii.gz", "niivue_MR_Gd.nii.gz"):
        volume = read_volume(real_data / "volumes" / name)
        frames, window = slices(volume)
        made = write_volume(assembled(frames, volume, "axial", window), tmp_path / name)
        again = read_volume(made)
        assert again.values.shape == volume.values.shape
        assert np.allclose(again.spacing, volume.spacing, atol=1e-4)
        inside = (volume.values > window[0]) & (volume.values < window[1])
        step = (window[1] - window[0]) / 255
        assert np.abs(again.values - volume.values)[inside].max() <= step / 2 + 0.6


@pytest.mark.parametrize("text", ["", "x", "5,4", "1,1", "1;2", "--1,2"])
def test_windows_that_cannot_be_read_are_refused(text):
    with pytest.raises(ConfigError, match="no window"):
        parse_window(text)


def test_what_is_no_volume_is_refused(scan, tmp_path):
    (tmp_path / "no.nii").write_bytes(b"no")
    with pytest.raises(MediaError, match="cannot be read as a volume"):
        read_volume(tmp_path / "no.nii")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no series"):
        read_volume(tmp_path / "empty")
    with pytest.raises(ConfigError, match="no name of a volume"):
        write_volume(read_volume(scan), tmp_path / "scan.png")
    with pytest.raises(ShapeError, match="no slice"):
        assembled(np.zeros((0, 4, 4, 3), np.uint8), read_volume(scan))
