"""From scans to a model to a scan that other programs open."""

import nibabel
import numpy as np
import pytest
import SimpleITK
import yaml

from filmgrid.cli import main

SPACING = (0.8, 0.9, 2.5)
AIR, BODY, BONE = -1000, 40, 700


def body(seed, shape=(48, 40, 64)):
    """A trunk of soft tissue with a spine and two lungs that end in it, in Hounsfield units."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.linspace(-1, 1, count) for count in shape)
    x, y, z = x[:, None, None], y[None, :, None], z[None, None]
    wide, deep = rng.uniform(0.7, 0.9), rng.uniform(0.6, 0.8)
    values = np.full(shape, AIR, np.float32)
    values[(x / wide) ** 2 + (y / deep) ** 2 + 0 * z < 1] = BODY
    for side in (-1, 1):
        lung = ((x - side * 0.35) / 0.25) ** 2 + (y / 0.35) ** 2 + ((z - 0.3) / 0.6) ** 2 < 1
        values[lung] = -800
    values[(x / 0.12) ** 2 + ((y - 0.45) / 0.12) ** 2 + 0 * z < 1] = BONE
    return (values + rng.normal(0, 10, shape)).round().astype(np.int16)


def save(values, path):
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = [-19, -18, -80]
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


@pytest.mark.long
def test_a_model_of_scans_makes_a_scan_of_64_slices(tmp_path, capsys):
    window = ["--window", "-1000,1000"]
    for seed in range(6):
        scan = save(body(seed), tmp_path / f"scan{seed}.nii.gz")
        main(["slices", str(scan), *window, "--out", str(tmp_path / "slices" / f"scan{seed}")])
    words = ["--layout", "4x4", "--cell", "32", "--fit", "resize"]
    data = tmp_path / "data"
    main(["dataset", "build", str(tmp_path / "slices"), *words, "--out", str(data)])
    config = {
        "out": str(tmp_path / "run"),
        "data": [{"kind": "folder", "folder": str(data)}],
        "layouts": [{"layout": "4x4"}],
        "model": {"dim": 128, "depth": 4, "head_dim": 32, "text_depth": 0},
        "cell": 32,
        "batch": 8,
        "steps": 150,
        "keep_probability": 0.5,
        "compile": False,
        "workers": 0,
        "validate_every": 0,
        "device": "cpu",
        "num_steps": 8,
    }
    (tmp_path / "ct.yaml").write_text(yaml.safe_dump(config))
    main(["train", str(tmp_path / "ct.yaml")])
    made, out = tmp_path / "made", tmp_path / "made.nii.gz"
    main(["generate", "--model", config["out"], "--frames", "64", "--out", f"{made}/"])
    like = tmp_path / "scan0.nii.gz"
    main(["volume", str(made), "--like", str(like), *window, "--out", str(out)])
    image, other = nibabel.load(out), SimpleITK.ReadImage(str(out))
    values = np.asarray(image.dataobj)
    wanted = (0.8 * 48 / 32, 0.9 * 40 / 32, 2.5)
    assert image.shape == (32, 32, 64) == other.GetSize()
    assert np.allclose(image.header.get_zooms(), wanted)
    assert np.allclose(other.GetSpacing(), wanted)
    assert values.dtype == np.int16 and -1000 <= values.min() < values.max() <= 1000
    assert sorted(SimpleITK.GetArrayFromImage(other).ravel()) == sorted(values.ravel())
    corners = np.median([values[0, 0], values[-1, -1], values[0, -1], values[-1, 0]])
    centre = np.median(values[12:20, 12:16])
    assert corners < -900  # air around the body
    assert -900 < centre < 500
    thin = tmp_path / "thin.nii.gz"
    words = ["--model", config["out"], "--cell", "32", *window, "--out", str(thin)]
    main(["thin", str(save(body(9), tmp_path / "new.nii.gz")), *words])
    assert np.allclose(nibabel.load(thin).header.get_zooms(), (*wanted[:2], 1.25))
    assert nibabel.load(thin).shape == (32, 32, 127)
