"""Scores of clips, by metric: each a small function of what is known of a clip."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from filmgrid.errors import ConfigError, ShapeError
from filmgrid.evaluation.clips import Clip
from filmgrid.evaluation.instruments import Instruments
from filmgrid.grid.spec import Layout
from filmgrid.metrics.consistency import neighbour_cosine, neighbour_identity
from filmgrid.metrics.drift import drift
from filmgrid.metrics.frames import kept_exactness, moving_pixels, psnr, ssim
from filmgrid.metrics.health import (
    border_stripes,
    frozen_share,
    grain,
    loop_closure,
    order_score,
    seam_energy,
)
from filmgrid.metrics.repeats import duplicate_share
from filmgrid.metrics.similarity import SsimVariant, ssim_window
from filmgrid.metrics.warp import WarpError, warp_error
from filmgrid.types import FrameArray


@dataclass(frozen=True, slots=True)
class Seen:
    """A clip with its features.

    Args:
        clip: its frames and what was said of it.
        features: by the name of the extractor; one vector, or one per frame.
        warps: warp errors by the name of the flow, kept for the second number taken from them.
    """

    clip: Clip
    features: dict[str, np.ndarray] = field(default_factory=dict)
    warps: dict[str, WarpError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What scores need besides the clip.

    Args:
        instruments: loaded.
        layout: of the grids, if it is known.
        kept: frames that had to stay.
    """

    instruments: Instruments
    layout: Layout | None
    kept: tuple[int, ...]


ClipScore = Callable[[Seen, Context], float]
PairScore = Callable[[Seen, Seen, Context], float]
"""NaN where the metric says nothing of this clip, which then does not count."""


def _of_frames(measure: Callable[[FrameArray], float]) -> ClipScore:
    return lambda seen, _: measure(seen.clip.frames)


def _seams(seen: Seen, context: Context) -> float:
    assert context.layout is not None
    try:
        return seam_energy(seen.clip.frames, context.layout)
    except ShapeError as error:
        raise ShapeError(f"{seen.clip.name}: {error}") from error


def _warp(flow: str, read: Callable[[WarpError], float]) -> ClipScore:
    def score(seen: Seen, context: Context) -> float:
        if flow not in seen.warps:
            frames = seen.clip.frames
            seen.warps[flow] = warp_error(frames, *context.instruments.flows[flow](frames))
        return read(seen.warps[flow])

    return score


def _clip_text(seen: Seen, context: Context) -> float:
    if not seen.clip.caption:
        raise ConfigError(
            f"{seen.clip.name} has no caption for clip-text. Write {seen.clip.name}.txt beside the "
            "clip, or a metadata.jsonl."
        )
    text = context.instruments.clip_text([seen.clip.caption])[0]
    return float(np.mean(seen.features["clip"] @ text))


CLIP_SCORES: dict[str, ClipScore] = {
    "order": _of_frames(order_score),
    "frozen": _of_frames(frozen_share),
    "duplicates": _of_frames(duplicate_share),
    "grain": _of_frames(grain),
    "loop": _of_frames(loop_closure),
    "seams": _seams,
    "stripes": _of_frames(border_stripes),
    "identity": _of_frames(neighbour_identity),
    "drift": _of_frames(drift),
    "warp": _warp("flow", lambda found: found.error),
    "warp-ratio": _warp("flow", lambda found: found.ratio),
    "warp-raft": _warp("raft", lambda found: found.error),
    "warp-ratio-raft": _warp("raft", lambda found: found.ratio),
    "clip-text": _clip_text,
    "clip-identity": lambda seen, _: neighbour_cosine(seen.features["clip"]),
}


def _fidelity(measure: Callable[[FrameArray, FrameArray], float]) -> PairScore:
    """Over the frames that did not have to stay."""

    def score(real: Seen, made: Seen, context: Context) -> float:
        return measure(*free_frames(real.clip, made.clip, context.kept))

    return score


def _ssim(variant: SsimVariant) -> PairScore:
    return _fidelity(lambda real, made: ssim(real, made, variant=variant))


def _moving(measure: Callable[..., float], margin: int = 0) -> PairScore:
    """Over the pixels that move, further than ``margin`` px from the edge."""

    def score(real: Seen, made: Seen, context: Context) -> float:
        mask = moving_pixels(real.clip.frames)
        free = _free(real.clip, context.kept)
        if not mask[free, margin : mask.shape[1] - margin, margin : mask.shape[2] - margin].any():
            return math.nan  # nothing moves in this clip
        return measure(*free_frames(real.clip, made.clip, context.kept), mask[free])

    return score


def _distance(name: str) -> PairScore:
    def score(real: Seen, made: Seen, context: Context) -> float:
        pair = free_frames(real.clip, made.clip, context.kept)
        return float(np.mean(context.instruments.distances[name](*pair)))

    return score


def _kept(real: Seen, made: Seen, context: Context) -> float:
    return kept_exactness(real.clip.frames, made.clip.frames, context.kept).equal_share


def _cosine(real: slice, made: slice) -> PairScore:
    return lambda one, other, _: float(
        np.mean(np.sum(one.features["clip"][real] * other.features["clip"][made], axis=-1))
    )


def _orbit(real: Seen, made: Seen, context: Context) -> float:
    if len(made.features["clip"]) < 2:
        raise ShapeError(f"{made.clip.name} has one frame, and clip-orbit looks at the later ones.")
    return _cosine(slice(1, None), slice(1, None))(real, made, context)


PAIR_SCORES: dict[str, PairScore] = {
    "psnr": _fidelity(psnr),
    "psnr-moving": _moving(psnr),
    "ssim": _ssim("gaussian"),
    "ssim-uncropped": _ssim("gaussian-uncropped"),
    "ssim-torchmetrics": _ssim("torchmetrics"),
    "ssim-uniform-7": _ssim("uniform-7"),
    "ssim-gray": _ssim("gray"),
    "ssim-matlab-3d": _ssim("matlab-3d"),
    "ssim-moving": _moving(ssim, ssim_window("gaussian").margin),
    "lpips-alex": _distance("lpips-alex"),
    "lpips-vgg": _distance("lpips-vgg"),
    "lpips-squeeze": _distance("lpips-squeeze"),
    "dists": _distance("dists"),
    "kept": _kept,
    "clip-image": _cosine(slice(0, 1), slice(None)),
    "clip-front": _cosine(slice(0, 1), slice(0, 1)),
    "clip-orbit": _orbit,
}
UNEQUAL_LENGTHS = frozenset({"clip-image", "clip-front"})
"""Pair scores that take clips of different lengths."""


def free_frames(real: Clip, made: Clip, kept: tuple[int, ...]) -> tuple[FrameArray, FrameArray]:
    """Frames of both that did not have to stay.

    Raises:
        ConfigError: if all had to, or there is no such frame.
    """
    if not kept:
        return real.frames, made.frames
    free = _free(real, kept)
    if not free.any():
        raise ConfigError(f"All frames of {made.name} are kept ones, which leaves none to score.")
    return real.frames[free], made.frames[free]


def _free(clip: Clip, kept: tuple[int, ...]) -> np.ndarray:
    count = len(clip.frames)
    missing = [frame for frame in kept if frame >= count]
    if missing:
        raise ConfigError(
            f"{clip.name} has no frame {missing[0]} to keep: its frames are counted from 0 to "
            f"{count - 1}. Correct --kept."
        )
    free = np.ones(count, dtype=bool)
    free[list(kept)] = False
    return free
