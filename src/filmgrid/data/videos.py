"""Videos read with PyAV: colours as the reference decoder gives them, frames as stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from filmgrid.data.images import check_pixels
from filmgrid.errors import MediaError
from filmgrid.types import ImageArray

# Explicit, because FFmpeg's other readers follow links (playlists, concat) or draw text files.
_OPEN = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,ivf,"
    "yuv4mpegpipe",
    "protocol_whitelist": "file",
}

# Without full chroma and accurate rounding, swscale's fast path is up to 3 levels off.
CONVERSION = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video file and choose its best video stream, as FFmpeg ranks them.

    Raises:
        MediaError: if it cannot be opened, has no video, or its frames are too large.
    """
    try:
        # Absolute, so that no name can be taken for a protocol ("concat:…").
        container = av.open(str(path.absolute()), options=_OPEN, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{path} cannot be read as a video or a picture: it is cut short, damaged, or some "
            "other kind of file. Give an mp4, mkv, webm, mov or avi video, or a common picture."
        ) from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{path} holds {_what(container)}. Give another file.")
        if stream.codec_context is None:
            raise MediaError(
                f"{path} is coded in a way that no decoder here knows. Convert it to H.264 first."
            )
        stream.thread_type = "AUTO"
        check_pixels(path, stream.height, stream.width)
        yield container, stream


def iter_video(path: Path, wanted: range) -> Iterator[ImageArray]:
    """Frames of a video one at a time, in the order they are shown.

    Y'CbCr becomes RGB with the matrix and range that the file states; a file that states none
    is taken as limited-range BT.601, FFmpeg's own convention. Rotation by quarter turns is
    applied; mirroring, non-square pixels, interlacing and HDR curves are left as stored.

    Args:
        path: the file.
        wanted: indices of the frames to give; the others are decoded but not converted.

    Raises:
        MediaError: if the file is damaged or cut short before the last wanted frame.
    """
    reformatter = VideoReformatter()
    with open_video(path) as (container, stream):
        for index, frame in enumerate(_decode(path, container, stream)):
            if index in wanted:
                yield _to_rgb(path, frame, reformatter)
            if index + 1 >= wanted.stop:
                return


def frame_rate(stream: VideoStream) -> float | None:
    """Average frames per second, also of a variable rate; ``None`` where the file has none."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def _decode(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    num_packets, num_frames, end = 0, 0, 0.0
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt:  # the last one of a cut file is
                num_packets += 1
                if packet.pts is not None and packet.time_base is not None:
                    last = packet.pts + (packet.duration or 0)
                    end = max(end, float(last * packet.time_base))
            for frame in packet.decode():
                if not isinstance(frame, VideoFrame):
                    continue
                if frame.is_corrupt:
                    raise MediaError(_damaged(path, num_frames))
                check_pixels(path, frame.height, frame.width)
                num_frames += 1
                yield frame
    except av.error.FFmpegError as error:
        raise MediaError(_damaged(path, num_frames)) from error
    if _is_short(container, stream, num_packets, end):
        raise MediaError(_damaged(path, num_frames))


def _is_short(container: InputContainer, stream: VideoStream, num_packets: int, end: float) -> bool:
    """Whether the file ended clearly before the time it promises: most readers stay silent."""
    promised = _promised_end(container, stream)
    if promised is None or num_packets >= stream.frames > 0:
        return False
    frame_time = 1 / (frame_rate(stream) or 25)
    # Only a stated number of frames tells one lost frame from a rounded duration.
    return promised - end > (
        frame_time / 2 if stream.frames else max(2 * frame_time, promised / 10)
    )


def _promised_end(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    tags = {key.upper(): value for key, value in stream.metadata.items()}
    try:  # Matroska has it as a tag of the stream: 00:00:10.333000000
        hours, minutes, seconds = tags["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        alone = len(container.streams) == 1 and container.duration
        return container.duration / av.time_base if alone and container.duration else None


def _to_rgb(path: Path, frame: VideoFrame, reformatter: VideoReformatter) -> ImageArray:
    try:
        rgb = reformatter.reformat(frame, format="rgb24", interpolation=CONVERSION, threads=1)
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(
            f"{path} is coded in a colour space (number {frame.colorspace}, {frame.format.name}) "
            "that cannot be turned into RGB. Convert the video to BT.709 first."
        ) from error
    pixels = rgb.to_ndarray().astype(np.uint8, copy=False)
    # rot90 and FFmpeg both count counterclockwise.
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _damaged(path: Path, num_frames: int) -> str:
    if num_frames == 0:
        return (
            f"{path} holds no frame that can be decoded: it is damaged or cut short. "
            "Copy or download it again."
        )
    return (
        f"{path} is damaged or cut short after frame {num_frames - 1}. Copy it again, or read "
        f"only the {num_frames} frames before that."
    )


def _what(container: InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    if not kinds:
        return "no frames: nothing was recorded in it"
    return f"no video, only {' and '.join(kinds)}"
