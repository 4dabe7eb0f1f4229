"""Image to sequence, and interpolation between keyframes."""

import numpy as np

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.reading import read_motion
from filmgrid.bars.scenes import motion_scene
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.motion_scenes import MotionScene
from filmgrid.data.world.paint import paint_motion
from filmgrid.data.world.words import VERBS
from filmgrid.evaluation.judges.motion import compare_motion, judge_motion
from filmgrid.metrics.frames import moving_pixels, psnr
from filmgrid.types import FrameArray

NUM_LAST = 4
"""Frames at the end that the last one is read from; the judge needs so many."""
KEYFRAMES = (0, 5, 10, 15)
MOST_DECIBELS = 60.0
"""Of equal frames: about what rounding to 8 bits leaves."""


def _from_image(setup: Setup, number: int) -> Ask:
    scene = motion_scene(setup.config.seed, number)
    truth = paint_motion([scene], 16, setup.cell)[0].numpy()
    words = setup.words(full_caption(scene), "4x4", number, image=truth[0])
    return Ask(scene, words, truth, truth[:1])


def _read_last(ask: Ask, frames: FrameArray) -> Readings:
    assert isinstance(ask.scene, MotionScene) and ask.given is not None
    last = compare_motion(ask.scene, judge_motion(frames[-NUM_LAST:], pace=1.0))
    return {
        "exact": float((frames[0] == ask.given[0]).all()),
        "last colour": float(last["colour"]),
        "last shape": float(last["shape"]),
        "verb": read_motion(ask.scene, frames)["verb"],
    }


def _between(setup: Setup, number: int) -> Ask:
    verbs = [verb for verb in VERBS if verb != "staying still"]
    scene = motion_scene(setup.config.seed, number, verbs=verbs)
    truth = paint_motion([scene], 16, setup.cell)[0].numpy()
    keys = {cell: truth[cell] for cell in KEYFRAMES}
    words = setup.words(full_caption(scene), "4x4", number, keyframes=keys)
    return Ask(scene, words, truth, blended(truth))


def _read_gain(ask: Ask, frames: FrameArray) -> Readings:
    """Decibels over linear blending, of the frames between, where something moves."""
    assert ask.given is not None
    between = [cell for cell in range(len(frames)) if cell not in KEYFRAMES]
    mask = moving_pixels(ask.truth)[between]
    made, linear = (
        min(MOST_DECIBELS, psnr(ask.truth[between], each[between], mask))
        for each in (frames, ask.given)
    )
    return {"gain": made - linear, "psnr": made}


def blended(truth: FrameArray) -> FrameArray:
    """Every frame as the mean of the keyframes around it, by distance."""
    keys = np.array(KEYFRAMES)
    frames = []
    for cell in range(len(truth)):
        after = min(int(np.searchsorted(keys, cell, "right")), len(keys) - 1)
        low, high = keys[after - 1], keys[after]
        share = (cell - low) / (high - low)
        frames.append((1 - share) * truth[low].astype(np.float64) + share * truth[high])
    return np.stack(frames).round().astype(np.uint8)


IMAGE = Sequences(
    "image",
    (
        Row("exact", "image to sequence: first frame exact", 100, 100),
        Row("last colour", "image to sequence: colour kept to the last frame", 95, 90),
        Row("last shape", "image to sequence: shape kept to the last frame", 95, 90),
        Row("verb", "  verbs right"),
    ),
    _from_image,
    _read_last,
    reads=False,
)
BETWEEN = Sequences(
    "interpolation",
    (
        Row(
            "gain", "interpolation, keyframes 0, 5, 10, 15: over linear blending, moving pixels",
            4, 2, "mean", "dB",
        ),
        Row("psnr", "  PSNR of moving pixels", how="mean", unit="dB"),
    ),
    _between,
    _read_gain,
    reads=False,
)  # fmt: skip
