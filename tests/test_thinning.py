"""Slices between those of a scan."""

import nibabel
import numpy as np
import pytest
import SimpleITK

from filmgrid.cli import main
from filmgrid.data.volumes import PLANES, Volume, read_volume
from filmgrid.errors import ConfigError, FilmgridError, ShapeError
from filmgrid.generator import Generator
from filmgrid.request import GenerateRequest
from filmgrid.thinning import thinned

SPACING = (5.0, 0.75, 0.5)


@pytest.fixture(scope="module")
def generator(tiny_model):
    return Generator.from_pretrained(tiny_model, "cpu", "fp32")


def scan(*shape):
    values = np.random.default_rng(0).integers(-1000, 2000, shape).astype(np.float32)
    return Volume(values, SPACING, (-20.0, 30, 7))


def asked(**words):
    return GenerateRequest(video="scan.nii", steps=1, guidance=1, **words)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("between", [1, 2])
def test_slices_that_were_there_keep_their_values_and_places(generator, plane, between):
    volume, axis = scan(6, 20, 35), PLANES[plane]
    made = thinned(generator, volume, asked(between=between), plane, (-160, 240))
    assert made.values.shape[axis] == (volume.values.shape[axis] - 1) * (between + 1) + 1
    assert (
        np.delete(made.values.shape, axis).tolist() == np.delete(volume.values.shape, axis).tolist()
    )
    assert np.isclose(made.spacing[axis] * (between + 1), SPACING[axis])
    assert made.origin == volume.origin
    along = np.moveaxis(made.values, axis, 0)
    assert (along[:: between + 1] == np.moveaxis(volume.values, axis, 0)).all()
    new = np.delete(along, np.s_[:: between + 1], axis=0)
    assert new.min() >= -160 and new.max() <= 240 and new.std() > 0


def test_slices_of_the_size_of_a_cell_cover_the_same_area(generator):
    volume = scan(5, 20, 35)
    made = thinned(generator, volume, asked(between=1, cell=32), "axial", (-160, 240))
    assert made.values.shape == (9, 32, 32)
    assert np.allclose(made.spacing, (2.5, 0.75 * 20 / 32, 0.5 * 35 / 32))
    assert made.values.max() <= 240


def test_what_cannot_be_made_thinner_is_refused(generator):
    with pytest.raises(ShapeError, match="1 axial slice"):
        thinned(generator, scan(1, 20, 35), asked(between=1))
    with pytest.raises(ConfigError, match="how many slices"):
        thinned(generator, scan(4, 20, 35), asked(task="edit"))


def test_the_command_writes_what_other_programs_open(tiny_model, tmp_path, capsys):
    values = np.random.default_rng(0).integers(-1000, 2000, (35, 20, 6)).astype(np.int16)
    affine = np.diag([0.5, 0.75, 5.0, 1.0])
    affine[:3, 3] = [-20, 30, 7]
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    words = ["--model", str(tiny_model), "--steps", "1", "--window", "soft"]
    out = tmp_path / "thin.nii.gz"
    main(["thin", str(tmp_path / "scan.nii.gz"), *words, "--out", str(out)])
    assert capsys.readouterr().out.split()[-1] == str(out)
    assert np.allclose(SimpleITK.ReadImage(str(out)).GetSpacing(), (0.5, 0.75, 2.5))
    image = nibabel.load(out)
    for place in ([-20, 30, 7], [-15, 33, 17], [-14.5, 36.75, 32]):
        at = np.linalg.inv(image.affine) @ [*place, 1]
        before = np.linalg.inv(affine) @ [*place, 1]
        found = np.asarray(image.dataobj)[tuple(at[:3].round().astype(int))]
        assert found == values[tuple(before[:3].round().astype(int))]
    with pytest.raises((FilmgridError, SystemExit)):
        main(["thin", str(tmp_path / "scan.nii.gz"), *words, "--out", str(tmp_path / "thin.png")])
    assert read_volume(out).values.shape == (11, 20, 35)
