"""Numbers that others printed, for those who have the weights behind them.

Name the folder with the published files in FILMGRID_WEIGHTS; without one of them its test skips.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from filmgrid.evaluation.i3d_features import i3d_features
from filmgrid.evaluation.perceptual import lpips_distance
from filmgrid.evaluation.spec import FrameChoice
from filmgrid.metrics.frechet import frechet_distance

BLACK = np.zeros((8, 30, 64, 64, 3), np.uint8)
WHITE = np.full_like(BLACK, 255)


def published(name):
    path = Path(os.environ.get("FILMGRID_WEIGHTS", "")) / name
    if "FILMGRID_WEIGHTS" not in os.environ or not path.is_file():
        pytest.skip(f"{name} is not in the folder of FILMGRID_WEIGHTS")
    return path


def test_fvd_of_black_and_white_clips_is_that_of_common_metrics():
    features = i3d_features("crop", published("i3d_torchscript.pt"), frames=FrameChoice())
    black, white = (np.stack(list(features.extract(clips))) for clips in (BLACK, WHITE))
    assert frechet_distance(black, white) == pytest.approx(151.2565, rel=1e-4)


def test_lpips_of_black_and_white_frames_is_that_of_common_metrics():
    pytest.importorskip("torchmetrics")
    distance = lpips_distance("alex", published("alexnet-owt-7be5be79.pth"))
    assert distance(BLACK[0], WHITE[0]).mean() == pytest.approx(0.81401, abs=1e-4)
