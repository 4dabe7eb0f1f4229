"""GIF and WebP animations out, with Pillow."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt32
from PIL import Image

from filmgrid.data.files import atomic_path
from filmgrid.data.provenance import Provenance, exif
from filmgrid.errors import ConfigError, MediaError
from filmgrid.types import FrameArray, ImageArray

MAX_GIF_FPS = 50
"""Players show a GIF frame of less than 1/50 s for 1/10 s."""

_TICKS = {".gif": 100, ".webp": 1000}
"""Of each format in a second."""
_FEWEST = {".gif": 100 // MAX_GIF_FPS, ".webp": 1}
"""Ticks of the shortest frame."""

_PALETTE_SAMPLE = 2_000_000  # pixels, spread over all frames, from which the palette is chosen


def durations_of(
    num_frames: int, fps: float, ticks: int, times: Sequence[float] | None = None
) -> list[int]:
    """Whole ticks per frame, whose sums never drift from the true time by more than half one.

    Args:
        num_frames: of the sequence.
        fps: frames per second; of frames unevenly apart it says how long the last one is shown.
        ticks: in a second.
        times: seconds from the first frame to each, if they are unevenly apart; to the end of the
            last as well, if that is known.
    """
    ends = np.arange(num_frames + 1) / fps if times is None else list(times)
    if len(ends) == num_frames:
        ends = [*ends, ends[-1] + 1 / fps]
    return np.diff(np.rint(np.asarray(ends) * ticks).astype(int)).tolist()


def check_times(path: Path, num_frames: int, fps: float, times: Sequence[float]) -> None:
    """Refuse times between which an animation cannot show a frame.

    Raises:
        ConfigError: with what can.
    """
    suffix = path.suffix.lower()
    shown = durations_of(num_frames, fps, _TICKS[suffix], times)
    shortest = min(range(len(shown)), key=shown.__getitem__)
    if shown[shortest] < _FEWEST[suffix]:
        seconds = _FEWEST[suffix] / _TICKS[suffix]
        raise ConfigError(
            f"Frame {shortest} is followed by the next within {seconds:g} s, for which {path.name} "
            "cannot show it. Use .mp4 or .mkv, or --fps for frames evenly apart."
        )


def save_gif(
    frames: FrameArray,
    path: Path,
    fps: float,
    provenance: Provenance,
    times: Sequence[float] | None = None,
) -> None:
    """Write an endless GIF with one palette for all frames.

    A shared palette does not flicker from frame to frame. Up to 256 colours (so every gray
    sequence) are kept exactly; more are dithered (octree palette, Floyd-Steinberg), which on
    real clips shows the least noise of Pillow's choices, within a frame and from one to the next.

    GIF counts time in 1/100 s: frames are shown for the nearest durations whose sum stays
    within 1/200 s of ``num_frames / fps``, so at 8 frames per second for 12 or 13 hundredths. Of
    frames unevenly apart each begins within 1/200 s of its time.

    Raises:
        ConfigError: if a frame would be shown for less than 1/50 s.
        MediaError: if the place cannot be written, or one picture stands for more than 655 s.
    """
    durations, provenance = _timed(frames, path, fps, provenance, times)
    first, *others = _exact(frames) or _dithered(frames)
    with atomic_path(path) as part:
        try:
            first.save(
                part,
                format="GIF",
                save_all=True,
                append_images=others,
                duration=durations,
                loop=0,
                disposal=1,
                comment=provenance.to_json(),
            )
        except struct.error as error:  # durations have 16 bits
            raise MediaError(
                f"{path} cannot be written at {fps:g} frames per second: a GIF shows no picture "
                "for longer than 655 s. Use a higher rate, or .webp."
            ) from error


def save_webp(
    frames: FrameArray,
    path: Path,
    fps: float,
    provenance: Provenance,
    times: Sequence[float] | None = None,
) -> None:
    """Write an endless lossless WebP animation; times are rounded to 1/1000 s.

    Raises:
        ConfigError: if frames come closer than that.
        MediaError: if the place cannot be written.
    """
    durations, provenance = _timed(frames, path, fps, provenance, times)
    with atomic_path(path) as part:
        part.write_bytes(encode_webp(frames, durations, provenance=provenance))


def encode_webp(
    frames: FrameArray,
    shown: float | Sequence[int],
    *,
    quality: int | None = None,
    provenance: Provenance | None = None,
) -> bytes:
    """Encode an endless WebP animation, or a still picture where there is one frame.

    Args:
        frames: what is shown.
        shown: frames per second, which become whole milliseconds, or the milliseconds of each.
        quality: 0 to 100, or none for no loss.
        provenance: kept with it.
    """
    if isinstance(shown, (int, float)):
        shown = durations_of(len(frames), shown, ticks=1000)
    first, *others = (Image.fromarray(frame) for frame in frames)
    whole = io.BytesIO()
    first.save(
        whole,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=list(shown),
        loop=0,
        lossless=quality is None,
        # Without loss: a third of the time of method 4, for 2% more bytes.
        method=3 if quality is None else 4,
        quality=50 if quality is None else quality,
        exif=b"" if provenance is None else exif(provenance),
    )
    return whole.getvalue()


def _timed(
    frames: FrameArray,
    path: Path,
    fps: float,
    provenance: Provenance,
    times: Sequence[float] | None,
) -> tuple[list[int], Provenance]:
    """Milliseconds of each frame; told too, where they cannot be seen from what is stored.

    Encoders merge frames that are alike, and those unevenly apart do not come apart by a rate.
    """
    if times is not None:
        check_times(path, len(frames), fps, times)
    ticks = _TICKS[path.suffix.lower()]
    shown = [each * 1000 // ticks for each in durations_of(len(frames), fps, ticks, times)]
    told = None if times is None else tuple(shown)
    return shown, provenance.model_copy(update={"durations": told})


def _exact(frames: FrameArray) -> list[Image.Image] | None:
    """Frames with a palette of all their colours, or ``None`` if those are more than 256."""
    colours = np.empty(0, np.uint32)
    for frame in frames:
        colours = np.union1d(colours, _as_numbers(frame))
        if len(colours) > 256:
            return None
    palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    images: list[Image.Image] = []
    for frame in frames:
        image = Image.fromarray(np.searchsorted(colours, _as_numbers(frame)).astype(np.uint8))
        image.putpalette(palette.astype(np.uint8).tobytes())
        images.append(image)
    return images


def _as_numbers(frame: ImageArray) -> UInt32[np.ndarray, "h w"]:
    red, green, blue = frame.astype(np.uint32).transpose(2, 0, 1)
    return red << 16 | green << 8 | blue


def _dithered(frames: FrameArray) -> list[Image.Image]:
    pixels = frames.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // _PALETTE_SAMPLE)]
    palette = Image.fromarray(pixels[None]).quantize(256, method=Image.Quantize.FASTOCTREE)
    return [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for frame in frames
    ]
