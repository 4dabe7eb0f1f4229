"""GIF and WebP animations out, with Pillow."""

import io
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import UInt32
from PIL import Image

from filmgrid.data.files import atomic_path
from filmgrid.data.provenance import Provenance, exif
from filmgrid.errors import MediaError
from filmgrid.types import FrameArray, ImageArray

MAX_GIF_FPS = 50
"""Players show a GIF frame of less than 1/50 s for 1/10 s."""

_PALETTE_SAMPLE = 2_000_000  # pixels, spread over all frames, from which the palette is chosen


def save_gif(frames: FrameArray, path: Path, fps: float, provenance: Provenance) -> None:
    """Write an endless GIF with one palette for all frames.

    A shared palette does not flicker from frame to frame. Up to 256 colours (so every gray
    sequence) are kept exactly; more are dithered (octree palette, Floyd-Steinberg), which on
    real clips shows the least noise of Pillow's choices, within a frame and from one to the next.

    GIF counts time in 1/100 s: frames are shown for the nearest durations whose sum stays
    within 1/200 s of ``num_frames / fps``, so at 8 frames per second for 12 or 13 hundredths.

    Raises:
        MediaError: if the place cannot be written, or one picture stands for more than 655 s.
    """
    first, *others = _exact(frames) or _dithered(frames)
    with atomic_path(path) as part:
        try:
            first.save(
                part,
                format="GIF",
                save_all=True,
                append_images=others,
                duration=[10 * count for count in _durations(len(frames), fps, ticks=100)],
                loop=0,
                disposal=1,
                comment=provenance.to_json(),
            )
        except struct.error as error:  # durations have 16 bits
            raise MediaError(
                f"{path} cannot be written at {fps:g} frames per second: a GIF shows no picture "
                "for longer than 655 s. Use a higher rate, or .webp."
            ) from error


def save_webp(frames: FrameArray, path: Path, fps: float, provenance: Provenance) -> None:
    """Write an endless lossless WebP animation; durations are rounded to 1/1000 s.

    Raises:
        MediaError: if the place cannot be written.
    """
    with atomic_path(path) as part:
        part.write_bytes(encode_webp(frames, fps, provenance=provenance))


def encode_webp(
    frames: FrameArray,
    fps: float,
    *,
    quality: int | None = None,
    provenance: Provenance | None = None,
) -> bytes:
    """Encode an endless WebP animation, or a still picture where there is one frame.

    Args:
        frames: what is shown.
        fps: frames per second; durations are rounded to 1/1000 s.
        quality: 0 to 100, or none for no loss.
        provenance: kept with it.
    """
    first, *others = (Image.fromarray(frame) for frame in frames)
    whole = io.BytesIO()
    first.save(
        whole,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=_durations(len(frames), fps, ticks=1000),
        loop=0,
        lossless=quality is None,
        # Without loss: a third of the time of method 4, for 2% more bytes.
        method=3 if quality is None else 4,
        quality=50 if quality is None else quality,
        exif=b"" if provenance is None else exif(provenance),
    )
    return whole.getvalue()


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


def _durations(num_frames: int, fps: float, ticks: int) -> list[int]:
    """Whole ticks per frame, whose sums never drift from the true time by more than half one."""
    ends = np.rint(np.arange(num_frames + 1) * ticks / fps).astype(int).tolist()
    return [end - start for start, end in pairwise(ends)]
