"""Restoration: frames that were blurred, and frames with grey blocks over them."""

import numpy as np

from filmgrid.bars.figure import Ask, Readings, Row, Sequences, Setup
from filmgrid.bars.pictures import MOST_DECIBELS
from filmgrid.bars.reading import SIDE
from filmgrid.bars.scenes import motion_scene, random_of
from filmgrid.data.degrade import hide_blocks
from filmgrid.data.world.motion_captions import full_caption
from filmgrid.data.world.paint import paint_motion
from filmgrid.metrics.blur import blurred
from filmgrid.metrics.frames import psnr
from filmgrid.types import FrameArray

BLUR = 3.0
"""Standard deviation in pixels of 64."""
BLOCK_SHARE, BLOCKS, GREY = 0.3, 8, 128
"""Share of the blocks that are grey in a frame, blocks along a side, and their level."""


def blur(frames: FrameArray) -> FrameArray:
    """Gaussian blur of every frame."""
    sigma = BLUR * min(frames.shape[1:3]) / SIDE
    return blurred(frames, sigma).round().clip(0, 255).astype(np.uint8)


def _ask(setup: Setup, number: int, blocks: bool) -> Ask:
    scene = motion_scene(setup.config.seed, number)
    truth = paint_motion([scene], 16, setup.cell)[0].numpy()
    random = random_of(setup.config.seed, number, 2)
    given = hide_blocks(truth, BLOCK_SHARE, BLOCKS, GREY, random) if blocks else blur(truth)
    sigma = setup.config.restore_sigma
    words = setup.words(
        full_caption(scene), "4x4", number, video=given, task="edit", start_sigma=sigma
    )
    return Ask(scene, words, truth, given)


def _judge(ask: Ask, frames: FrameArray) -> Readings:
    """Decibels over the degraded frames, whole frames."""
    assert ask.given is not None
    made, given = (min(MOST_DECIBELS, psnr(ask.truth, each)) for each in (frames, ask.given))
    return {"gain": made - given, "psnr": made}


def _rows(what: str) -> tuple[Row, ...]:
    return (
        Row("gain", f"restoration, {what}: over the input", 5, 3, "mean", "dB"),
        Row("psnr", "  PSNR", how="mean", unit="dB"),
    )


DEBLUR = Sequences(
    "deblur",
    _rows("blur of 3 px of 64"),
    lambda setup, number: _ask(setup, number, blocks=False),
    _judge,
    reads=False,
    settings=("restore_sigma",),
)
BLOCKED = Sequences(
    "blocks",
    _rows("30 % grey blocks"),
    lambda setup, number: _ask(setup, number, blocks=True),
    _judge,
    reads=False,
    settings=("restore_sigma",),
)
