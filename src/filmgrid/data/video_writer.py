"""Videos out, frame by frame as they come, with PyAV."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from filmgrid.data.files import atomic_path
from filmgrid.data.gate import FrameGate, FrameWriter, check_numbers
from filmgrid.data.provenance import Provenance, short_json
from filmgrid.data.videos import CONVERSION
from filmgrid.errors import MediaError
from filmgrid.types import ImageArray

# Container and its options, codec and its options. A crf of 17 looks lossless; 0 would choose a
# profile that browsers do not play. VP9 counts to 63, and needs the bit rate of 0 to follow it.
# The same frames make the same bytes: without cpu-independent x264's differ from run to run, and
# without bitexact Matroska numbers its files at random.
_FASTSTART = {"movflags": "+faststart"}
_BITEXACT = {"fflags": "+bitexact"}
_X264 = {"crf": "17", "preset": "medium", "x264-params": "cpu-independent=1"}
_VP9 = {"crf": "18", "b": "0", "row-mt": "1", "cpu-used": "2"}
_CODERS: dict[str, tuple[str, dict[str, str], str, dict[str, str]]] = {
    ".mp4": ("mp4", _FASTSTART, "libx264", _X264),
    ".mov": ("mov", _FASTSTART, "libx264", _X264),
    ".mkv": ("matroska", _BITEXACT, "libx264", _X264),
    ".webm": ("webm", _BITEXACT, "libvpx-vp9", _VP9),
}
VIDEO_SUFFIXES = tuple(_CODERS)

TICK = Fraction(1, 90_000)
"""Of the clock of videos whose frames are unevenly apart, in seconds."""
_BT709 = 1  # in H.273 the same number for matrix, primaries and transfer


@contextmanager
def video_writer(
    path: Path,
    *,
    fps: float,
    provenance: Provenance,
    scale: int = 1,
    times: Sequence[float] | None = None,
) -> Iterator[FrameWriter]:
    """Write a video as its frames come; ``path`` appears, complete, when the body succeeds.

    H.264 (mp4, mov, mkv) or VP9 (webm), yuv420p, converted and tagged as limited-range BT.709.
    An odd side gets one more row or column, a copy of the last, which our reader cuts off.

    Args:
        path: where; the suffix (one of ``VIDEO_SUFFIXES``) chooses the container.
        fps: frames per second, 0.01 to 1000.
        provenance: what is known before; size, padding and rate are filled in.
        scale: integer enlargement without smoothing, for frames of few pixels.
        times: seconds from the first frame to each, rising, if they are unevenly apart; ``fps`` is
            then their average.

    Raises:
        ConfigError: if ``fps`` or ``scale`` is out of range.
        MediaError: if no frame comes, the place cannot be written, or the disk is full.
    """
    check_numbers(fps, scale)
    with atomic_path(path) as part:
        writer = _VideoWriter(path, part, fps, provenance, scale, times)
        try:
            yield writer
            writer.finish()
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):  # atomic_path has the sentence for it
                raise
            raise MediaError(f"{path} could not be encoded: {error.strerror}.") from error
        finally:
            writer.close()


class _VideoWriter:
    def __init__(
        self,
        path: Path,
        part: Path,
        fps: float,
        provenance: Provenance,
        scale: int,
        times: Sequence[float] | None,
    ) -> None:
        self._times = times
        self._gate = FrameGate(path, scale)
        self._path, self._fps, self._provenance = path, fps, provenance
        self._format, options, self._codec, self._options = _CODERS[path.suffix.lower()]
        self._container = av.open(str(part.absolute()), "w", format=self._format, options=options)
        self._stream: VideoStream | None = None
        self._reformatter = VideoReformatter()

    def write(self, frame: ImageArray) -> None:
        frame = self._gate.admit(frame)
        stream = self._stream or self._begin(frame.shape[0], frame.shape[1])
        height, width = frame.shape[:2]
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        coded = self._reformatter.reformat(
            VideoFrame.from_ndarray(even, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=CONVERSION,
            threads=1,
        )
        coded.color_primaries = coded.color_trc = _BT709
        index = self._gate.num_frames - 1
        coded.pts = index if self._times is None else round(self._times[index] / TICK)
        if self._times is not None:
            coded.time_base = TICK
            following = self._times[index + 1 :][:1] or [self._times[index] + 1 / self._fps]
            coded.duration = round(following[0] / TICK) - coded.pts
        self._encode(stream, coded)

    def finish(self) -> None:
        self._gate.check_not_empty()
        assert self._stream is not None
        self._encode(self._stream, None)
        self._container.close()

    def close(self) -> None:
        # After finish() this does nothing; otherwise another error is already on its way.
        with suppress(av.error.FFmpegError):
            self._container.close()

    def _begin(self, height: int, width: int) -> VideoStream:
        rate = Fraction(self._fps).limit_denominator(1001)  # 29.97… becomes 30000/1001
        told = self._provenance.model_copy(
            update={
                "kind": "sequence",
                "cell": (height, width),
                "pad": (width % 2, height % 2),
                "fps": float(rate),
                "scale": self._gate.scale,
            }
        )
        is_mov = self._format == "mov"
        self._container.metadata["comment"] = (
            short_json(self._path, told) if is_mov else told.to_json()
        )
        stream = self._container.add_stream(self._codec, rate=rate, options=dict(self._options))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        if self._times is not None:
            stream.time_base = stream.codec_context.time_base = TICK
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        self._stream = stream
        return stream

    def _encode(self, stream: VideoStream, frame: VideoFrame | None) -> None:
        for packet in stream.encode(frame):
            self._container.mux(packet)
