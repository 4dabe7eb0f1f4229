"""Pictures of clips for a report: moving, and with all frames side by side, in few bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from filmgrid.data.animations import encode_webp
from filmgrid.data.fit import fit_frames
from filmgrid.data.mosaics import pack_image
from filmgrid.evaluation.report_words import count_of
from filmgrid.grid.spec import CellSize, Layout
from filmgrid.types import FrameArray, ImageArray

FPS = 8
"""Frames per second of the pictures; clips do not tell theirs."""
SIDES = (256, 192, 128, 96, 64)
"""Longest sides of a frame that are tried, in pixels, until the picture has few enough bytes."""
MAX_PIXELS = 4_000_000
"""Of all frames of a moving picture, beyond which encoding it is not even tried."""
EXACT_PIXELS = 500_000
"""Of all frames, up to which a picture is tried without loss: small frames show every artefact."""
QUALITY = 82
"""Of pictures with loss, of 100."""
STILL_WIDTH, STILL_FRAMES, FEW_FRAMES = 760, 60, 16
"""Of the picture of all frames: its width in pixels, the most frames it has, and how many are few
enough to be drawn larger."""

GAP, MARGIN, BAR = 2, 6, 4
"""Pixels between clips, around a frame of all of them, and of the bar that says how far a moving
picture is."""
GROUND, BAR_GROUND, BAR_DONE = 128, 80, 235
"""Their levels of 255, to be seen on a light and on a dark page."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the clips that are shown together."""

    label: str
    """What it is called."""
    frames: FrameArray


@dataclass(frozen=True, slots=True)
class Sheet:
    """Clips shown together, moving and still, as WebP."""

    labels: tuple[str, ...]
    """What each is, from the left or from above."""
    is_beside: bool
    """Whether they stand side by side, or one above the other."""
    moving: bytes
    """Endless animation, with a bar below that says how far it is."""
    still: bytes
    """All frames in reading order, each as in the animation."""
    size: CellSize
    """Of the animation."""
    facts: str
    """How fast it plays, and what was made smaller or left out."""


def draw_sheet(panels: Sequence[Panel], max_bytes: int) -> Sheet:
    """Show clips together, as large as so many bytes allow.

    Frames shrink first, then some are passed over; the facts of the sheet say so.

    Args:
        panels: at least one.
        max_bytes: of both pictures; more only where a few frames of 64 px are too many.
    """
    num_frames = max(len(panel.frames) for panel in panels)
    heights, widths = zip(*(panel.frames.shape[1:3] for panel in panels), strict=True)
    is_beside = max(widths) < 1.4 * max(heights)
    longest = max(*heights, *widths)
    for_moving = max_bytes * 3 // 5
    moving, size, side, step = b"", CellSize(1, 1), longest, 1
    most_pixels = float(MAX_PIXELS)
    for side, step in _attempts(longest, num_frames):
        chosen = np.arange(0, num_frames, step)
        area = max(heights) * max(widths) * (side / longest) ** 2
        pixels = area * len(panels) * len(chosen)
        if pixels > most_pixels:
            continue
        frames = _with_bar(_together(panels, chosen, side, is_beside), chosen, num_frames)
        moving = _webp(frames, FPS / step, for_moving)
        size = CellSize(frames.shape[1], frames.shape[2])
        if len(moving) <= for_moving:
            break
        most_pixels = 1.5 * pixels * for_moving / len(moving)  # others will not be small enough
    still, num_still = _still(panels, num_frames, is_beside, max_bytes - for_moving)
    return Sheet(
        labels=tuple(panel.label for panel in panels),
        is_beside=is_beside,
        moving=moving,
        still=still,
        size=size,
        facts=_facts(panels, side / longest, step, num_still),
    )


def _attempts(longest: int, num_frames: int) -> Iterator[tuple[int, int]]:
    """Longest sides and steps between frames, from the best picture to the smallest."""
    sides = [min(longest, SIDES[0]), *(side for side in SIDES[1:] if side < longest)]
    yield from ((side, 1) for side in sides)
    step = 2
    while step < num_frames:
        yield sides[-1], step
        step *= 2


def _together(
    panels: Sequence[Panel], chosen: Int[np.ndarray, " n"], side: int, is_beside: bool
) -> FrameArray:
    """Chosen frames of all panels in one picture each; where a clip has ended there is ground."""
    longest = max(max(panel.frames.shape[1:3]) for panel in panels)
    scale = min(1.0, side / longest)
    small = [_scaled(panel.frames[chosen[chosen < len(panel.frames)]], scale) for panel in panels]
    height, width = (max(frames.shape[axis] for frames in small) for axis in (1, 2))
    step = (0, width + GAP) if is_beside else (height + GAP, 0)
    whole = (
        height + step[0] * (len(panels) - 1),
        width + step[1] * (len(panels) - 1),
    )
    pictures = np.full((len(chosen), *whole, 3), GROUND, np.uint8)
    for index, frames in enumerate(small):
        top = index * step[0] + (height - frames.shape[1]) // 2
        left = index * step[1] + (width - frames.shape[2]) // 2
        pictures[: len(frames), top : top + frames.shape[1], left : left + frames.shape[2]] = frames
    return pictures


def _scaled(frames: FrameArray, scale: float) -> FrameArray:
    height, width = (max(1, round(side * scale)) for side in frames.shape[1:3])
    return fit_frames(frames, CellSize(height, width), "resize") if scale < 1 else frames


def _with_bar(frames: FrameArray, chosen: Int[np.ndarray, " n"], num_frames: int) -> FrameArray:
    """With a bar below that fills as time goes, so that what stands still is seen to be playing."""
    count, _, width, _ = frames.shape
    bars = np.full((count, GAP + BAR, width, 3), GROUND, np.uint8)
    bars[:, GAP:] = BAR_GROUND
    for bar, frame in zip(bars, chosen, strict=True):
        bar[GAP:, : round(width * (frame + 1) / num_frames)] = BAR_DONE
    return np.concatenate([frames, bars], axis=1)


def _still(
    panels: Sequence[Panel], num_frames: int, is_beside: bool, max_bytes: int
) -> tuple[bytes, int]:
    """All frames in reading order, or some spread evenly, as one picture, and how many they are."""
    most = min(num_frames, STILL_FRAMES)
    attempts = [(most, STILL_WIDTH), (most, STILL_WIDTH * 2 // 3), (most, STILL_WIDTH // 2)]
    attempts += [(count, STILL_WIDTH // 2) for count in (30, 15) if count < most]
    attempts += [(min(most, 6), STILL_WIDTH // 4)]
    data = b""
    for count, width in attempts:
        chosen = np.linspace(0, num_frames - 1, count).round().astype(int)
        data = _webp(_mosaic(panels, chosen, width, is_beside)[None], FPS, max_bytes)
        if len(data) <= max_bytes:
            return data, count
    return data, attempts[-1][0]


def _mosaic(
    panels: Sequence[Panel], chosen: Int[np.ndarray, " n"], width: int, is_beside: bool
) -> ImageArray:
    """Chosen frames of all panels in one picture, about so many pixels wide."""
    whole_height, whole_width = _together(panels, chosen[:1], SIDES[0], is_beside).shape[1:3]
    is_large = whole_width > 2.5 * whole_height or len(chosen) <= FEW_FRAMES
    cols = min(len(chosen), 4 if not is_beside else 2 if is_large else 3)
    side = max(1, round(SIDES[0] * (width / cols - 2 * MARGIN) / whole_width))
    pictures = _together(panels, chosen, side, is_beside)
    rows = -(-len(pictures) // cols)
    spare = np.full((rows * cols - len(pictures), *pictures.shape[1:]), GROUND, np.uint8)
    around = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    cells = np.pad(np.concatenate([pictures, spare]), around, constant_values=GROUND)
    return pack_image(cells, Layout(rows, cols))


def _webp(frames: FrameArray, fps: float, max_bytes: int) -> bytes:
    """Without loss where few bytes are enough for that, else with little."""
    if frames[..., 0].size <= EXACT_PIXELS:
        exact = encode_webp(frames, fps)
        if len(exact) <= max_bytes:
            return exact
    return encode_webp(frames, fps, quality=QUALITY)


def _facts(panels: Sequence[Panel], scale: float, step: int, num_still: int) -> str:
    sizes = dict.fromkeys(str(CellSize(*panel.frames.shape[1:3])) for panel in panels)
    told = f"{', '.join(sizes)} px" + (f" shown at {scale:.0%}" if scale < 1 else "")
    lengths = {panel.label: len(panel.frames) for panel in panels}
    if len(set(lengths.values())) == 1:
        told += f", {count_of(len(panels[0].frames), 'frame')}"
    else:
        told += "".join(f", {label} {count_of(n, 'frame')}" for label, n in lengths.items())
    if step > 1:
        told += f", one in {step} shown"
    if num_still < max(lengths.values()):
        told += f", {num_still} on the still"
    return f"{told}, {FPS} fps"
