"""Clips that the tests of the data room make."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from filmgrid.types import FrameArray

Encoder = Callable[..., Path]


@pytest.fixture
def clip() -> FrameArray:
    """Twelve frames of 24x40 px: a colour gradient under a square that moves."""
    rows, cols = np.mgrid[:24, :40]
    frames = np.empty((12, 24, 40, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[..., 0], frame[..., 1], frame[..., 2] = 4 * rows, 3 * cols + 40, 90 + 5 * index
        frame[8:16, 2 + 2 * index : 12 + 2 * index] = (220, 60, 40)
    return frames


@pytest.fixture
def noise() -> FrameArray:
    """Sixteen frames of 64x64 px that no codec can make small."""
    return np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)


@pytest.fixture
def encode() -> Encoder:
    """Write a video as other programs do: ``encode(path, frames, codec, pix_fmt, …)``."""

    def encode_frames(
        path: Path,
        frames: FrameArray,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        codec_options: dict[str, str] | None = None,
        file_options: dict[str, str] | None = None,
    ) -> Path:
        with av.open(str(path), "w", options=file_options or {}) as container:
            stream = container.add_stream(codec, rate=10, options=codec_options or {})
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pix_fmt
            container.start_encoding()
            for frame in frames:
                container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
            if len(frames):
                container.mux(stream.encode(None))
        return path

    return encode_frames


@pytest.fixture
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Let no file grow beyond so many bytes inside a block, as on a disk that is full.

    Not for longer: pytest's own output may be such a file.
    """
    resource = pytest.importorskip("resource", reason="this system cannot limit files")

    @contextmanager
    def limited(num_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
